"""Report a batch correction: the verdict as a traffic light, what happened to each marker, and what to do now."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from magan import keys
from magan.report.phrasing import Question, counted, listed, number
from magan.titles import title

QUESTION = Question(
    "Batches",
    "Are the batches nearer to the reference, and are the cells still what they were?",
    "emd_reduction",
    "group",
    "population",
    "emd",
)

SHOWN = 30  # rows of the table of flags; the whole is in gate.tsv
NAMED = 4  # most markers that the first sentence names
CHANCE = 2.0  # times the distance of sampling alone: about one marker in twenty is further away by chance
LIGHTS = {"safe": "green", "not needed": "green", "safe but": "amber", "too few cells": "amber", "do not use": "red"}
WORDS = {
    "safe": "Safe to use",
    "not needed": "Nothing to correct",
    "safe but": "Use with care",
    "too few cells": "Too few cells to tell",
    "do not use": "Do not use",
}
# What happened to a marker in a population -> its sign, and its words.
HAPPENED = {
    "nearer": ("▲", "nearer to the reference"),
    "unchanged": ("·", "no clear change"),
    "left": ("=", "left as measured"),
    "flagged": ("!", "flagged: got worse"),
}
# Flag of the gate -> what it means.
FLAGS = {
    "worse EMD": "the distance to the reference grew by more than sampling explains",
    "peaks": "the density has clearly more peaks than before and than the reference, or clearly fewer than either",
    "group effect": "a difference between groups within the batch changed by more than half of what it was",
    "torn pair": "two markers have a correlation, or a division of cells, that neither batch has",
}
FALLBACKS = {
    "none": "flagged markers are corrected all the same",
    "input": "flagged markers are written as measured",
    "monotone": "flagged markers are written by their monotone map",
}


def judged(verdict: Mapping[str, Any], gate: pd.DataFrame, cautions: Sequence[str] = ()) -> dict[str, Any]:
    """Return what the page shows of a verdict.

    Parameters
    ----------
    verdict
        The result of rule `judge`: ``arm``, ``word``, ``sentence``, ``markers``, ``fallback`` and ``put_back``;
        ``design`` where maps learn from controls.
    gate
        The table of `safety_gate` on the cells as written.
    cautions
        Sentences about the layout of samples, e.g. that no donor is in two batches.

    Returns
    -------
    dict
        ``light`` (green, amber or red), ``word``, ``sentence``, ``full`` (the sentences of rule `judge`), ``steps``
        (what to do now), ``pictures`` (a table of markers by populations for each batch), ``ways`` (rows of the
        batches, the controls that map them and the markers that these do not stain), ``distances`` (rows of
        batch and numbers), ``flags`` (rows, the worst first), ``summary`` and ``rest`` of the flags, and ``left``
        (rows of batch, markers and reason).
    """
    gate = gate.assign(happened=happened(gate, verdict))
    flagged = gate[gate["happened"] == "flagged"]
    markers = list(dict.fromkeys(flagged[keys.MARKER]))
    n, n_all = len(markers), gate[keys.MARKER].nunique()
    worst = (flagged["emd_after"] - flagged["emd_before"]).sort_values(ascending=False, kind="stable").index
    rest = len(flagged) - SHOWN
    light, sentence = _first(verdict, gate, markers)
    return {
        "arm": verdict["arm"],
        "light": light,
        "word": WORDS[verdict["word"]],
        "sentence": sentence,
        "full": sentences(verdict["sentence"]),
        "cautions": list(cautions),
        "steps": _steps(verdict, light, markers, cautions),
        "pictures": list(_pictures(gate)),
        "legend": HAPPENED,
        "ways": _ways(verdict.get("design", [])),
        "distances": _distances(gate),
        "flags": [_flag(row) for row in flagged.loc[worst[:SHOWN]].to_dict("records")],
        "meanings": {flag: words for flag, words in FLAGS.items() if flagged[keys.FLAG].str.contains(flag).any()},
        "summary": f"{counted(n, 'marker')} of {n_all} flagged" if n else "no marker flagged",
        "rest": f"{counted(rest, 'more row')} in gate.tsv." if rest > 0 else "",
        "left": _left(verdict, gate),
        "fallback": FALLBACKS.get(verdict.get("fallback", "none"), ""),
    }


def kept(effects: pd.DataFrame | None) -> dict[str, Any] | None:
    """Return how many differences between groups of donors survive; None where no pair of groups could be compared.

    ``effects`` is the table of `magan.metrics.donor_effects.donor_effects`. ``counts`` has a row for each population
    and measure, ``lines`` a row for each difference that is lost or new.
    """
    if effects is None or effects.empty:
        return None
    words = {"preserved": "kept", "lost": "lost", "invented": "new"}
    counts = [
        {"population": place(str(population)), "measure": measure, **_count(rows["status"].map(words), words.values())}
        for (population, measure), rows in effects.groupby(["population", "measure"], sort=False)
    ]
    changed = effects[effects["status"].isin(["lost", "invented"])]
    lines = [
        {
            "where": f"{row[keys.MARKER]}, {place(row['population'])}",
            "measure": row["measure"],
            "groups": f"{row['group_2']} less {row['group_1']}",
            "what": words[row["status"]],
            **{side: f"{number(row[f'effect_{side}'])}" for side in ("before", "after")},
            **{f"q_{side}": f"{number(row[f'q_{side}'])}" for side in ("before", "after")},
        }
        for row in changed.head(SHOWN).to_dict("records")
    ]
    proven = any(line["kept"] or line["lost"] or line["new"] for line in counts)
    rest = f"{counted(len(changed) - SHOWN, 'more row')} in groups.tsv." if len(changed) > SHOWN else ""
    return {"proven": proven, "counts": counts, "lines": lines, "rest": rest}


def _count(status: pd.Series, words: Iterable[str]) -> dict[str, int]:
    return {word: int((status == word).sum()) for word in words}


def happened(gate: pd.DataFrame, verdict: Mapping[str, Any]) -> pd.Series:
    """Return a key of `HAPPENED` for each row of the gate."""
    back = verdict.get("put_back", {}) if verdict.get("fallback") == "input" else {}
    put_back = [marker in back.get(str(batch), ()) for batch, marker in zip(gate[keys.BATCH], gate[keys.MARKER])]
    same = (gate["emd_before"] == gate["emd_after"]).groupby([gate[keys.BATCH], gate[keys.MARKER]]).transform("all")
    found = pd.Series("unchanged", gate.index)
    found[gate["improved"].astype(bool)] = "nearer"
    found[gate[keys.FLAG] != ""] = "flagged"
    found[(same & (gate[keys.FLAG] == "")) | pd.Series(put_back, gate.index, dtype=bool)] = "left"
    return found


def sentences(text: str) -> list[str]:
    """Return the different sentences of a text, in their order."""
    return list(dict.fromkeys(f"{part.rstrip('.')}." for part in text.split(". ") if part))


def _first(verdict: Mapping[str, Any], gate: pd.DataFrame, markers: Sequence[str]) -> tuple[str, str]:
    """Return the light and the sentence of the first screen, without a number where a table has it."""
    word, light = verdict["word"], LIGHTS[verdict["word"]]
    if word == "safe":
        return light, "No marker is further from the reference in any population, and cells keep their populations."
    if word == "safe but" and markers:
        whose = listed(markers) if len(markers) <= NAMED else f"{len(markers)} of {gate[keys.MARKER].nunique()} markers"
        return light, f"Batches are nearer to the reference; {whose} got worse in some cells."
    if word == "not needed" and not gate.empty:
        whole = gate[gate["population"] == keys.ALL]
        if (whole["emd_before"] > CHANCE * whole["floor"]).any():
            return "amber", "The files hold the values as measured, and differences between batches may remain in them."
        return light, "The batches differ no more than samples of the same batch do."
    return light, sentences(verdict["sentence"])[0]


def _steps(verdict: Mapping[str, Any], light: str, markers: Sequence[str], cautions: Sequence[str]) -> list[str]:
    """Return what a reader should do now, the first step first."""
    word, fallback = verdict["word"], verdict.get("fallback", "none")
    steps = {
        "safe": ["Analyse the corrected cells; report the method by the paragraph at the end of this page."],
        "not needed": ["Analyse the measured cells."],
        "too few cells": ["Give more cells of each batch and run the study again."],
        "do not use": [
            "Keep the measured cells: leave the corrected files out of every analysis.",
            "Look below at what got worse; give control samples, choose another reference, or name another method.",
        ],
        "safe but": ["Analyse the corrected cells, and look at each flagged marker below before you trust it."],
    }[word]
    if word == "not needed" and light == "amber":
        steps = [
            "Read below why nothing was corrected; add samples, or name a method in the study to correct all the same."
        ]
    if markers and word == "safe but" and fallback == "none":
        steps += ["To write flagged markers as measured, put “correct: {fallback: input}” into the study."]
    put_back = {marker: None for names in verdict.get("put_back", {}).values() for marker in names}
    if put_back and fallback == "input":
        steps += [f"Compare {listed(list(put_back))} within a batch alone: some batches hold the measured values."]
    if cautions:
        steps += [f"Compare across batches with care. {cautions[0]}"]
    return steps


def _pictures(gate: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield a table for each batch: a row for each marker, the largest difference first, by population."""
    order = gate[gate["population"] == keys.ALL].groupby(keys.MARKER)["emd_before"].mean()
    order = order.reindex(gate[keys.MARKER].unique(), fill_value=0)
    markers = list(order.sort_values(ascending=False, kind="stable").index)
    for batch, rows in gate.groupby(keys.BATCH, sort=False):
        populations = list(dict.fromkeys(rows["population"]))
        of: dict[tuple, Any] = {(row[keys.MARKER], row["population"]): row for row in rows.to_dict("records")}
        yield {
            "batch": batch,
            "populations": [place(name) for name in populations],
            "rows": [
                {"marker": marker, "cells": [_cell(of.get((marker, name))) for name in populations]}
                for marker in markers
            ],
        }


