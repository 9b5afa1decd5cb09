"""How often verdicts on imputed markers are right, too kind and too cautious, where the truth is known.

    python benchmarks/verdicts.py --mirror FOLDER --splits 4 --output verdicts.tsv

Each of five data sets is divided into two panels, by chance (halves of HuImm and of the thymus) or by batch (two
batches of Krieg et al., the two days of blood, two batches of the demo's controls). Some markers are hidden from one
panel, imputed by the stack of `magan.regressors.stack`, and judged by the rule of the package and by rules near it. The
rule was chosen on CHOSEN_ON; what it is worth is said on all further sets. To save time the audit is that of the stack
(hidden shared markers), and a regression network of scikit-learn stands in for the networks of MAGAN. About six seconds
of a core for each division and direction.
"""

import argparse
import itertools
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.neural_network import MLPRegressor

from magan import keys
from magan.batch_maps import MAPS
from magan.datasets.registry import load
from magan.metrics.markers import pearson
from magan.metrics.summary import binomial_interval
from magan.regressors import boosting, nearest, stack, standardised
from magan.regressors.hidden_markers import MATCHINGS
from magan.tasks.panel_merging.agreement import agreement, claimed, least_agreement
from magan.tasks.panel_merging.verdicts import ASKED, WORDS

CHOSEN_ON = ("huimm", "krieg_panel3")
SETS = (*CHOSEN_ON, "wishbone", "shaham_p1", "cytonorm")
KIND = 4  # a verdict that is too kind costs as much as so many that are too cautious
LEVELS = (0.8, 0.5)  # true r from which "usable" and "as a trend" are right
RULES = tuple(itertools.product((0.0, 0.05, 0.1, 0.2, 0.3, 0.5), (0.5, 0.8, 0.95), (0.0, 0.02, 0.04, 0.06)))
TODAY, BEFORE = (0.5, 0.95, 0.0), (0.1, 0.95, 0.0)  # quantile of what was kept, level of the claim, what is taken off
CELLS, HELD_OUT, ASKED_OF = 3000, 600, 1500


