"""The sheet that a command is given, or that a folder asks for, and how its files are read."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from magan import keys
from magan.cytometry.sample_sheet import PATH, read_sheet
from magan.errors import InputError
from magan.preflight.inspect import STOPS, number, of_study
from magan.preflight.text import overall, time_and_memory
from magan.proposal.columns import columns
from magan.proposal.look import look
from magan.study import Study

PATHS = (PATH, keys.CELL_TYPE, keys.COMPENSATION)  # columns that may name files


def reading(
    panel: Path | None,
    cofactor: str | None,
    transform: str | None,
    aliases: Path | None,
    compensation: str | None,
    trust: str | None,
) -> dict[str, Any]:
    """The options of a command as keys of ``own_data``; paths are absolute.

    Raises
    ------
    InputError
        The cofactor is no positive number and not none.
    """
    own: dict[str, Any] = {"panel": panel and str(panel.resolve()), "transform": transform, "trust": trust}
    own["aliases"] = aliases and str(aliases.resolve())
    own["compensation"] = _absolute(compensation)
    if cofactor is not None:
        own["cofactor"] = number(cofactor) or "none"
    return own


def rows(source: Path, output: Path) -> list[dict[str, object]]:
    """A row for each file, with an absolute path: of a sheet, or as proposed for a folder.

    Raises
    ------
    InputError
        As `read_sheet` and `look`; the source is a study; the batches of a folder are in doubt; or the output folder
        holds files of another origin.
    """
    if output.is_dir() and any(output.iterdir()) and not (output / "run" / "study.yaml").is_file():
        raise InputError(f"{output} holds files that magan did not make; choose a new folder with -o")
    if source.suffix.lower() in (".yaml", ".yml"):
        raise InputError(f"{source} is a study; run it with magan run {source}")
    found = _proposed(source, output) if source.is_dir() else read_sheet(source)
    return [{column: _absolute(value) if column in PATHS else value for column, value in row.items()} for row in found]


def _absolute(value: Any) -> Any:
    return str(Path(value).resolve()) if value and Path(str(value)).is_file() else value


def _proposed(folder: Path, output: Path) -> list[dict[str, object]]:
    files = look(folder, output)
    if bad := [file for file in files if file.problem]:
        raise InputError(f"{bad[0].problem}; list the other files in a sheet (magan init {folder})")
    found = [column for column in columns(files) if any(column.values)]
    if not any(column.name == keys.BATCH for column in found):
        raise InputError(
            f"neither names, nor dates, nor folders say which files of {folder} are of one batch; run magan init "
            f"{folder}, fill in the column batch, and give the sheet"
        )
    for column in found:
        print(f"{column.name}: {column.reason}")
    return [
        {PATH: str(file.path), **{column.name: column.values[i] for column in found}} for i, file in enumerate(files)
    ]


def name_of(output: Path) -> str:
    """The name of a study from its folder."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", output.resolve().name).strip("-") or "study"


def checked(study: Study, run: Path) -> Iterator[str]:
    """What a run of the study would meet, in sentences, once its files have been read.

    Raises
    ------
    InputError
        The run would stop; the message has every reason.
    """
    with contextlib.chdir(run):
        found = of_study(study, "study")
    for findings in found.values():
        stops = [fault.removeprefix(STOPS) for fault in findings.faults if fault.startswith(STOPS)]
        if stops:
            raise InputError("nothing was run: " + "; ".join(stops))
        yield overall(findings)
        yield from findings.faults
        yield from (f"to be considered: {warning}" for warning in findings.warnings)
        yield time_and_memory(findings)
