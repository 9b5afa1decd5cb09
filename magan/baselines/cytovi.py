"""CytoVI (Ingelfinger et al. 2025): a variational autoencoder that decodes a cell as of another batch."""

import logging
import sys
from contextlib import redirect_stdout

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.baselines.extras import extra
from magan.baselines.panels import intensities, measured_everywhere
from magan.errors import InputError

LEAST = 20  # cells in all, so that a tenth can be set apart for early stopping


def cytovi(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """The query encoded by CytoVI and decoded as of domain 2, ``(n, M2)`` float32.

    Trained on the training cells of both domains with the library's settings, on the
    CPU: up to 1,000 epochs, stopped when 30 in a row were no better. With a few
    thousand cells that can be long before its warm-up of 400 epochs is over, and
    further training would bring the domains nearer. Each marker is scaled to [0, 1] by
    the range of its own domain's training cells, as the library's tutorial does, and
    what is decoded goes back by the range of domain 2.

    What comes out is the decoder's mean at one draw of the cell's latent state: what
    the latent state does not hold of a cell is gone. So the values of a marker
    vary less than as measured. No query cell takes part in the fit, but
    the draw depends on the cell's place among the others.

    Raises
    ------
    InputError
        scvi-tools is not installed, domain 1 lacks a marker of ``x2``, or there are fewer than 20 training cells.
    """
    markers = measured_everywhere("cytovi", x1, x2, query)
    with extra("cytovi", "scvi-tools", "cytovi"):
        import scvi
        from lightning.pytorch.utilities.seed import isolate_rng

    source, target, values = (intensities(x, markers) for x in (x1, x2, query))
    if len(source) + len(target) < LEAST:
        raise InputError(f"baseline 'cytovi' needs {LEAST} training cells, not {len(source) + len(target)}; use zscore")
    low1, width1 = _range(source)
    low2, width2 = _range(target)
    training = np.concatenate([(source - low1) / width1, (target - low2) / width2])
    cells = _table(training, np.repeat(["1", "2"], [len(source), len(target)]))
    queries = _table((values - low1) / width1, np.repeat("1", len(values)))
    scvi.settings.verbosity = logging.WARNING
    with isolate_rng(), redirect_stdout(sys.stderr):
        scvi.settings.seed = 0
        scvi.external.CYTOVI.setup_anndata(cells, batch_key=keys.BATCH)
        model = scvi.external.CYTOVI(cells)
        model.train(accelerator="cpu", enable_progress_bar=False)
        decoded = model.get_normalized_expression(queries, transform_batch="2", return_numpy=True)
    return (decoded * width2 + low2).astype(np.float32)


def _range(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest value of each marker and the width above it, ``(n, M) -> (M,), (M,)``; 1 for a constant marker."""
    width = np.ptp(values, axis=0)
    return values.min(axis=0), np.where(width > 0, width, 1.0)


def _table(values: np.ndarray, batch: np.ndarray) -> AnnData:
    """Cells as CytoVI takes them; it must know both batches even where all cells are of one."""
    obs = pd.DataFrame(
        {keys.BATCH: pd.Categorical(batch, categories=["1", "2"])}, index=np.arange(len(values)).astype(str)
    )
    return AnnData(values.astype(np.float32), obs=obs)
