"""Shared parts of figures of images: grids of images, and the choice of seeds that represent an arm."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes

from magan import keys
from magan.figures.style import seeds_of

RANKS = ("best", "median", "worst")


def laid(axes: Axes, images: np.ndarray, names: Sequence[str] = (), gap: int = 1) -> None:
    """Draw images ``(rows, columns, C, H, W)`` in [0, 1] as a grid, with ``names`` at the left of rows.

    Grey images are inverted: bright pixels are dark ink. Gaps between colour images are white. If there are neither one
    nor three channels, channels are frames, drawn from left to right.
    """
    if images.shape[2] not in (1, 3):
        images = np.concatenate(np.split(images, images.shape[2], axis=2), axis=4)
    rows, columns, C, H, W = images.shape  # noqa: N806
    canvas = np.full((rows * (H + gap) - gap, columns * (W + gap) - gap, C), 0.0 if C == 1 else 1.0)
    for i, row in enumerate(images):
        for j, image in enumerate(row):
            top, left = i * (H + gap), j * (W + gap)
            canvas[top : top + H, left : left + W] = image.transpose(1, 2, 0)
    canvas = np.nan_to_num(canvas).clip(0, 1)
    axes.imshow(canvas[..., 0] if C == 1 else canvas, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([i * (H + gap) + H / 2 - 0.5 for i in range(rows)] if len(names) else [], list(names))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def shape_of(truth: AnnData) -> tuple[int, int, int]:
    """Return channels, height and width of an image."""
    channels, height, width = (int(n) for n in truth.uns[keys.IMAGE]["shape"])
    return channels, height, width


def ranked(mapped: AnnData, metrics: pd.DataFrame, scores: Sequence[str]) -> list[tuple[str, int, str, float]]:
    """Return the best, median and worst seed of an arm, if there are as many: (rank, seed, score, value).

    The order is by the first of ``scores`` that the seeds have. Without such a score only the first seed is returned,
    with rank "".
    """
    rows = metrics[(metrics["arm"] == str(mapped.uns["arm"])) & (metrics["group"] == keys.ALL)]
    if "dataset" in mapped.uns:
        rows = rows[rows["dataset"] == str(mapped.uns["dataset"])]
    rows = rows.assign(number=seeds_of(rows)).dropna(subset=["number", "value"])
    rows = rows[[f"{keys.SEED}_{int(seed)}" in mapped.layers for seed in rows["number"]]]
    score = next((score for score in scores if (rows["metric"] == score).any()), "")
    if not score:
        seeds = [
            int(name.removeprefix(f"{keys.SEED}_")) for name in mapped.layers if str(name).startswith(f"{keys.SEED}_")
        ]
        return [("", min(seeds), "", np.nan)] if seeds else []
    sign = {"higher": -1, "lower": 1}[keys.SCORES[score][1]]
    rows = rows[rows["metric"] == score].assign(loss=lambda of: sign * of["value"]).sort_values(["loss", "number"])
    places = {1: [0], 2: [0, 1]}.get(len(rows), [0, len(rows) // 2, len(rows) - 1])
    ranks = {1: ("only",), 2: ("best", "worst")}.get(len(rows), RANKS)
    found = rows[["number", "value"]].to_numpy()
    return [(rank, int(found[i, 0]), score, float(found[i, 1])) for rank, i in zip(ranks, places)]


def typical(mapped: AnnData, metrics: pd.DataFrame, scores: Sequence[str]) -> tuple[str, int, str, float] | None:
    """Return the median seed (the worse of two, or the only seed); None if every seed failed."""
    found = ranked(mapped, metrics, scores)
    return found[len(found) // 2] if found else None
