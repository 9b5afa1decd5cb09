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
    match one:
        case config.HeldOut():
            return folds.heldout(
                folds.where(adata, one.where, f"{task}.where"),
                shared=one.shared,
                only_1=one.only_1,
                only_2=one.only_2,
                hold_out=one.hold_out,
                n_cells=one.n_cells,
                test_fraction=one.test_fraction,
                batch_size=batch_size,
                seed=one.split_seed,
            )
        case config.BatchAlignment():
            adata = folds.where(adata, one.where, f"{task}.where")
            if one.wipe:
                adata = folds.wipe(adata, marker=one.wipe.marker, populations=one.wipe.populations, seed=one.split_seed)
            return folds.batch(
                adata,
                reference=one.reference,
                markers=one.markers,
                train=one.train,
                test=one.test,
                test_fraction=one.test_fraction,
                batch_size=batch_size,
                seed=one.split_seed,
            )
        case config.Digits():
            return folds.digits(
                adata,
                classes=one.classes,
                degrees=one.degrees,
                n_pairs=one.n_pairs,
                n_train=one.n_train,
                n_test=one.n_test,
                batch_size=batch_size,
                seed=one.split_seed,
            )
