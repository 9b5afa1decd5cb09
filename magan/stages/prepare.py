"""From files to what training, mapping and scoring may each see."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anndata
from anndata import AnnData

from magan import config, keys
from magan.cytometry.consistent_markers import Rows
from magan.cytometry.gating import gate
from magan.cytometry.harmonise_names import read_aliases
from magan.cytometry.panel import read_panel
from magan.cytometry.sample_sheet import read_sheet
from magan.datasets import registry
from magan.errors import InputError, among
from magan.images.folders import Form, files_in
from magan.images.load import own_images
from magan.stages.atomic_files import write
from magan.tasks import folds
from magan.tasks.cell_matching import folds as cell_matching_folds
from magan.tasks.image_generation import folds as image_generation_folds
from magan.tasks.image_translation import folds as image_translation_folds
from magan.tasks.rotated_digits import folds as rotated_digits_folds


def read(data: str, own: Mapping[str, Any] | None, mirror: str | None, cache: str, output: str) -> None:
    """Rule `read`: a data set, named or the user's own, as one checked AnnData."""
    if own is None:
        adata = registry.load(data, mirror=mirror, cache=Path(cache))
    else:
        known = _known(own)
        adata = own_pictures(known, data) if isinstance(known, config.OwnImages) else own_cells(known, data)
        for kind, name, reason in adata.uns[keys.LEFT_OUT].itertuples(index=False):
            print(f"left out {kind} {name}: {reason}", flush=True)
    write(adata, output)


def _known(own: Mapping[str, Any]) -> config.OwnData | config.OwnImages:
    """An entry of own_data or of own_images, by the one key that only images have at this place."""
    return (config.OwnImages if "path" in own else config.OwnData).model_validate(own)


def own_pictures(own: config.OwnImages, name: str) -> AnnData:
    """The user's images as the study says."""
    form = Form(own.size, own.crop, own.channels)
    return own_images(own.path, array=own.array, labels=own.labels, paired=own.paired, form=form, name=name)


def own_cells(own: config.OwnData, name: str) -> AnnData:
    """The user's files as `registry.load_files` reads them, with populations by gates where there are any."""
    rows = rows_of(own)
    adata = registry.load_files(rows, **reading(own, rows), leave_out=own.sheet is not None, name=name)
    return gate(adata, own.gates) if own.gates else adata


def rows_of(own: config.OwnData) -> list[dict[str, object]]:
    """A row for each of the user's files, as a sample sheet has them.

    Raises
    ------
    InputError
        As `read_sheet`.
    """
    rows = read_sheet(own.sheet) if own.sheet else [file.model_dump(exclude_none=True) for file in own.files]
    said = {key: value for key in keys.HOW_TO_READ if (value := getattr(own, key)) is not None}
    return [row | {key: row.get(key) or value for key, value in said.items()} for row in rows]


def reading(own: config.OwnData, rows: Rows) -> dict[str, Any]:
    """What `registry.load_files` must know besides the rows."""
    panels = {str(row.get(keys.PANEL, "")) for row in rows}
    counts = (sorted(panels) if own.counts else ()) if isinstance(own.counts, bool) else own.counts
    for panel in (*counts, *(own.panel if isinstance(own.panel, dict) else ())):
        if panel not in panels:
            raise InputError(f"there is no file of panel '{panel}'{among(panel, panels)}")
    tables = {name: read_panel(path) for name, path in own.panel.items()} if isinstance(own.panel, dict) else own.panel
    panel = read_panel(tables) if isinstance(tables, str) else tables
    aliases = read_aliases(own.aliases) if isinstance(own.aliases, str) else own.aliases
    return {"panel": panel, "cofactor": own.cofactor, "aliases": aliases, "counts": counts}


def sources(own: Mapping[str, Any] | None) -> list[str]:
    """The user's files, sheet and tables that are there: when one of them changes, the data set is made anew."""
    if own is None:
        return []
    files = _known(own)
    if isinstance(files, config.OwnImages):
        path, labels = Path(files.path), Path(files.labels or "")
        paths = sorted(files_in(path)) if path.is_dir() else [path]
        return [str(one) for one in (*paths, labels) if one.is_file()]
    tables = files.panel.values() if isinstance(files.panel, dict) else [files.panel]
    aliases = files.aliases if isinstance(files.aliases, str) else None
    paths = [files.sheet, aliases, *tables, *(str(row["path"]) for row in rows_of(files))]
    return [path for path in paths if path and Path(path).is_file()]


def prepare(
    task: str,
    dataset: str,
    settings: Mapping,
    batch_size: int,
    cells: Sequence[str],
    train: str,
    query: str,
    truth: str,
):
    """Rule `prepare`: what training, mapping and scoring may each see, in files of their own."""
    parts = _folds(task, settings, [anndata.read_h5ad(path) for path in cells], batch_size)
    for fold, domains in parts.train.items():
        for number, domain in enumerate(domains, start=1):
            write(domain, f"{train}/{fold}/x{number}.h5ad")
        sizes = " and ".join(f"{domain.n_obs:,}" for domain in domains)
        print(f"fold {fold}: trained on {sizes}, asked for {parts.query[fold].n_obs:,}", flush=True)
    for fold, x in parts.query.items():
        write(x, f"{query}/{fold}.h5ad")
    parts.truth.uns[keys.DATASET] = dataset
    write(parts.truth, truth)


def _folds(task: str, settings: Mapping[str, Any], cells: Sequence[AnnData], batch_size: int) -> folds.Folds:
    adata, *others = cells
    study = {"name": "one", "title": "one", task: {"one": dict(settings)}}
    one = config.Study.model_validate(study).find(task, "one")
    rest = {"batch_size": batch_size, "seed": one.split_seed}

    def given(*names: str) -> dict[str, Any]:
        return {name: getattr(one, name) for name in names} | rest

    match one:
        case config.HeldOut():
            adata = folds.select_cells(adata, one.where, f"{task}.where")
            panels = given(
                *("panel_1", "panel_2", "shared", "only_1", "only_2", "hold_out", "n_cells", "test_fraction")
            )
            return folds.heldout(adata, **panels)
        case config.BatchAlignment():
            adata = folds.select_cells(adata, one.where, f"{task}.where")
            if one.wipe:
                adata = folds.wipe(adata, **one.wipe.model_dump(), seed=one.split_seed)
            return folds.batch(adata, **given("reference", "markers", "train", "n_train", "test", "test_fraction"))
        case config.Digits():
            return rotated_digits_folds.turning(adata, **given("classes", "degrees", "n_pairs", "n_train", "n_test"))
        case config.Translation():
            asked = given("size", "channels", "classes", "n_train", "n_test", "n_pairs", "paired")
            return image_translation_folds.translating(adata, *others, **asked)
        case config.Generation():
            return image_generation_folds.generating(adata, **given("classes", "n_train", "n_test"))
        case config.Matching():
            return cell_matching_folds.matching(adata, *others, **given("n_pairs", "n_draws"))
