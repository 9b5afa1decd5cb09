"""The study of a sample sheet: what `magan correct` and `magan merge` run, and how it is written down."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from magan import keys
from magan.atomic_write import atomic_write
from magan.errors import InputError
from magan.study import Study, parse

CELLS = "samples"  # name of the data set and of its task
SHEET, STUDY = "samples.tsv", "study.yaml"


def of_batches(name: str, own: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """A study that corrects batches; ``own`` is how the sheet is read, ``settings`` the rest of its section."""
    section = {"cells": CELLS, "reference": "median", "method": "auto", "correct": {}, **_given(settings)}
    return _study(name, f"Batches of {name}", own, {"batch": {CELLS: section}})


def of_panels(name: str, own: Mapping[str, Any], panels: Sequence[str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """A study that merges the panels of a sheet by the recommended network, or by the preset in ``settings``."""
    section = {"cells": CELLS, "panels": list(panels), "arms": {"merged": "panel_imputation"}, **_given(settings)}
    return _study(name, f"Panels of {name}", own, {"panels": {CELLS: section}})


def _study(name: str, title: str, own: Mapping[str, Any], sections: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "title": title, "own_data": {CELLS: {"sheet": SHEET, **_given(own)}}, **sections}


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def panels_of(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """The panels of a sheet, in its order.

    Raises
    ------
    InputError
        There are fewer than two.
    """
    panels = list(dict.fromkeys(str(row[keys.PANEL]) for row in rows if row.get(keys.PANEL)))
    if len(panels) < 2:
        raise InputError(
            f"the sheet names {len(panels)} panel{'s' * (len(panels) != 1)} and merging needs two; "
            "name each file's panel in its column 'panel'"
        )
    return panels


def write(folder: Path, rows: Sequence[Mapping[str, object]], values: Mapping[str, Any]) -> tuple[Path, Study]:
    """Write sheet and study into a folder; return the study's file, and the study as it was checked.

    A file that would not change keeps its time, so that nothing is made again.

    Raises
    ------
    InputError
        The study cannot run; then nothing is written over a study that is there.
    """
    table = pd.DataFrame(list(rows)).to_csv(sep="\t", index=False)
    study = parse(values)
    for name, text in ((SHEET, table), (STUDY, yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True))):
        place = folder / name
        if not place.is_file() or place.read_text(encoding="utf-8") != text:
            with atomic_write(place) as part:
                part.write_text(text, encoding="utf-8")
    return folder / STUDY, study
