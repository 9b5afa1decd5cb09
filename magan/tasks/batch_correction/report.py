"""Report the result of the safety gate on a batch correction."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from magan import keys
from magan.report.phrasing import Question, counted, number

QUESTION = Question(
    "Batches",
    "The cells of each batch are mapped into a reference batch; cells held out of training are compared with it, "
    "population by population where populations are known: batches may hold them in different shares.",
    "emd_reduction",
    "group",
    "population",
    "emd",
)

SHOWN = 30  # rows of the table; the whole is in gate.tsv
KINDS = {
    "safe": "wins",
    "safe but": "consensus",
    "do not use": "loses",
    "not needed": "ties",
    "too few cells": "ties",
}  # verdict -> CSS class


def judged(verdict: Mapping, gate: pd.DataFrame) -> dict:
    """A verdict and the flagged markers behind it, worst first.

    Parameters
    ----------
    verdict
        ``arm``, ``word`` and ``sentence``.
    gate
        The table of `safety_gate`; a marker flagged over all cells and in populations has a row for each.
    """
    flagged = gate[gate[keys.FLAG] != ""]
    worse = (flagged["emd_after"] - flagged["emd_before"]).sort_values(ascending=False, kind="stable").index
    n_markers = flagged[keys.MARKER].nunique()
    summary = (
        f"{counted(n_markers, 'marker')} of {gate['marker'].nunique()} flagged" if n_markers else "no marker flagged"
    )
    lines = [_line(row) for row in flagged.loc[worse[:SHOWN]].to_dict("records")]
    rest = f"{len(flagged) - SHOWN} more rows are in gate.tsv." if len(flagged) > SHOWN else ""
    known = {"arm": verdict["arm"], "word": verdict["word"], "sentence": verdict["sentence"]}
    return {**known, "kind": KINDS[verdict["word"]], "told": summary, "lines": lines, "rest": rest}


def _line(row: Mapping) -> dict[str, str]:
    where = "all cells" if row["population"] == keys.ALL else row["population"]
    numbers = {name: number(row[name]) for name in ("emd_before", "emd_after", "floor")}
    return {"marker": row[keys.MARKER], "batch": row[keys.BATCH], "where": where, "flag": row[keys.FLAG], **numbers}


def gated(shares: pd.DataFrame, medians: pd.DataFrame, reference: str) -> dict:
    """What the laboratory's gates hold before and after the correction.

    Parameters
    ----------
    shares, medians
        The tables of `magan.tasks.batch_correction.gate_shares`.
    reference
        The reference batch, whose files are as measured.
    """
    others = shares[shares[keys.BATCH] != reference]
    away = others[others[keys.FLAG].str.endswith("away from the reference")]
    n_moved = int((others[keys.FLAG] != "").sum())
    summary = f"{n_moved} of {counted(len(others), 'share')} moved" if n_moved else "no gate moved"
    summary += f", {len(away)} away from the reference" if len(away) else ""
    known: dict[Any, Any] = {(row.batch, row.gate, row.marker): row for row in medians.itertuples()}
    lines = []
    for row in others.to_dict("records"):
        drawn_on = [known.get((row[keys.BATCH], row["gate"], marker)) for marker in row["drawn_on"].split(", ")]
        moved = [f"{found.marker} {number(found.before)} → {number(found.after)}" for found in drawn_on if found]
        percent = {name: f"{100 * row[name]:.2f}" for name in ("before", "after", "reference")}
        lines.append({**row, **percent, "medians": "; ".join(moved)})
    return {"told": summary, "lines": lines, "is_away": bool(len(away))}


def channels(table: pd.DataFrame) -> list[dict[str, str]]:
    """A row for each role and reason of channels, with their names; those that are corrected first.

    Parameters
    ----------
    table
        ``uns["channels"]``: path, batch, channel, marker, role, reason.
    """
    n_files, rows = table["path"].nunique(), []
    for (role, reason), same in sorted(table.groupby([keys.ROLE, keys.REASON], sort=False), key=_corrected_first):
        names = same.drop_duplicates([keys.CHANNEL, keys.MARKER])
        named = [m if m == c else f"{m} ({c})" for c, m in zip(names[keys.CHANNEL], names[keys.MARKER])]
        rows.append({"role": role, "reason": reason, "names": ", ".join(named), "files": same["path"].nunique()})
    return [{**row, "files": "all" if row["files"] == n_files else f"{row['files']} of {n_files}"} for row in rows]


def _corrected_first(group: tuple[Any, pd.DataFrame]) -> bool:
    return group[0][1] != ""


def chosen(table: pd.DataFrame) -> dict:
    """The choice of a map, batch by batch: its reason, and a row for each candidate.

    Parameters
    ----------
    table
        The table of `magan.stages.baseline.choice_table`: batch, candidate, criterion, low, high, within, marginal,
        mmd, rank, moved, chosen, reason.
    """
    batches = [
        {
            "batch": batch,
            "reason": rows["reason"].iloc[0],
            "lines": [_candidate(row) for row in rows.to_dict("records")],
        }
        for batch, rows in table.groupby(keys.BATCH, sort=False)
    ]
    return {"batches": batches}


def _candidate(row: Mapping) -> dict[str, str]:
    return {
        "name": row["candidate"],
        "kind": "chosen" if row["chosen"] else "",
        "criterion": number(row["criterion"]),
        "interval": f"[{number(row['low'])}, {number(row['high'])}]",
        **{part: number(row[part]) for part in ("within", "marginal", "mmd", "rank", "moved")},
    }
