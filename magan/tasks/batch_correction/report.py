"""Report the result of the safety gate on a batch correction."""

from collections.abc import Mapping

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
