"""Weigh a network and all regressors into an expected value (stacking: Wolpert 1992; Breiman 1996).

The weights of a marker come from two sources. Cells of the target panel, where the marker is measured, say which
methods predict it; the shared markers, hidden in turn, say which methods and matchings survive the step to the source.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from magan.batch_maps import MAPS
from magan.regressors import REGRESSORS, standardised
from magan.regressors.hidden_markers import MATCHINGS, Hidden, hidden

MOST = 20_000  # cells of a panel that a stack learns from
PRIOR_CELLS = 100  # equal weights count as much as so many cells
LOSS = 0.02  # of mean r over hidden markers, which divides a weight by e
LEAST = 0.01  # weights below are 0
NETWORK = "network"


@dataclass(frozen=True)
class Stack:
    """What regressors learn from, and the weights; all of it is saved, and regressors are fitted again when it is read.

    K markers are shared, T are in the target alone.
    """

    source: np.ndarray  # (n1, K) float32, arcsinh units
    features: np.ndarray  # (n2, K) shared markers of the target
    targets: np.ndarray  # (n2, T)
    columns: np.ndarray  # (T,) of the target's markers
    network: np.ndarray  # (T,) weight of the network
    weights: np.ndarray  # (T, P, Q) of regressors and matchings; with the network they sum to 1

    def table(self) -> dict[str, np.ndarray]:
        """Part -> its weight for each marker, ``(T,)``: the network, and each regressor over all matchings."""
        return {NETWORK: self.network, **dict(zip(REGRESSORS, self.weights.sum(axis=2).T))}


@dataclass(frozen=True)
class Fitted:
    """A stack, and what it was made with."""

    stack: Stack
    held_out: np.ndarray  # (c, T) what it predicts of the held-out cells
    hidden: Hidden | None  # None where a single marker is shared: nothing is left to predict it from


def fit(
    source: np.ndarray,
    training: tuple[np.ndarray, np.ndarray],
    held_out: tuple[np.ndarray, np.ndarray],
    network: np.ndarray,
    columns: np.ndarray,
) -> Fitted:
    """The stack of a network and all regressors.

    Parameters
    ----------
    source
        Shared markers of training cells of the source, ``(n1, K)`` in arcsinh units.
    training, held_out
        Shared markers ``(n, K)`` and the target's further markers ``(n, T)``, of cells of the target.
    network
        What the network predicts of the held-out cells, ``(c, T)``.
    columns
        Of these T markers in the target.
    """
    (features, targets), (asked, truth) = training, held_out
    fits, to_units = list(REGRESSORS.values()), standardised(features)
    parts = [network, *(learn(to_units(features), targets)(to_units(asked)) for learn in fits)]
    weights = np.array(
        [least_squares(np.stack(of_marker, 1), y) for *of_marker, y in zip(*(p.T for p in parts), truth.T)]
    )
    found = hidden(fits, source, features) if features.shape[1] > 1 else None
    skill = np.zeros((len(fits), len(MATCHINGS))) if found is None else found.skill()
    spread = weights[:, 1:, None] * np.exp((skill - skill.max()) / LOSS)  # (T, P, Q)
    total = spread.sum(axis=(1, 2), keepdims=True)
    spread *= np.divide(1 - weights[:, :1, None], total, out=np.zeros_like(total), where=total > 0)
    spread[spread < LEAST] = 0
    whole = weights[:, 0] + spread.sum(axis=(1, 2))
    stack = Stack(
        source=np.asarray(source, np.float32),
        features=np.asarray(features, np.float32),
        targets=np.asarray(targets, np.float32),
        columns=np.asarray(columns),
        network=(weights[:, 0] / whole).astype(np.float32),
        weights=(spread / whole[:, None, None]).astype(np.float32),
    )
    predicted = sum(share * part for share, part in zip(stack.table().values(), parts))
    return Fitted(stack, np.asarray(predicted), found)


def least_squares(parts: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Weights of P predictions, none negative, with sum 1: ``(n, P), (n,) -> (P,)``.

    They minimise ``|y - X w|^2 + PRIOR_CELLS mse |w - 1/P|^2``, where y and X are centred at the mean truth and mse is
    the mean squared error of equal weights, and are then divided by their sum.
    """
    n_parts = parts.shape[1]
    equal = np.full(n_parts, 1 / n_parts)
    x, y = parts - truth.mean(), truth - truth.mean()
    pull = np.sqrt(PRIOR_CELLS * np.mean((y - x @ equal) ** 2))
    weights, _ = nnls(np.vstack([x, pull * np.eye(n_parts)]), np.concatenate([y, pull * equal]))
    return weights / weights.sum() if weights.sum() > 0 else equal


def predictor(stack: Stack) -> Callable[[np.ndarray], np.ndarray]:
    """Fit the regressors; the function gives the weighted sum of all but the network, ``(q, K) -> (q, T)``.

    Queries are shared markers of the source in arcsinh units.
    """
    source, features, targets = (np.asarray(x, np.float64) for x in (stack.source, stack.features, stack.targets))
    to_units = standardised(features)
    states = [MAPS[name].fit(source, features) for name in MATCHINGS]
    used = [p for p in range(len(REGRESSORS)) if stack.weights[:, p].any()]
    fitted = {p: list(REGRESSORS.values())[p](to_units(features), targets) for p in used}

    def predict(queries: np.ndarray) -> np.ndarray:
        values = np.zeros((len(queries), targets.shape[1]))
        for q, (name, state) in enumerate(zip(MATCHINGS, states)):
            moved = to_units(MAPS[name].apply(state, queries))
            for p in used:
                if (weight := stack.weights[:, p, q]).any():
                    values += weight * fitted[p](moved)
        return values

    return predict
