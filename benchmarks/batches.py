"""The batch default where the right answer is known, and every method by Open Problems' scores.

    python benchmarks/batches.py --mirror FOLDER [--part scenarios|scores]

Writes reports/batch_benchmark: scenarios.tsv (is the answer of ``method: auto`` right?), scores.tsv (a row for each
data set, method and score) and README.md, which is made of the two. FOLDER has the data sets as ``data.mirror`` does.
Cells are drawn at random and few, so that all of it takes some ten minutes of a core; nothing is chosen here.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.baselines import BASELINES
from magan.batch_maps import MAPS
from magan.batch_maps.choose import choose
from magan.batch_maps.samples import sample_test
from magan.cytometry.gating import gate
from magan.datasets.registry import load
from magan.metrics import batch_distance, open_problems
from magan.metrics.donor_effects import donor_effects
from magan.metrics.group_effects import confounded
from magan.tasks.batch_correction import safety_gate

HERE = Path(__file__).parents[1] / "reports" / "batch_benchmark"
METHODS = ("identity", "zscore", "quantile", "combat", "harmony", "cytonorm", "auto")
TRAIN, TEST = 1500, 1000  # cells of a batch
SEEDS = 20
DEMO = (
    *("CD3", "CD4", "CD8a", "CD19", "CD14", "CD16", "CD11c", "CD56", "HLADR", "CD45", "CD45RA", "CCR7", "CD33", "CD7"),
    *("CD11b", "CD123", "CD161", "CD25"),
)
KRIEG = {
    "T cells": "CD3+ CD19- CD14-",
    "B cells": "CD19+ CD3- CD14-",
    "monocytes": "CD14+ CD3- CD19-",
    "NK cells": "CD56+ CD3- CD19- CD14-",
}


@dataclass(frozen=True)
class Pair:
    """A batch to map and the reference: cells to learn from and held-out cells with labels."""

    name: str
    x1: AnnData
    x2: AnnData
    query: AnnData
    target: AnnData


def cells(name: str, mirror: Path) -> AnnData:
    """A data set's corrected markers, with populations."""
    adata = load(name, mirror=mirror, cache=mirror)
    if name == "krieg_panel3":
        adata = gate(adata, KRIEG)
    adata.obs_names_make_unique()
    markers = list(DEMO) if name == "cytonorm" else adata.var_names[adata.var[keys.TO_CORRECT].to_numpy(bool)]
    return adata[:, markers].copy()


def drawn(adata: AnnData, n: int, seed: int) -> AnnData:
    return adata[np.random.default_rng(seed).permutation(adata.n_obs)[:n]].copy()


def values(adata: AnnData) -> np.ndarray:
    return np.asarray(adata.layers[keys.PREPROCESSED], np.float32)


def labels(adata: AnnData) -> np.ndarray:
    return adata.obs[keys.CELL_TYPE].astype(str).to_numpy().astype(str)


def pair(name: str, first: AnnData, second: AnnData, seed: int = 0) -> Pair:
    """Two batches, each divided into training and held-out cells."""
    parts = [drawn(x, TRAIN + TEST, seed) for x in (first, second)]
    cut = [round(x.n_obs * TRAIN / (TRAIN + TEST)) for x in parts]
    (x1, x2), (query, target) = ([x[:n].copy() for x, n in zip(parts, cut)], [x[n:].copy() for x, n in zip(parts, cut)])
    return Pair(name, x1, x2, query, target)


def of(adata: AnnData, **chosen: str) -> AnnData:
    inside = np.ones(adata.n_obs, bool)
    for column, value in chosen.items():
        inside &= (adata.obs[column].astype(str) == value).to_numpy()
    return adata[inside].copy()


def without(adata: AnnData, population: str, share: float = 0.8) -> AnnData:
    lost = np.random.default_rng(0).random(adata.n_obs) < share
    return adata[~(lost & (labels(adata) == population))].copy()


# ---------------------------------------------------------------------------------------------------------- scenarios


def auto(sample: Pair) -> tuple[str, np.ndarray]:
    """The name of the chosen map, and the held-out cells mapped by it."""
    choice = choose(values(sample.x1), values(sample.x2))
    return choice.name, MAPS[choice.name].apply(choice.state, values(sample.query))


