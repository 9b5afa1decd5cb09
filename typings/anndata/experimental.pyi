from collections.abc import Sequence
from typing import Any, Literal

import pandas as pd
from anndata import AnnData

class AnnCollection:
    X: Any
    obs: pd.DataFrame
    shape: tuple[int, int]
    n_obs: int
    obs_names: pd.Index[str]
    var_names: pd.Index[str]

    def __init__(self, adatas: Sequence[AnnData], join_obs: Literal["inner", "outer"] | None = ...) -> None: ...
    def __getitem__(self, index: Any) -> Any: ...