def panels(name: str, mirror: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Markers ``(n, M)`` in arcsinh units, and the panel of each cell: 0, 1, or -1 for neither."""
    adata = load(name, mirror=mirror, cache="data")
    values = np.asarray(adata.layers[keys.PREPROCESSED])[:, adata.var[keys.TO_CORRECT].to_numpy(bool)].astype(float)
    values = values[:, values.std(axis=0) > 0.05]
    if name in ("huimm", "wishbone"):
        return values, np.random.default_rng(1).integers(2, size=len(values))
    batches = adata.obs[keys.BATCH].astype(str).to_numpy()
    names = sorted(set(batches))
    return values, np.select([batches == names[0], batches == names[1]], [0, 1], -1)


def evidence(values: np.ndarray, panel: np.ndarray, split: int, direction: int) -> Iterator[dict]:
    """Evidence of the verdict on each hidden marker, and its true r."""
    draw = np.random.default_rng([split, 7])
    order = draw.permutation(values.shape[1])
    n_hidden = 6 if values.shape[1] >= 15 else 4
    hidden, shared = np.sort(order[:n_hidden]), np.sort(order[n_hidden : n_hidden + 9])
    rows = [draw.permutation(np.flatnonzero(panel == k))[:CELLS] for k in (0, 1)]
    cells, target = values[rows[direction]][:ASKED_OF], values[rows[1 - direction]]
    held_out, known = target[:HELD_OUT], target[HELD_OUT:]
    source, features, targets = cells[:, shared], known[:, shared], known[:, hidden]
    to_units = standardised(features)
    networks = [_network(to_units(features), targets, seed) for seed in (0, 1)]
    guesses = np.mean([network(to_units(held_out[:, shared])) for network in networks], axis=0)
    made = stack.fit(source, (features, targets), (held_out[:, shared], held_out[:, hidden]), guesses, hidden)
    assert made.hidden is not None
    matching = MAPS[MATCHINGS[int(made.hidden.skill().max(axis=0).argmax())]]
    moved = to_units(matching.apply(matching.fit(source, features), source))
    rest = stack.predictor(made.stack)(source)
    maps = np.stack([made.stack.network * network(moved) + rest for network in networks])
    expected = maps.mean(axis=0)
    claims, n = claimed(expected, made.held_out, held_out[:, hidden])
    share = made.stack.weights.mean(axis=0)
    share = share / share.sum()
    audited = np.tensordot(share, made.hidden.predicted, 2)
    of_target = np.tensordot(share.sum(axis=1), made.hidden.target_predicted, 1)
    promised, _ = claimed(audited, of_target, made.hidden.target_truth)
    held = np.clip(pearson(made.hidden.truth, audited[None])[0] / promised, 0, 1)[promised > 0]
    z_scores = MAPS["zscore"].apply(MAPS["zscore"].fit(source, features), source)
    witnesses = [fit(to_units(features), targets)(to_units(z_scores)) for fit in (nearest.fit, boosting.fit)]
    true = pearson(cells[:, hidden], expected[None])[0]
    known_r = zip(claims, n, agreement(maps), least_agreement(expected, witnesses), true)
    for row in known_r:
        yield dict(zip(("claimed", "n", "seeds", "methods", "true"), row)) | {"held": held}


def _network(features: np.ndarray, targets: np.ndarray, seed: int):
    mean, sd = targets.mean(axis=0), targets.std(axis=0)
    settings = {"hidden_layer_sizes": (100, 50), "alpha": 1e-3, "max_iter": 60, "early_stopping": True}
    model = MLPRegressor(**settings, random_state=seed).fit(features, (targets - mean) / sd)
    return lambda queries: model.predict(queries) * sd + mean


def shares(table: pd.DataFrame, rule: tuple[float, float, float]) -> tuple[float, float, float]:
    """Shares of verdicts that are right, too kind and too cautious by a rule."""
    quantile, level, less = rule
    kept = np.array([np.quantile(held, quantile) for held in table["held"]])
    error = 1 / np.sqrt(np.maximum(table["n"] - 3, 1e-9))
    judged = np.tanh(np.arctanh(table["claimed"].clip(-0.999999, 0.999999)) - norm.ppf(level) * error) * kept - less
    holds = [
        (judged >= r) & (table["seeds"] >= seeds) & (table["methods"] >= methods)
        for r, seeds, methods in ASKED.values()
    ]
    given = np.select(holds, range(len(holds)), len(WORDS) - 1)
    right = np.select([table["true"] >= level for level in LEVELS], range(len(LEVELS)), len(LEVELS))
    return float((given == right).mean()), float((given < right).mean()), float((given > right).mean())


def main() -> None:
    """Judge all sets and print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mirror")
    parser.add_argument("--splits", type=int, default=4)
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", category=Warning, module="sklearn")
    rows = []
    for name in SETS:
        values, panel = panels(name, asked.mirror)
        for split, direction in itertools.product(range(asked.splits), (0, 1)):
            rows += [{"set": name, "split": split} | row for row in evidence(values, panel, split, direction)]
            print(name, split, direction, flush=True)
    table = pd.DataFrame(rows)
    if asked.output:
        table.drop(columns="held").to_csv(asked.output, sep="\t", index=False)
    chosen = table["set"].isin(CHOSEN_ON)
    costs = {rule: KIND * s[1] + s[2] for rule in RULES for s in [shares(table[chosen], rule)]}
    print("\nleast cost on", ", ".join(CHOSEN_ON))
    for rule in sorted(costs, key=costs.__getitem__)[:8]:
        print(f"  {rule}: {costs[rule]:.3f}")
    for title, rule in (("today", TODAY), ("before", BEFORE)):
        print(f"\n{title} {rule}")
        parts = {name: table[table["set"] == name] for name in SETS}
        parts |= {"chosen on": table[chosen], "further": table[~chosen]}
        for name, part in parts.items():
            right, kind, cautious = shares(part, rule)
            low, high = binomial_interval(round(kind * len(part)), len(part))
            interval = f"{kind:.3f} [{low:.3f}, {high:.3f}]"
            print(f"  {name:12} n {len(part):3}  right {right:.2f}  too kind {interval}  too cautious {cautious:.2f}")


if __name__ == "__main__":
    main()