def word(sample: Pair, mapped: np.ndarray, confounding: str = "") -> str:
    """The verdict on the mapped cells, as rule `judge` gives it."""
    if np.array_equal(mapped, values(sample.query)):
        return "not needed"
    parts = [sample.query.copy(), sample.target.copy()]
    for part, batch in zip(parts, ("1", "2")):
        part.obs = pd.DataFrame(
            {keys.BATCH: batch, keys.CELL_TYPE: labels(part)}, index=[f"{batch}_{i}" for i in range(part.n_obs)]
        )
    both = np.concatenate([values(part) for part in parts])
    truth = AnnData(both, pd.concat([part.obs for part in parts]), layers={keys.PREPROCESSED: both})
    truth.var_names, truth.uns = sample.query.var_names, {keys.REFERENCE: "2"}
    after = truth[: parts[0].n_obs].copy()
    after.X, after.uns = mapped, {keys.ARM: "auto", keys.ERROR: ""}
    return safety_gate.verdict(safety_gate.gate(truth, after), safety_gate.transfer(truth, after), confounding).word


def within(mapped: np.ndarray, sample: Pair) -> float:
    pairs = batch_distance.by_population(labels(sample.query), labels(sample.target))
    return float(np.mean([batch_distance.emd(mapped[None, i], values(sample.target)[j]).mean() for i, j in pairs]))


def transfer(mapped: np.ndarray, sample: Pair) -> float:
    target = values(sample.target), labels(sample.target)
    return float(batch_distance.label_transfer(mapped[None], labels(sample.query), *target)[0])


def shifted(adata: AnnData, seed: int, size: float = 0.5) -> AnnData:
    """A made batch effect: each marker shifted, stretched, and shifted a little more by population."""
    random = np.random.default_rng(seed)
    moved = adata.copy()
    x = values(adata) * random.uniform(0.85, 1.15, adata.n_vars) + random.uniform(0, size, adata.n_vars)
    for name in np.unique(labels(adata)):
        x[labels(adata) == name] += random.normal(0, size / 6, adata.n_vars)
    moved.layers[keys.PREPROCESSED] = x.astype(np.float32)
    return moved


def halves(mirror: Path) -> Iterator[tuple]:
    whole = cells("huimm", mirror)
    changes = []
    for seed in range(SEEDS):
        some = drawn(whole, 1600, seed)
        sample = pair("", some[:800].copy(), some[800:].copy(), seed)
        _, mapped = auto(sample)
        changes.append(np.abs(mapped - values(sample.query)).mean())
    n = int((np.array(changes) == 0).sum())
    yield "two halves (HuImm, 20 seeds)", "not needed", f"{n} of {SEEDS} not needed", n == SEEDS
    yield "two halves, median change", "below .02", f"{np.median(changes):.3f}", np.median(changes) < 0.02


