"""What every method needs, trained or not: the folds that it reads, and the maps of a method that breaks."""

from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
from anndata import AnnData

LOOKS = "looks"  # folder of the pictures of a training, beside its model


@dataclass(frozen=True)
class Folds:
    """The training domains and the query of every fold."""

    domains: dict[str, tuple[AnnData, ...]]  # x1 and x2, or x1 if the fold has a single domain
    queries: dict[str, AnnData]


def read_folds(train: str, query: str) -> Folds:
    """Read the folds that have a query, in the order of their names."""
    names = sorted(path.stem for path in Path(query).glob("*.h5ad"))
    domains = {name: tuple(map(anndata.read_h5ad, sorted(Path(train, name).glob("x[12].h5ad")))) for name in names}
    return Folds(domains, {name: anndata.read_h5ad(f"{query}/{name}.h5ad") for name in names})


def nan_maps(data: Folds) -> dict[str, AnnData]:
    """What a method that broke maps the query of every fold to: NaN for each feature of the target."""
    maps = {}
    for fold, query in data.queries.items():
        target = data.domains[fold][-1]
        maps[fold] = AnnData(np.full((query.n_obs, target.n_vars), np.nan, np.float32), obs=query.obs.copy())
        maps[fold].var_names = target.var_names
    return maps
