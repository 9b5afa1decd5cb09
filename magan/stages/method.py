"""What every method needs, trained or not: the folds that it reads, and the maps of a method that breaks."""

from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
from anndata import AnnData

from magan import keys
from magan.batch_mapper import BatchMapper

LOOKS = "looks"  # folder of the pictures of a training, beside its model


@dataclass(frozen=True)
class Folds:
    """The training domains and the query of every fold."""

    domains: dict[str, tuple[AnnData, ...]]  # x1 and x2, or x1 alone; a batch mapped in steps has two of each step
    queries: dict[str, AnnData]

    def steps(self, fold: str) -> list[tuple[AnnData, AnnData]]:
        """The two domains of each step of a fold."""
        domains = self.domains[fold]
        return list(zip(domains[::2], domains[1::2]))


def read_folds(train: str, query: str) -> Folds:
    """Read the folds that have a query, in the order of their names."""
    names = sorted(path.stem for path in Path(query).glob("*.h5ad"))
    domains = {
        name: tuple(
            map(anndata.read_h5ad, sorted(Path(train, name).glob("x*.h5ad"), key=lambda path: int(path.stem[1:])))
        )
        for name in names
    }
    return Folds(domains, {name: anndata.read_h5ad(f"{query}/{name}.h5ad") for name in names})


def fitted(mapper: BatchMapper, data: Folds) -> BatchMapper:
    """The mapper, fitted to all steps of every fold."""
    steps = [data.steps(fold) for fold in data.domains]
    first = ([pairs[0][side] for pairs in steps] for side in (0, 1))
    return mapper.fit(*first, names=list(data.domains), then={fold: pairs[1:] for fold, pairs in enumerate(steps)})


def with_unstained(mapped: AnnData, query: AnnData, domain: AnnData) -> AnnData:
    """The mapped cells with the markers that the controls of a training domain do not stain, as measured."""
    left = [str(marker) for marker in domain.uns.get(keys.NOT_STAINED, ())]
    if not left:
        return mapped
    values = np.array(query.layers[keys.PREPROCESSED], dtype=np.float32)
    values[:, query.var_names.get_indexer(mapped.var_names)] = mapped.X
    whole = AnnData(values, obs=mapped.obs)
    whole.var_names = query.var_names
    return whole


def nan_maps(data: Folds) -> dict[str, AnnData]:
    """What a method that broke maps the query of every fold to: NaN for each feature of the target."""
    maps = {}
    for fold, query in data.queries.items():
        target = data.domains[fold][-1]
        maps[fold] = AnnData(np.full((query.n_obs, target.n_vars), np.nan, np.float32), obs=query.obs.copy())
        maps[fold].var_names = target.var_names
    return maps