def donors(mirror: Path) -> Iterator[tuple]:
    run = of(cells("krieg_panel3", mirror), batch="Data29")
    names = run.obs[keys.SAMPLE].astype(str).to_numpy()
    large = np.array([name for name in np.unique(names) if (names == name).sum() >= 300])
    alike = 0
    for seed in range(SEEDS):
        order = np.random.default_rng(seed).permutation(large)
        sides = [np.isin(names, part) for part in (order[: len(large) // 2], order[len(large) // 2 :])]
        found = sample_test(*(values(run)[s] for s in sides), *(names[s] for s in sides), seed=seed)
        alike += found is not None and not found.differs
    yield (
        f"{len(large)} donors of one run, dealt to two batches (20 seeds)",
        "not needed",
        f"{alike} of {SEEDS}",
        (alike >= SEEDS - 1),
    )


def depleted(mirror: Path) -> Iterator[tuple]:
    blood, controls = of(cells("shaham_p1", mirror)), cells("cytonorm", mirror)
    sides = {
        "CD8 of the two days": (of(blood, batch="day1"), of(blood, batch="day2"), "CD8"),
        "neutrophils of the controls": (of(controls, batch="PTLG028"), of(controls, batch="PTLG021"), "neutrophil"),
    }
    for name, (first, second, population) in sides.items():
        for side in ("batch", "reference"):
            lacking = (without(first, population), second) if side == "batch" else (first, without(second, population))
            sample = pair(name, *lacking)
            chosen, mapped = auto(sample)
            x1, x2, q = values(sample.x1), values(sample.x2), values(sample.query)
            quantile = MAPS["quantile"].apply(MAPS["quantile"].fit(x1, x2), q)
            emds, right = [within(m, sample) for m in (mapped, quantile)], [transfer(m, sample) for m in (mapped, q)]
            answer = f"{chosen}: EMD {emds[0]:.3f} ({emds[1]:.3f}), label {right[0]:.3f} ({right[1]:.3f})"
            yield (
                f"80 % of {name} left out of the {side}",
                "EMD within populations below the quantile map's, label transfer within .01 of identity's",
                answer,
                emds[0] < emds[1] and right[0] > right[1] - 0.01,
            )


def verdicts(mirror: Path) -> Iterator[tuple]:
    blood = cells("shaham_p1", mirror)
    days = pair("", of(blood, batch="day1"), of(blood, batch="day2"))
    _, mapped = auto(days)
    found = word(days, mapped)
    yield "two days of a person", "safe, or safe but", found, found in ("safe", "safe but")
    design = confounded(["1", "1", "2", "2"], ["ill", "ill", "well", "well"])
    found = word(days, mapped, design)
    yield "the same, ill in one batch and well in the other", "do not use", found, found == "do not use"
    few = Pair("", days.x1, days.x2, days.query[:150].copy(), days.target)
    found = word(few, mapped[:150])
    yield "the same, 150 held-out cells", "too few cells", found, found == "too few cells"
    torn = mapped.copy()
    torn[:, :12] = np.random.default_rng(0).permutation(torn[:, :12])
    found = word(days, torn)
    yield "half of the markers shuffled among cells", "do not use", found, found == "do not use"


def six(mirror: Path) -> Iterator[tuple]:
    whole = drawn(cells("huimm", mirror), 6000, 0)
    parts = [whole[1000 * k : 1000 * (k + 1)].copy() for k in range(6)]
    batches = [parts[0], *(shifted(part, seed, 0.2 * seed) for seed, part in enumerate(parts[1:], 1))]
    quantiles = np.stack([np.quantile(values(b), np.linspace(0.01, 0.99, 50), axis=0) for b in batches])
    median = int(np.argmin([np.abs(quantiles - q).mean() for q in quantiles]))
    samples = [pair("", b, batches[median], 0) for k, b in enumerate(batches) if k != median]
    before = np.mean([within(values(sample.query), sample) for sample in samples])
    after = np.mean([within(auto(sample)[1], sample) for sample in samples])
    yield (
        "six batches to the median",
        "EMD within populations halved",
        f"{before:.3f} to {after:.3f}",
        after < before / 2,
    )


def planted(mirror: Path) -> Iterator[tuple]:
    """Sixteen donors made of HuImm's cells in two batches; in CD4 T cells of eight a dim marker rises by .8 sd."""
    whole = drawn(cells("huimm", mirror), 8000, 1)
    donor = np.random.default_rng(0).permutation(np.arange(whole.n_obs) % 16)
    ill, second = donor % 2 == 0, donor // 2 % 2 == 1
    x, kinds = values(whole).copy(), labels(whole)
    inside, marker = np.char.startswith(kinds, "CD4"), "CD38"
    column = list(whole.var_names).index(marker)
    x += np.random.default_rng(1).normal(0, 0.05, (16, whole.n_vars))[donor]
    size = 0.8 * x[inside, column].std()
    x[inside & ill, column] += size
    x[second] += np.random.default_rng(2).uniform(0.3, 0.7, whole.n_vars)
    choice = choose(x[second], x[~second])
    after = x.copy()
    after[second] = MAPS[choice.name].apply(choice.state, x[second])
    kind = np.where(inside, "CD4 T", "rest")
    design = {"batch": second, "donor": donor, "group": np.where(ill, "ill", "well"), "cell_type": kind}
    positive = tuple(side > np.median(side, axis=0) for side in (x, after))
    table = donor_effects(pd.DataFrame(design).astype(str), (x, after), positive, list(whole.var_names))
    means = table[(table["measure"] == "mean") & (table["population"] != keys.ALL)]
    there = (means["population"] == "CD4 T") & (means["marker"] == marker)
    effect, hit = -means.loc[there, "effect_after"].iloc[0] / size, (means.loc[~there, "q_after"] < 0.05).mean()
    answer = f"{effect:.2f} of it, {hit:.0%} of nulls"
    yield (
        f"planted effect of .8 sd ({choice.name})",
        "within 20 %, at most 5 % of nulls hit",
        answer,
        (abs(effect - 1) < 0.2 and hit <= 0.05),
    )


def timing(mirror: Path) -> Iterator[tuple]:
    random = np.random.default_rng(0)
    centres = random.choice([0.0, 2.0, 4.0], (12, 30), p=[0.5, 0.3, 0.2])
    x = np.maximum(centres[random.choice(12, 40_000)] + random.normal(0, 0.6, (40_000, 30)), 0)
    start = time.process_time()
    choose(1.1 * x[:20_000] + 0.2, x[20_000:])
    spent = time.process_time() - start
    yield "20,000 cells of 30 markers a batch, with cross-fitting", "60 s of a core", f"{spent:.0f} s", spent < 60


SCENARIOS: tuple[Callable[[Path], Iterator[tuple]], ...] = (
    *(verdicts, depleted, planted, six, donors, timing, halves),
)

# ------------------------------------------------------------------------------------------------------------- scores


def pairs(mirror: Path) -> Iterator[Pair]:
    """Every batch data set of the tree; where a donor is in both batches it is the paired sample."""
    controls = cells("cytonorm", mirror)
    for batch in ("PTLG028", "PTLG034"):
        sides = [[of(controls, batch=b, sample=s) for b in (batch, "PTLG021")] for s in ("control_1", "control_2")]
        yield Pair(f"controls {batch}, trained on control 1", *sides[0], *sides[1])
    blood = cells("shaham_p1", mirror)
    yield pair("two days of a person", of(blood, batch="day1"), of(blood, batch="day2"))
    files = cells("krieg_panel3", mirror)
    yield pair("thirty files", of(files, batch="Data29"), of(files, batch="Data23"))


def mapped_by(name: str, sample: Pair) -> np.ndarray:
    return np.asarray(BASELINES[name](sample.x1, sample.x2, sample.query), np.float32)


def scored(sample: Pair, mapped: np.ndarray) -> dict[str, float]:
    """Open Problems' scores of the held-out cells, and the project's, mapped and in the reference."""
    from flowsom.models import FlowSOMEstimator

    x, y = (mapped, labels(sample.query)), (values(sample.target), labels(sample.target))
    tree = FlowSOMEstimator(xdim=10, ydim=10, seed=0, n_clusters=10).fit(y[0])
    clusters = np.concatenate([tree.predict(side) for side in (y[0], mapped)])
    both, kinds = np.concatenate([y[0], mapped]), np.concatenate([y[1], x[1]])
    side = np.repeat([0, 1], [len(y[0]), len(mapped)])
    whole, of_types = open_problems.average_batch_r2(x, y)
    mixed, pure = open_problems.scaled_lisi(both, side, kinds)
    parts = [
        (cells_of[rows], kinds_of[rows])
        for (cells_of, kinds_of), names in ((x, sample.query), (y, sample.target))
        for name in names.obs[keys.SAMPLE].astype(str).unique()
        if (rows := (names.obs[keys.SAMPLE].astype(str) == name).to_numpy()).sum() >= 100
    ]
    return {
        "emd_mean_ct_horiz": open_problems.emd_mean_ct([(x, y)]),
        "emd_mean_ct_vert": open_problems.emd_mean_ct(open_problems.vertical([("", part) for part in parts])),
        "ratio_consistent_peaks": open_problems.ratio_consistent_peaks((values(sample.query), x[1]), mapped, y),
        "average_batch_r2_global": whole,
        "average_batch_r2_ct": of_types,
        "flowsom_mean_mapping_similarity": open_problems.flowsom_mapping_similarity(clusters, kinds, side),
        "iLisi": mixed,
        "cLisi": pure,
        "emd": float(batch_distance.emd(mapped[None], y[0]).mean()),
        "mmd": float(batch_distance.mmd(mapped[None], y[0])[0]),
        "rank_kept": float(np.nanmean(batch_distance.rank_kept(values(sample.query), mapped[None]))),
        "label_transfer": transfer(mapped, sample),
    }


def functional(sample: Pair, mapped: np.ndarray) -> dict[str, float]:
    """Functional-marker preservation between healthy donors and patients; {} without groups."""
    if keys.GROUP not in sample.query.obs:
        return {}
    before, after, groups, batches = [], [], [], []
    for x, moved, batch in ((sample.query, mapped, "1"), (sample.target, values(sample.target), "2")):
        names = x.obs[keys.SAMPLE].astype(str).to_numpy()
        for name in np.unique(names):
            rows = names == name
            if rows.sum() >= 20:
                before.append(values(x)[rows].mean(axis=0))
                after.append(moved[rows].mean(axis=0))
                groups.append("HD" if name.startswith("HD") else "patient")
                batches.append(batch)
    design = [np.array(column) for column in (before, after, groups, batches)]
    if min(((design[3] == b) & (design[2] == g)).sum() for b in "12" for g in ("HD", "patient")) < 2:
        return {}
    kept, change = open_problems.functional_marker_preservation(*design)
    return {"functional_marker_preservation_wilcoxon": kept, "functional_marker_preservation_cohens_d": change}


# --------------------------------------------------------------------------------------------------------------- page


def page() -> str:
    """The two tables as a page."""
    made = "Made by `python benchmarks/batches.py --mirror FOLDER`."
    lines = ["# Batches: where the right answer is known, and every method by Open Problems' scores", "", made, ""]
    if (HERE / "scenarios.tsv").exists():
        table = pd.read_csv(HERE / "scenarios.tsv", sep="\t")
        lines += [
            "## Scenarios",
            "",
            "Is the answer of `method: auto` right? Brackets: the quantile map, identity.",
            "",
        ]
        lines += ["| scenario | right is | found | |", "|---|---|---|---|"]
        rows = table.itertuples(index=False)
        lines += [f"| {a} | {b} | {c} | {'right' if right else '**not right**'} |" for a, b, c, right in rows]
        lines += ["", f"{int(table['right'].sum())} of {len(table)} are right.", ""]
    if (HERE / "scores.tsv").exists():
        table = pd.read_csv(HERE / "scores.tsv", sep="\t")
        lines += ["## Scores", "", *INTRODUCTION.strip().splitlines(), ""]
        for dataset, rows in table.groupby("dataset", sort=False):
            wide = rows.pivot(index="score", columns="method", values="value")
            wide = wide.reindex(index=rows["score"].unique(), columns=rows["method"].unique())
            lines += [
                f"### {dataset}",
                "",
                "| score | " + " | ".join(wide.columns) + " |",
                "|---" * (1 + wide.shape[1]) + "|",
            ]
            for score, found in wide.iterrows():
                lines.append(f"| {score} | " + " | ".join("" if np.isnan(v) else f"{v:.3f}" for v in found) + " |")
            lines.append("")
    return "\n".join(lines)


INTRODUCTION = """
Held-out cells of a batch, mapped by maps that saw training cells alone, against held-out cells of the reference. The
definitions are those of Open Problems' task cytometry batch integration (`magan/metrics/open_problems.py`); emd, mmd,
rank_kept and label_transfer are this project's. Higher is better for ratio_consistent_peaks, iLisi, cLisi,
flowsom_mean_mapping_similarity, functional_marker_preservation_wilcoxon, rank_kept and label_transfer, lower for all
others. Horizontal pairs are a donor's samples in two batches, but for the thirty files, whose donors differ: there all
cells of a batch are a sample. `auto` was settled with a view of all of these data sets (`docs/methods.md`), so its
columns are flattered.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mirror", type=Path, required=True)
    parser.add_argument("--part", choices=["scenarios", "scores"])
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    HERE.mkdir(parents=True, exist_ok=True)
    if asked.part != "scores":
        rows = []
        for scenario in SCENARIOS:
            for row in scenario(asked.mirror):
                rows.append(row)
                print(*row, sep="\t", flush=True)
                table = pd.DataFrame(rows, columns=["scenario", "right is", "found", "right"])
                table.to_csv(HERE / "scenarios.tsv", sep="\t", index=False)
    if asked.part != "scenarios":
        rows = []
        for sample in pairs(asked.mirror):
            for method in METHODS:
                mapped = mapped_by(method, sample)
                found = {**scored(sample, mapped), **functional(sample, mapped)}
                rows += [(sample.name, method, score, value) for score, value in found.items()]
                print(sample.name, method, *(f"{v:.3f}" for v in found.values()), flush=True)
            table = pd.DataFrame(rows, columns=["dataset", "method", "score", "value"])
            table.to_csv(HERE / "scores.tsv", sep="\t", index=False, float_format="%.6g")
    (HERE / "README.md").write_text(page())


if __name__ == "__main__":
    main()
