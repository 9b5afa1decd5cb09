"""The page of the benchmark of batches, made of its two tables."""

import numpy as np
import pandas as pd
from batch_cells import TEST, TRAIN
from batch_scenarios import SCENARIOS, SEEDS, SMALL, SPLITS
from batch_scores import METHODS, SIMPLE, STEPS

RANK, LABEL = 0.97, 0.01
# Score, whether more is better, and the demand on `auto` given the best simple map's.
DEMANDS = {
    "emd_within": (False, "at most 1.02 times the best", lambda auto, best: auto <= 1.02 * best),
    "emd": (False, "at most 1.02 times the best", lambda auto, best: auto <= 1.02 * best),
    "mmd": (False, "at most the best", lambda auto, best: auto <= best),
    "rank_kept": (True, f"at least {RANK}", lambda auto, best: auto >= RANK),
    "label_transfer": (True, f"at most {LABEL} below the best", lambda auto, best: auto >= best - LABEL),
}
OTHER_SHARES = ("thirty files",)  # data sets whose batches differ in composition
OPENING = f"""
# Batches: where the right answer is known, and every method by Open Problems' scores

Made by `python benchmarks/batches.py --mirror FOLDER` at commit {{commits}}, {{minutes}} minutes of a core.

**Seeds.** Negative controls (halves, donors): {SEEDS} seeds. Depleted populations: {SPLITS} divisions into training and
held-out cells. Few cells: {SMALL} seeds of each number. A planted effect: {SPLITS} seeds. Scores, verdicts, confounded
groups, six batches: one seed (0), the network's too, with {STEPS} steps. A batch has at most {TRAIN} training cells and
{TEST} held-out cells.

**Chosen on, reported on.** The rule of `auto` was settled on halves of HuImm and of the thymus with made batch effects
and on the controls trained on control 1. Here these are: few cells, the planted effect, six batches, two halves of
HuImm, and those two data sets of the scores. The two days, the controls trained on control 2 and the thirty files were
looked at beside them, so no figure here is of cells that nobody had looked at. In the last comparison of rules
(`docs/methods.md`) made effects on HuImm decided alone.
"""
INTRODUCTION = """
Held-out cells of a batch, mapped by maps that saw training cells alone, against held-out cells of the reference. The
definitions are those of Open Problems' task cytometry batch integration (`magan/metrics/open_problems.py`); emd,
emd_within, mmd, rank_kept and label_transfer are this project's. More is better for ratio_consistent_peaks, iLisi,
cLisi, flowsom_mean_mapping_similarity, functional_marker_preservation_wilcoxon, rank_kept and label_transfer, less for
all remaining scores. Horizontal pairs are a donor's samples in two batches, but for the thirty files, whose donors
differ: there all cells of a batch are a sample. `batch_correction` is the network preset.
"""
AGAINST = f"""
`auto`, in brackets the best of {", ".join(SIMPLE)} (for each score the map that is best at it). Over all cells the
EMD and the MMD are no measure where batches differ in composition, as in the {", ".join(OTHER_SHARES)}.
"""


def page(scenarios: pd.DataFrame, scores: pd.DataFrame) -> str:
    """The page, in Markdown; a part that a table lacks is absent."""
    both = [scenarios.drop_duplicates("part"), scores.drop_duplicates(["dataset", "method"])]
    commits = ", ".join(dict.fromkeys(str(c) for rows in both for c in rows["commit"]))
    minutes = round(sum(rows["seconds"].sum() for rows in both) / 60)
    lines = [*OPENING.format(commits=commits, minutes=minutes).strip().splitlines(), ""]
    if len(scenarios):
        lines += _scenarios(scenarios)
    if len(scores):
        lines += [*_against(scores), "## Scores", "", *INTRODUCTION.strip().splitlines(), ""]
        for dataset, rows in scores.groupby("dataset", sort=False):
            wide = _wide(rows)
            lines += [f"### {dataset}", "", *_head("score", *wide.columns)]
            for score, found in wide.iterrows():
                lines.append(f"| {score} | " + " | ".join("" if np.isnan(v) else f"{v:.3f}" for v in found) + " |")
            lines.append("")
    return "\n".join(lines)


def _scenarios(table: pd.DataFrame) -> list[str]:
    lines = [
        "## Scenarios",
        "",
        "Is the answer of `method: auto` right? Brackets: the quantile map's EMD, identity's label transfer.",
        "",
    ]
    lines += _head("scenario", "right is", "found", "")
    for part in SCENARIOS:
        for row in table[table["part"] == part].to_dict("records"):
            right = "right" if row["right"] else "**not right**"
            lines.append(f"| {row['scenario']} | {row['right is']} | {row['found']} | {right} |")
    missing = [part for part in SCENARIOS if part not in set(table["part"])]
    lines += ["", f"{int(table['right'].sum())} of {len(table)} are right."]
    return [*lines, *([f"Not run: {', '.join(missing)}."] if missing else []), ""]


def _against(table: pd.DataFrame) -> list[str]:
    lines = ["## `auto` and the best simple map", "", *AGAINST.strip().splitlines(), ""]
    lines += _head("data set", *(f"{score}: {demand}" for score, (_, demand, _) in DEMANDS.items()))
    for dataset, rows in table.groupby("dataset", sort=False):
        wide = _wide(rows)
        if "auto" not in wide:
            continue
        cells = []
        for score, (more, _, holds) in DEMANDS.items():
            if dataset in OTHER_SHARES and score in ("emd", "mmd"):
                cells.append("")
                continue
            simple = wide.loc[score, [name for name in SIMPLE if name in wide]]
            best, found = simple.max() if more else simple.min(), wide.loc[score, "auto"]
            figures = f"{found:.4f} ({best:.4f})"
            cells.append(figures if holds(found, best) else f"**{figures}**")
        lines.append(f"| {dataset} | " + " | ".join(cells) + " |")
    return [*lines, "", "Bold: the demand is not met.", ""]


def _wide(rows: pd.DataFrame) -> pd.DataFrame:
    wide = rows.pivot(index="score", columns="method", values="value")
    return wide.reindex(index=rows["score"].unique(), columns=[m for m in METHODS if m in wide])


def _head(*names: str) -> list[str]:
    return ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
