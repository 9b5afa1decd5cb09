"""Score cells mapped between two sets without a common marker: does each land near its true partner?"""

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy.spatial.distance import cdist
from sklearn.neighbors import KNeighborsClassifier

from magan import keys
from magan.metrics.tidy import failures, floor_rows, join, maps, rows, same_rows

NEIGHBOURS = 5  # that vote for the label of a mapped cell
NEAREST = 10  # real cells among which the true partner should be


def score(truth: AnnData, mapped: AnnData) -> pd.DataFrame:
    """``foscttm``, ``matched`` and ``label_accuracy`` of every map.

    Cells of the training pairs are left out. A draw of the pairs is a group;
    "all" is the mean over the draws.

    Parameters
    ----------
    truth
        Cells of domain 1 with their true partner in domain 2 (nan where it is unknown), once for every draw
        (``obs["fold"]``), and the real cells of domain 2.
    mapped
        Cells of domain 1, in domain 2.

    Returns
    -------
    DataFrame
        Columns ``keys.METRICS``; feature "all". Undefined scores are nan.
    """
    seeds, values = maps(mapped)
    if not seeds:
        return failures(mapped)
    answers = same_rows(truth, mapped)
    real = truth[truth.obs[keys.DOMAIN].astype(str) == "2", mapped.var_names]
    hidden = ~answers.obs[keys.KNOWN_PAIR].to_numpy(bool)
    fold = answers.obs[keys.FOLD].astype(str).to_numpy()
    draws = list(dict.fromkeys(fold))
    partners = np.asarray(answers.layers[keys.PREPROCESSED])
    known = np.isfinite(partners).all(axis=1)
    target, target_labels = np.asarray(real.layers[keys.PREPROCESSED]), _labels(real)
    found: dict[str, list[np.ndarray]] = {"foscttm": [], "matched": [], "label_accuracy": []}
    for draw in draws:
        paired = hidden & known & (fold == draw)
        found["foscttm"].append(foscttm(values[:, paired], partners[paired]))
        found["matched"].append(matched(values[:, paired], partners[paired]))
        asked = hidden & (fold == draw)
        labels = _labels(answers)[asked]
        found["label_accuracy"].append(label_accuracy(values[:, asked], labels, target, target_labels))
    tables = []
    for metric, of_draws in found.items():
        tables.append(rows(mapped.uns, seeds, metric, np.mean(of_draws, axis=0), keys.ALL))
        if len(draws) > 1:
            tables += [rows(mapped.uns, seeds, metric, of_draw, draw) for draw, of_draw in zip(draws, of_draws)]
    return join([*tables, failures(mapped)])


def floor(truth: AnnData) -> pd.DataFrame:
    """``label_accuracy`` of the real cells of domain 2, each judged by the rest: the limit of every map."""
    real = truth[truth.obs[keys.DOMAIN].astype(str) == "2"]
    labels, values = _labels(real), np.asarray(real.layers[keys.PREPROCESSED])
    named = _named(labels)
    if len(set(labels[named])) < 2 or named.sum() <= NEIGHBOURS:
        return join([])
    judge = KNeighborsClassifier(NEIGHBOURS).fit(values[named], labels[named])
    votes = labels[named][judge.kneighbors(return_distance=False)]  # without a query, no cell is its own neighbour
    share = np.mean([_majority(vote) == label for vote, label in zip(votes, labels[named])])
    return floor_rows(truth, "matching", "label_accuracy", np.array([share]), keys.ALL)


def foscttm(mapped: np.ndarray, partners: np.ndarray) -> np.ndarray:
    """Fraction of samples closer than the true match, ``(R, n, M), (n, M) -> (R,)`` in [0, 1]; lower is better.

    0 where every mapped cell is nearer to its true partner than to any other cell,
    and every partner is nearest to its mapped cell; 0.5 is chance, and the value of
    a constant map. The score of a cell is the share of the n - 1 remaining cells
    that are closer, an equal distance counting half, averaged over cells and both
    directions (Liu et al. 2019). nan for fewer than two cells or a map with a nan.
    """
    n = len(partners)
    scores = np.full(len(mapped), np.nan)
    for r, x in enumerate(mapped):
        if n > 1 and np.isfinite(x).all():
            distance = cdist(x, partners)
            match = np.diag(distance)
            there, back = (_closer(d, match) for d in (distance, distance.T))
            scores[r] = (there + back).mean() / 2 / (n - 1)
    return scores


def _closer(distance: np.ndarray, match: np.ndarray) -> np.ndarray:
    """How many are closer to each row than its match, an equal distance counting half; the match itself not at all."""
    equal = (distance == match[:, None]).sum(axis=1) - 1
    return (distance < match[:, None]).sum(axis=1) + equal / 2


def matched(mapped: np.ndarray, partners: np.ndarray) -> np.ndarray:
    """Share of mapped cells with their true partner among the 10 nearest cells, ``(R, n, M), (n, M) -> (R,)``.

    Higher is better; chance is 10 / n. A tie at the tenth place counts against the
    cell. nan as in `foscttm`.
    """
    scores = np.full(len(mapped), np.nan)
    for r, x in enumerate(mapped):
        if len(partners) > 1 and np.isfinite(x).all():
            distance = cdist(x, partners)
            scores[r] = ((distance <= np.diag(distance)[:, None]).sum(axis=1) <= NEAREST).mean()
    return scores


def label_accuracy(mapped: np.ndarray, labels: np.ndarray, target: np.ndarray, target_labels: np.ndarray) -> np.ndarray:
    """Share of mapped cells whose 5 nearest real cells vote for their own label, ``(R,)`` in [0, 1]; higher is better.

    ``mapped (R, n, M)`` and ``target (m, M)`` in the target's own units, Euclidean;
    cells without a label count on neither side. nan where no label is left, and
    for a map with a nan.
    """
    asked, named = _named(labels), _named(target_labels)
    scores = np.full(len(mapped), np.nan)
    if asked.any() and named.sum() >= NEIGHBOURS:
        judge = KNeighborsClassifier(NEIGHBOURS).fit(target[named], target_labels[named])
        for r, x in enumerate(mapped):
            if np.isfinite(x).all():
                scores[r] = (judge.predict(x[asked]) == labels[asked]).mean()
    return scores


def _majority(votes: np.ndarray) -> str:
    names, counts = np.unique(votes, return_counts=True)
    return names[counts.argmax()]


def _named(labels: np.ndarray) -> np.ndarray:
    return ~np.isin(np.char.lower(labels.astype(str)), keys.UNLABELLED)


def _labels(adata: AnnData) -> np.ndarray:
    return adata.obs[keys.CELL_TYPE].astype(str).to_numpy().astype(str)