def _cell(row: Mapping[str, Any] | None) -> dict[str, str]:
    if row is None:
        return {"kind": "", "sign": "", "words": "not compared"}
    sign, words = HAPPENED[row["happened"]]
    flag = f" ({_flagged(row)})" if row["happened"] == "flagged" else ""
    numbers = f"distance {number(row['emd_before'])} before, {number(row['emd_after'])} after"
    return {"kind": row["happened"], "sign": sign, "words": f"{words}{flag}; {numbers}"}


def _ways(design: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return by which controls batches are mapped, batches that are mapped alike in a row."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in design:
        _, *targets = row["route"].split(" > ")
        steps = [f"to {target} by {by}" for target, by in zip(targets, row["controls"].split(" > "))]
        way = ", then ".join(steps) or "no control: by the cells of its samples"
        found.setdefault((way, row["not_stained"] or "none"), []).append(row[keys.BATCH])
    return [{"batches": ", ".join(names), "way": way, "left": left} for (way, left), names in found.items()]


def _distances(gate: pd.DataFrame) -> list[dict[str, str]]:
    """Return the mean distance over markers of each batch before and after, and by sampling alone."""
    whole = gate[gate["population"] == keys.ALL]
    means = whole.groupby(keys.BATCH, sort=False)[["emd_before", "emd_after", "floor"]].mean()
    n: dict[Any, int] = whole.groupby(keys.BATCH, sort=False)["n"].first().to_dict()
    rows: dict[Any, Any] = means.to_dict("index")
    return [
        {"batch": batch, "n": f"{n[batch]:,}", **{name: number(value) for name, value in row.items()}}
        for batch, row in rows.items()
    ]


def _left(verdict: Mapping[str, Any], gate: pd.DataFrame) -> list[dict[str, str]]:
    """Return which markers of a batch are as measured, and why."""
    found = []
    back = verdict.get("put_back", {})
    unstained = {row[keys.BATCH]: row["not_stained"].split(", ") for row in verdict.get("design", [])}
    for batch, rows in gate.groupby(keys.BATCH, sort=False):
        left = list(dict.fromkeys(rows.loc[rows["happened"] == "left", keys.MARKER]))
        if not left:
            continue
        by_control = [marker for marker in left if marker in unstained.get(str(batch), ())]
        put_back = [marker for marker in left if marker in back.get(str(batch), ()) and marker not in by_control]
        rest = [marker for marker in left if marker not in (*put_back, *by_control)]
        if by_control:
            reason = "the control does not stain this marker, so it says nothing about the batch effect"
            found.append({"batch": str(batch), "markers": ", ".join(by_control), "reason": reason})
        if put_back:
            reason = "the safety gate flagged the corrected values, so measured values are written"
            found.append({"batch": str(batch), "markers": ", ".join(put_back), "reason": reason})
        if rest:
            whole = len(rest) == rows[keys.MARKER].nunique()
            reason = "no map was better than none on this batch" if whole else "the map does not move this marker"
            found.append({"batch": str(batch), "markers": "all" if whole else ", ".join(rest), "reason": reason})
    return found


def place(population: str) -> str:
    """Return the name of a population for a reader."""
    return "all cells" if population == keys.ALL else population


def _flag(row: Mapping) -> dict[str, str]:
    numbers = {name: number(row[name]) for name in ("emd_before", "emd_after", "floor")}
    where = {"marker": row[keys.MARKER], "batch": row[keys.BATCH], "where": place(row["population"])}
    return {**where, "flag": _flagged(row), **numbers}


def _flagged(row: Mapping) -> str:
    """Return the flags of a row, with the markers of its torn pairs."""
    partners = row.get("partners", "")
    return f"{row[keys.FLAG]} with {partners}" if partners and "torn pair" in row[keys.FLAG] else row[keys.FLAG]


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
    return {"summary": summary, "lines": lines, "is_away": bool(len(away))}


def channels(table: pd.DataFrame | None) -> list[dict[str, str]]:
    """A row for each role and reason of channels, with their names; those that are corrected first.

    Parameters
    ----------
    table
        ``uns["channels"]``: path, batch, channel, marker, role, reason; None where the channels are not known.
    """
    if table is None:
        return []
    n_files, rows = table["path"].nunique(), []
    for (role, reason), same in sorted(table.groupby([keys.ROLE, keys.REASON], sort=False), key=_corrected_first):
        names = same.drop_duplicates([keys.CHANNEL, keys.MARKER])
        named = [m if m == c else f"{m} ({c})" for c, m in zip(names[keys.CHANNEL], names[keys.MARKER])]
        rows.append({"role": role, "reason": reason, "names": ", ".join(named), "files": same["path"].nunique()})
    return [{**row, "files": "all" if row["files"] == n_files else f"{row['files']} of {n_files}"} for row in rows]


def _corrected_first(group: tuple[Any, pd.DataFrame]) -> bool:
    return group[0][1] != ""


def rows(gate: pd.DataFrame, verdict: Mapping[str, Any]) -> list[list[Any]]:
    """Return the gate for the interactive table: batch, population, marker, cells, before, after, sampling, what."""
    numbers = gate[["emd_before", "emd_after", "floor"]].round(4)
    flags = gate[keys.FLAG].map(lambda flag: f" ({flag})" if flag else "")
    words = happened(gate, verdict).map(lambda what: HAPPENED[what][1]) + flags
    columns = [gate[keys.BATCH].astype(str), gate["population"], gate[keys.MARKER], gate["n"], gate["n_reference"]]
    columns += [*(numbers[name] for name in numbers), words]
    return [list(row) for row in zip(*(column.tolist() for column in columns))]


def chosen(table: pd.DataFrame) -> dict[str, Any]:
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
            "reasons": sentences(rows["reason"].iloc[0]),
            "lines": [_candidate(row) for row in rows.to_dict("records")],
        }
        for batch, rows in table.groupby(keys.BATCH, sort=False)
    ]
    return {"batches": batches}


def _candidate(row: Mapping) -> dict[str, str]:
    return {
        "name": title(row["candidate"]),
        "kind": "chosen" if row["chosen"] else "",
        "criterion": number(row["criterion"]),
        "interval": f"[{number(row['low'])}, {number(row['high'])}]",
        **{part: number(row[part]) for part in ("within", "marginal", "mmd", "rank", "moved")},
    }
