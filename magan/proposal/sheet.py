"""Write a proposal: the sample sheet with the reason of each column, and the study that it asks for."""

import io
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import yaml

from magan import keys
from magan.cytometry.sample_sheet import PATH
from magan.errors import InputError
from magan.proposal.columns import Column, columns
from magan.proposal.look import File, look

SHEET, STUDY = "samples.tsv", "study.yaml"


def propose(folder: Path, output: Path) -> tuple[Path, Path, list[str]]:
    """Write ``samples.tsv`` and ``study.yaml`` into ``output``, and return both with sentences on what was found.

    Raises
    ------
    InputError
        There is no file of cells, or one of the two files exists.
    """
    places = output / SHEET, output / STUDY
    for place in places:
        if place.exists():
            raise InputError(f"{place} exists and is never overwritten; remove it, or choose another folder with -o")
    files = [file for file in look(folder, output)]
    good = [file for file in files if not file.problem]
    if not good:
        raise InputError(f"none of {len(files)} files in {folder} can be read; the first: {files[0].problem}")
    found = columns(good)
    output.mkdir(parents=True, exist_ok=True)
    places[0].write_text(sheet_text(good, found, output), encoding="utf-8")
    places[1].write_text(study_text(folder, places[0], found), encoding="utf-8")
    said = [f"{len(good)} files of cells in {folder}", *(f"{c.name}: {c.reason}" for c in found)]
    return *places, [*said, *(f"left out: {file.problem}" for file in files if file.problem)]


def sheet_text(files: Sequence[File], found: Sequence[Column], folder: Path) -> str:
    """The sheet, tab separated, with a comment for each column; paths begin at ``folder``."""
    by_name = {column.name: column.values for column in found}
    paths = [os.path.relpath(file.path, folder) for file in files]
    table = pd.DataFrame({keys.SAMPLE: by_name.pop(keys.SAMPLE), PATH: paths, **by_name})
    text = io.StringIO()
    for column in found:
        text.write(f"# {column.name}: {column.reason}\n")
    table.to_csv(text, sep="\t", index=False)
    return text.getvalue()


def study_text(folder: Path, sheet: Path, found: Sequence[Column]) -> str:
    """A study of the sheet: panels are merged where there are several, batches are corrected otherwise."""
    title = folder.resolve().name or "samples"
    panels = next((list(dict.fromkeys(column.values)) for column in found if column.name == keys.PANEL), [])
    if panels:
        section = {
            "panels": {"samples": {"cells": "samples", "panels": panels, "arms": {"merged": "panel_imputation"}}}
        }
    else:
        settings = {"cells": "samples", "reference": "median", "method": "auto", "correct": {}}
        section = {"batch": {"samples": settings}}
    study = {
        "name": _name(title),
        "title": f"Files of {title}",
        "own_data": {"samples": {"sheet": str(sheet)}},
        **section,
    }
    return f"# magan check {sheet.with_name(STUDY)}, then magan run {sheet.with_name(STUDY)}\n" + yaml.safe_dump(
        study, sort_keys=False, allow_unicode=True
    )


def _name(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", title).strip("-") or "study"
