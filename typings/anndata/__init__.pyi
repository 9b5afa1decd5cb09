"""AnnData as this package uses it: in memory, so that `obs` and `var` are data frames and matrices are arrays."""

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from os import PathLike
from typing import Any, Literal

import pandas as pd

class AnnData:
    X: Any  # an array, or a sparse matrix as read from a file
    obs: pd.DataFrame
    var: pd.DataFrame
    uns: dict[str, Any]
    layers: MutableMapping[str, Any]
    obsm: MutableMapping[str, Any]
    is_view: bool

    def __init__(
        self,
        X: Any = ...,
        obs: pd.DataFrame | Mapping[str, Any] | None = ...,
        var: pd.DataFrame | Mapping[str, Any] | None = ...,
        uns: Mapping[str, Any] | None = ...,
        obsm: Mapping[str, Any] | None = ...,
        layers: Mapping[str, Any] | None = ...,
    ) -> None: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def n_obs(self) -> int: ...
    @property
    def n_vars(self) -> int: ...
    @property
    def obs_names(self) -> pd.Index[str]: ...
    @obs_names.setter
    def obs_names(self, names: Iterable[str]) -> None: ...
    @property
    def var_names(self) -> pd.Index[str]: ...
    @var_names.setter
    def var_names(self, names: Iterable[str]) -> None: ...
    def __getitem__(self, index: Any) -> AnnData: ...
    def __len__(self) -> int: ...
    def copy(self) -> AnnData: ...
    def to_df(self, layer: str | None = ...) -> pd.DataFrame: ...
    def obs_names_make_unique(self, join: str = ...) -> None: ...
    def var_names_make_unique(self, join: str = ...) -> None: ...
    def write_h5ad(self, filename: str | PathLike[str], **options: Any) -> None: ...

def concat(
    adatas: Sequence[AnnData],
    *,
    axis: Literal["obs", "var"] = ...,
    join: Literal["inner", "outer"] = ...,
    merge: str | None = ...,
    uns_merge: str | None = ...,
    fill_value: Any = ...,
    index_unique: str | None = ...,
) -> AnnData: ...
def read_h5ad(filename: str | PathLike[str], backed: Literal["r"] | None = ...) -> AnnData: ...
