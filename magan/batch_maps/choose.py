"""The choice of a batch map on the user's cells, by cross-fitting.

Every candidate is fitted on a part of the cells and judged on the rest, by `magan.batch_maps.criterion`. Whole samples
are left out where each batch has at least four. Of the candidates that are as good as the best the most cautious is
taken. Cells on
which the chosen map is to be judged later must not be given to `choose`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from magan.batch_maps import CANDIDATES, MAPS
from magan.batch_maps.criterion import criterion, parts, view
from magan.batch_maps.monotone_balanced import Balance, balance
from magan.batch_maps.samples import ENOUGH, SampleTest, sample_test
from magan.errors import InputError, among

FOLDS = 3
LEAST_SAMPLES = 4  # of either batch, for whole samples to be left out
CELLS = 4500  # of either batch that candidates are compared on, to bound time; the chosen map is fitted on all
FEWEST = 60  # cells of either batch, below which nothing can be compared
WORTHWHILE = 0.1  # share of the difference between batches that a map must take away, else cells stay as measured
NEAR = 0.03  # share of the best criterion within which maps are as good: halves of one sample differ by as much

Samples = tuple[np.ndarray | None, np.ndarray | None]


@dataclass(frozen=True)
class Choice:
    """The chosen map, fitted on all cells, and why it was chosen."""

    name: str  # a key of ``MAPS``
    table: (
        pd.DataFrame
    )  # candidate, criterion, low, high, within, marginal, mmd, rank, moved; a row each, most cautious first
    reason: str  # a sentence
    state: Mapping[str, np.ndarray]  # for ``MAPS[name].apply``


def choose(
    x1: np.ndarray,
    x2: np.ndarray,
    *,
    samples_1: Sequence[str] | np.ndarray | None = None,
    samples_2: Sequence[str] | np.ndarray | None = None,
    candidates: Sequence[str] = CANDIDATES,
    folds: int = FOLDS,
    seed: int = 0,
) -> Choice:
    """Choose the map of ``x1 (n1, M)`` to the reference ``x2 (n2, M)``, in arcsinh units.

    Parameters
    ----------
    samples_1, samples_2
        Sample of each cell, ``(n1,)`` and ``(n2,)``. Where both batches have several, a map is chosen only if the
        batches differ by more than samples do. A name that is in both batches is a control measured twice.
    candidates
        Keys of ``MAPS``; identity is always among them.
    folds
        Parts that cells, or samples, are left out in.

    Raises
    ------
    InputError
        A candidate is unknown, markers differ in number, a value is not finite, or a batch has fewer than 60 cells.
    """
    x1, x2 = _checked(x1, x2, candidates)
    names = sorted({"identity", *candidates}, key=lambda name: (MAPS[name].rank, list(MAPS).index(name)))
    random = np.random.default_rng(seed)
    rows = [np.sort(random.permutation(len(x))[:CELLS]) for x in (x1, x2)]
    cells = x1[rows[0]], x2[rows[1]]
    first, second = (None if s is None else np.asarray(s).astype(str)[r] for s, r in zip((samples_1, samples_2), rows))
    samples: Samples = (first, second)
    whole = balance(*cells, seed=seed)
    scores = pd.concat(
        [
            _compared(cells, fold, names, whole, recount=_by_sample(samples), seed=seed).assign(fold=number)
            for number, fold in enumerate(_splits(cells, samples, folds, random))
        ]
    )
    test = None if first is None or second is None else sample_test(*cells, first, second, seed=seed)
    wide = scores.pivot(index="fold", columns="candidate", values="criterion")[names]
    name, reason = decide(wide, test)
    if test is None and _single(samples):
        reason += (
            " A batch has a single sample, so a batch effect cannot be distinguished from a difference of samples."
        )
    return Choice(name, _table(scores, wide), reason, MAPS[name].fit(x1, x2, seed=seed))


def leave(reason: str) -> Choice:
    """The choice of cells as measured, where nothing could be compared."""
    parts = ("criterion", "low", "high", "within", "marginal", "mmd", "rank", "moved")
    table = pd.DataFrame([{"candidate": "identity", **dict.fromkeys(parts, np.nan)}])
    return Choice("identity", table, reason, {})


def decide(wide: pd.DataFrame, test: SampleTest | None) -> tuple[str, str]:
    """Take the most cautious candidate within 3 % of the best, of equally cautious ones the best; and say why.

    ``wide`` is the criterion by fold (rows) and candidate (columns, most cautious first, identity among them).
    """
    means = wide.mean()
    best = str(means.idxmin())
    if test is not None and not test.differs:
        return "identity", _no_difference(test)
    gain = wide["identity"] - wide[best]
    if best == "identity" or not gain.mean() > max(2 * _error(gain), WORTHWHILE):
        return "identity", (
            f"Nothing is to be corrected: on held-out cells no map takes away {WORTHWHILE:.0%} of the difference "
            "between the batches beyond doubt."
        )
    near = [name for name in wide.columns if means[name] <= (1 + NEAR) * means[best]]
    name = min(near, key=lambda candidate: (MAPS[candidate].rank, means[candidate]))
    title = MAPS[name].title
    if name == best:
        return (
            name,
            f"On held-out cells the {title} leaves least: {means[name]:.2f}, as measured {means['identity']:.2f}.",
        )
    return name, (
        f"The {title} is the most cautious of the best: on held-out cells it leaves {means[name]:.2f}, the "
        f"{MAPS[best].title} {means[best]:.2f}, as measured {means['identity']:.2f}."
    )


def _no_difference(test: SampleTest) -> str:
    if test.ways >= ENOUGH:
        return (
            "Nothing is corrected: the batches differ no more than samples within a batch do (of all ways to deal the "
            f"samples to two batches, {test.share:.0%} separate them as well)."
        )
    return (
        "Nothing is corrected: so few samples cannot prove a batch effect. The batches separate the samples "
        f"{test.excess:.1f} times as well as the best different way to deal them, and {test.needed:.1f} times is "
        "needed; add samples, or name a method such as method: monotone."
    )


def _single(samples: Samples) -> bool:
    """Whether a batch is a single sample, and none is in both batches."""
    first, second = samples
    if first is None or second is None or np.isin(first, second).any():
        return False
    return min(len(np.unique(first)), len(np.unique(second))) == 1


def _checked(x1: np.ndarray, x2: np.ndarray, candidates: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    for name in candidates:
        if name not in MAPS:
            raise InputError(f"unknown batch map '{name}'{among(name, MAPS)}")
    x1, x2 = np.asarray(x1, np.float64), np.asarray(x2, np.float64)
    if x1.shape[1] != x2.shape[1]:
        raise InputError(f"batches of {x1.shape[1]} and {x2.shape[1]} markers; give the markers that both measure")
    for name, x in (("batch to map", x1), ("reference", x2)):
        if len(x) < FEWEST:
            raise InputError(f"the {name} has {len(x)} cells, too few to choose a map by; give at least {FEWEST}")
        if not np.isfinite(x).all():
            raise InputError(f"the {name} has values that are not finite; leave out markers that were not measured")
    return x1, x2


def _by_sample(samples: Samples) -> bool:
    return all(s is not None and len(np.unique(s)) >= LEAST_SAMPLES for s in samples)


def _splits(
    cells: tuple[np.ndarray, np.ndarray], samples: Samples, folds: int, random: np.random.Generator
) -> Iterator[tuple[list[np.ndarray], list[np.ndarray]]]:
    """Rows to train on and rows to judge by, of either batch."""
    numbers = [
        _dealt_samples(s, folds, random)
        if s is not None and _by_sample(samples)
        else random.permutation(len(x)) % folds
        for x, s in zip(cells, samples)
    ]
    for fold in range(folds):
        yield [np.flatnonzero(n != fold) for n in numbers], [np.flatnonzero(n == fold) for n in numbers]


def _dealt_samples(samples: np.ndarray, folds: int, random: np.random.Generator) -> np.ndarray:
    """Fold of each cell, whole samples together, the largest samples in different folds."""
    _, sample, counts = np.unique(samples, return_inverse=True, return_counts=True)
    order = np.lexsort([random.random(len(counts)), -counts])
    number = np.empty(len(counts), int)
    number[order] = np.arange(len(counts)) % folds
    return number[sample]


def _compared(
    cells: tuple[np.ndarray, np.ndarray],
    fold: tuple[list[np.ndarray], list[np.ndarray]],
    names: Sequence[str],
    whole: Balance,
    *,
    recount: bool,
    seed: int,
) -> pd.DataFrame:
    train, test = ([x[rows] for x, rows in zip(cells, chosen)] for chosen in fold)
    seen = view(test[0], test[1], whole, recount=recount, seed=seed)
    identity = parts(seen, test[0])
    start = balance(*train, seed=seed) if any(MAPS[name].balanced for name in names) else None
    scores = []
    for name in names:
        shared = {"start": start} if MAPS[name].balanced else {}
        state = MAPS[name].fit(*train, seed=seed, **shared)
        found = parts(seen, MAPS[name].apply(state, test[0]))
        n = min(len(seen.rows_1), len(seen.rows_2))
        scores.append({"candidate": name, "criterion": criterion(found, identity, n), **found})
    return pd.DataFrame(scores)


def _table(scores: pd.DataFrame, wide: pd.DataFrame) -> pd.DataFrame:
    means = scores.groupby("candidate").mean().drop(columns="fold").loc[wide.columns]
    error = wide.apply(_error)
    means.insert(1, "low", means["criterion"] - 2 * error)
    means.insert(2, "high", means["criterion"] + 2 * error)
    return means.reset_index()


def _error(values: pd.Series) -> float:
    """Standard error of the mean over folds; 0 with a single fold."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
