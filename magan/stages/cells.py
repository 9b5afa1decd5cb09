"""From files to what training, mapping and scoring may each see."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anndata
from anndata import AnnData

from magan import config, keys
from magan.data import folds, registry
from magan.data.cytof import read_panel
from magan.data.gates import gate
from magan.stages.files import write


def read(data: str, own: Mapping[str, Any] | None, mirror: str | None, cache: str, output: str) -> None:
    """Rule `read`: a data set, named or the user's own, as one checked AnnData."""
    if own is None:
        adata = registry.load(data, mirror=mirror, cache=Path(cache))
    else:
        files = config.OwnData.model_validate(own)
        panel = read_panel(files.panel) if files.panel else None
        rows = [file.model_dump(exclude_none=True) for file in files.files]
        adata = registry.load_files(rows, panel=panel, cofactor=files.cofactor, name=data)
        adata = gate(adata, files.gates) if files.gates else adata
    write(adata, output)


def prepare(
    task: str, dataset: str, settings: Mapping, batch_size: int, cells: str, train: str, query: str, truth: str
):
    """Rule `prepare`: what training, mapping and scoring may each see, in files of their own."""
    parts = _folds(task, settings, anndata.read_h5ad(cells), batch_size)
    for fold, (x1, x2) in parts.train.items():
        write(x1, f"{train}/{fold}/x1.h5ad")
        write(x2, f"{train}/{fold}/x2.h5ad")
    for fold, x in parts.query.items():
        write(x, f"{query}/{fold}.h5ad")
    parts.truth.uns[keys.DATASET] = dataset
    write(parts.truth, truth)


def _folds(task: str, settings: Mapping[str, Any], adata: AnnData, batch_size: int) -> folds.Folds:
    study = {"name": "one", "title": "one", task: {"one": dict(settings)}}
    one = config.Study.model_validate(study).find(task, "one")
    rest = {"batch_size": batch_size, "seed": one.split_seed}

    def given(*names: str) -> dict[str, Any]:
        return {name: getattr(one, name) for name in names} | rest

    match one:
        case config.HeldOut():
            adata = folds.where(adata, one.where, f"{task}.where")
            panels = given("shared", "only_1", "only_2", "hold_out", "n_cells", "test_fraction")
            return folds.heldout(adata, **panels)
        case config.BatchAlignment():
            adata = folds.where(adata, one.where, f"{task}.where")
            if one.wipe:
                adata = folds.wipe(adata, **one.wipe.model_dump(), seed=one.split_seed)
            return folds.batch(adata, **given("reference", "markers", "train", "test", "test_fraction"))
        case config.Digits():
            return folds.digits(adata, **given("classes", "degrees", "n_pairs", "n_train", "n_test"))
