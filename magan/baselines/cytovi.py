"""CytoVI (Ingelfinger et al. 2025): a variational autoencoder that decodes a cell as a cell of another batch."""

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

LEAST = 20  # cells in total, so that a tenth is available for early stopping


def cytovi(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Encode the query by CytoVI and decode it as cells of domain 2, ``(n, M2)`` float32.

    The model trains on the training cells of both domains with the library's settings, on the CPU: up to 1,000 epochs,
    stopped after 30 epochs without improvement. With a few thousand cells it can stop long before the warm-up of 400
    epochs ends; further training would align the domains better. Each marker is scaled to [0, 1] by its range in the
    training cells of its domain, as in the library's tutorial. Decoded values are scaled back by the range of domain 2.

    The result is the decoder's mean at a single draw of the cell's latent state. Information that the latent state
    lacks is lost, so a marker's values vary less than measured values. No query cell takes part in the fit, but the
    draw depends on the position of the cell in the query.

    Raises
    ------
    InputError
        scvi-tools is not installed, domain 1 lacks a marker of ``x2``, or there are fewer than 20 training cells.
    """
    markers = measured_everywhere("cytovi", x1, x2, query)
    with extra("cytovi", "scvi-tools", "cytovi"):
        import scvi  # pyright: ignore[reportMissingImports]
        from lightning.pytorch.utilities.seed import isolate_rng  # pyright: ignore[reportMissingImports]

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
    """Return the smallest value of each marker and its range, ``(n, M) -> (M,), (M,)``; range 1 if constant."""
    width = np.ptp(values, axis=0)
    return values.min(axis=0), np.where(width > 0, width, 1.0)


def _table(values: np.ndarray, batch: np.ndarray) -> AnnData:
    """Return cells in CytoVI's format; both batches must be categories even if all cells belong to one batch."""
    obs = pd.DataFrame(
        {keys.BATCH: pd.Categorical(batch, categories=["1", "2"])}, index=np.arange(len(values)).astype(str)
    )
    return AnnData(values.astype(np.float32), obs=obs)
