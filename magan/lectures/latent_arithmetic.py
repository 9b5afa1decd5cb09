"""Arithmetic and interpolation of codes, and its effect on decoded images."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from torch import Tensor

from magan import classifier
from magan.domains.minibatches import Table, batches
from magan.lectures import result_table
from magan.lectures.images import chosen, classes, floats, pixels
from magan.models import GENERATING
from magan.networks.replicate import Replicated
from magan.option_types import Count, Widths
from magan.training.fit import fit

BETWEEN = np.linspace(0, 1, 7)  # positions on a path
N_SHOWN = 4  # paths
TERCILE = 1 / 3  # share of a class's images that counts as thin, and as bold


def latent_arithmetic(
    seeds: Sequence[int],
    images: AnnData,
    *,
    n_train: Count = 4000,
    n_test: Count = 1000,
    steps: Count = 2000,
    batch_size: Count = 64,
    hidden: Widths = (256,),
    n_code: Count = 16,
) -> pd.DataFrame:
    """Add and interpolate codes of a variational autoencoder, and decode the results.

    Arithmetic: the mean code of bold digits minus the mean code of thin digits of the same class is added to the codes
    of thin digits of all remaining classes. Paths: images of two classes are connected by a line of codes, and by a
    line of pixels (a cross-fade).

    Quantities of each seed: "ink", the brightness that the sum gains, as a share of the difference between thin and
    bold digits of its class, all decoded; "class kept", the share of sums that a classifier gives the original class;
    and, over x from 0 to 1, "distance", the distance (RMSE of levels) from a point of a path of codes or of pixels
    (arm) to the nearest training image. "image" shows the first seed's images.
    """
    training, test = chosen(images, n_train), chosen(images, n_test, "test")
    x, tested, (_, labels) = pixels(training), pixels(test), classes(test)
    recipe = GENERATING["vae"]({"x": tuple(x.shape[1:])}, hidden=tuple(hidden), n_noise=n_code)
    table = Table({"x": x}, (torch.arange(len(x)),) * len(seeds))
    draws = batches([table], recipe.noise, batch_size=batch_size, seeds=seeds)
    networks = fit(recipe, draws, seeds=seeds, steps=steps)
    class_model = classifier.fit(floats(training))
    parts = []
    for i, seed in enumerate(seeds):
        encoder, decoder = (networks[role].select([i]) for role in ("encoder", "decoder"))
        codes = _codes(encoder, tested)
        parts += _sums(codes, tested, labels, decoder, class_model, seed)
        parts += _paths(codes, tested, labels, decoder, x, seed, shown=seed == seeds[0])
    return result_table.table(parts)


def check_claims(points: pd.DataFrame) -> pd.DataFrame:
    """Check the claims: sums gain half of the ink and keep .8 of the classes; paths of codes pass near real images."""
    ink, same = result_table.by_seed(points, "ink"), result_table.by_seed(points, "class kept")
    middle = points[(points["quantity"] == "distance") & (points["x"] == 0.5)]
    codes, faded = (middle[middle["arm"] == arm].sort_values("seed")["value"].to_numpy() for arm in ("codes", "pixels"))
    return result_table.numbers(
        [
            result_table.number("share of the way from thin to bold", ink, "at least .5", ink.mean() >= 0.5),
            result_table.number("share that keeps its class", same, "at least .8", same.mean() >= 0.8),
            result_table.number(
                "distance to a real image half way, codes",
                codes,
                f"less than {faded.mean():.3f}, of a cross-fade",
                codes.mean() < faded.mean(),
            ),
        ]
    )


@torch.no_grad()
def _codes(encoder: Replicated, x: Tensor) -> Tensor:
    """Return mean codes ``(n, k)``; the encoder's log variances are dropped."""
    return encoder(x[None])[0].chunk(2, -1)[0]


@torch.no_grad()
def _decoded(decoder: Replicated, codes: Tensor) -> Tensor:
    """Return decoded images in [-1, 1]."""
    return 2 * decoder(codes[None])[0].sigmoid() - 1


def _sums(
    codes: Tensor, x: Tensor, labels: Tensor, decoder: Replicated, class_model: classifier.Classifier, seed: int
) -> list[pd.DataFrame]:
    """Return "ink" and "class kept": the step from thin to bold of each class is applied to all remaining classes."""
    thin, bold = _terciles(x.flatten(1).mean(1), labels)
    plain = _decoded(decoder, codes).flatten(1).mean(1)  # a decoder blurs, so compare the ink of decoded images
    end = torch.stack([plain[bold & (labels == k)].mean() for k in labels.unique()])[labels]
    gains, same_class = [], []
    for k in labels.unique():
        step = codes[bold & (labels == k)].mean(0) - codes[thin & (labels == k)].mean(0)
        rows = thin & (labels != k)
        decoded = _decoded(decoder, codes[rows] + step)
        gains.append((decoded.flatten(1).mean(1) - plain[rows]).mean() / (end[rows] - plain[rows]).mean())
        _, chances = classifier.predict(class_model, ((decoded + 1) / 2).flatten(1).numpy())
        same_class.append((torch.from_numpy(chances.argmax(1)) == labels[rows]).float().mean())
    return [
        result_table.points("ink", [np.mean(gains)], seeds=[seed]),
        result_table.points("class kept", [np.mean(same_class)], seeds=[seed]),
    ]


def _terciles(ink: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return which images are in the tercile with least and with most ink of their class, ``(n,)`` booleans each."""
    thin, bold = torch.zeros_like(labels, dtype=torch.bool), torch.zeros_like(labels, dtype=torch.bool)
    for k in labels.unique():
        members = labels == k
        low, high = (torch.quantile(ink[members], q) for q in (TERCILE, 1 - TERCILE))
        thin |= members & (ink <= low)
        bold |= members & (ink >= high)
    return thin, bold


def _paths(
    codes: Tensor, x: Tensor, labels: Tensor, decoder: Replicated, real: Tensor, seed: int, shown: bool
) -> list[pd.DataFrame]:
    """Return paths from an image of each class to an image of the next class, by codes and by pixels."""
    firsts = torch.stack([torch.nonzero(labels == k)[0, 0] for k in labels.unique()])
    ends, n = firsts.roll(-1), len(firsts)
    share = torch.tensor(BETWEEN, dtype=torch.float32)[:, None, None]
    line = codes[firsts] * (1 - share) + codes[ends] * share
    decoded = _decoded(decoder, line.flatten(0, 1)).unflatten(0, (len(BETWEEN), n))
    flat = x.flatten(1)
    faded = (flat[firsts] * (1 - share) + flat[ends] * share).unflatten(-1, x.shape[1:])
    parts = []
    for arm, images in (("codes", decoded), ("pixels", faded)):
        distances = torch.cdist(images.flatten(2).flatten(0, 1), real.flatten(1)).amin(1) / 2 / flat.shape[1] ** 0.5
        along = distances.unflatten(0, (len(BETWEEN), n)).mean(1).numpy()
        parts.append(result_table.points("distance", along[None], seeds=[seed], x=BETWEEN, arm=arm))
        if shown:
            for path in range(min(N_SHOWN, n)):
                parts += result_table.pictures(f"{arm} {path}", images[:, path], seeds=[seed])
    return parts
