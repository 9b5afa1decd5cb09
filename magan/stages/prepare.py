"""From files to what training, mapping and scoring may each see."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anndata

from magan import keys
from magan.config import OwnImages
from magan.cytometry import load as cells_of
from magan.datasets import registry
from magan.images import load as images_of
from magan.stages.atomic_files import write
from magan.stages.sources import user_files
from magan.tasks.registry import TASKS


def read(data: str, own: Mapping[str, Any] | None, mirror: str | None, cache: str, output: str) -> None:
    """Rule `read`: write a data set, named or the user's, as a checked AnnData."""
    if own is None:
        adata = registry.load(data, mirror=mirror, cache=Path(cache))
    else:
        known = user_files(own)
        adata = images_of.own_pictures(known, data) if isinstance(known, OwnImages) else cells_of.own_cells(known, data)
        for kind, name, reason in adata.uns[keys.LEFT_OUT].itertuples(index=False):
            print(f"left out {kind} {name}: {reason}", flush=True)
    write(adata, output)


def prepare(
    task: str,
    dataset: str,
    settings: Mapping[str, Any],
    batch_size: int,
    cells: Sequence[str],
    folders: Mapping[str, str],
) -> None:
    """Rule `prepare`: what training, mapping and scoring may each see, in separate files.

    ``folders`` names the folders ``train`` and ``query`` and the file ``truth``.
    """
    asked = TASKS[task].settings.model_validate(settings)
    parts = TASKS[task].split(asked, [anndata.read_h5ad(path) for path in cells], batch_size)
    for fold, domains in parts.train.items():
        for number, domain in enumerate(domains, start=1):
            write(domain, f"{folders['train']}/{fold}/x{number}.h5ad")
        sizes = " and ".join(f"{domain.n_obs:,}" for domain in domains)
        print(f"fold {fold}: trained on {sizes}, asked for {parts.query[fold].n_obs:,}", flush=True)
    for fold, x in parts.query.items():
        write(x, f"{folders['query']}/{fold}.h5ad")
    parts.truth.uns[keys.DATASET] = dataset
    write(parts.truth, folders["truth"])
