"""What a finished study found, in words, and where its results are."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from magan.errors import InputError
from magan.study import PANELS, Study, all_cells, load

SQLITE = re.compile(r"sqlite(\+\w+)?:///(.+)")


def verdicts(study: Study, folder: Path) -> Iterator[str]:
    """A sentence for each batch correction and each merging of panels."""
    for name in _judged(study):
        verdict = _verdict(study, folder, name)
        yield f"{name}, by {verdict['arm']}: {verdict['sentence']}"
    for name in study.panels_to_merge():
        table = pd.read_csv(folder / "results" / study.name / PANELS / name / "verdicts.tsv", sep="\t", dtype=str)
        groups = table.groupby("verdict", sort=False)["marker"].agg(lambda markers: ", ".join(dict.fromkeys(markers)))
        yield f"{name}: " + "; ".join(f"{word}: {markers}" for word, markers in groups.items())


def refused(study: Study, folder: Path) -> bool:
    """Whether the verdict on a batch correction is not to use it."""
    return any(_verdict(study, folder, name)["word"] == "do not use" for name in _judged(study))


def _judged(study: Study) -> list[str]:
    return [name for name, settings in study.section("batch").items() if settings.deployed]


def _verdict(study: Study, folder: Path, name: str) -> dict:
    return json.loads((folder / "results" / study.name / "batch" / name / "verdict.json").read_text())


def results(study: Study, folder: Path) -> Iterator[tuple[str, Path]]:
    """What a user takes home, of a study that was run in a folder: what it is, and where it lies."""
    root = folder / "results" / study.name
    yield "report", root / "report.html"
    for name in _judged(study):
        if study.section("batch")[name].correct:
            yield "corrected files", root / "batch" / name / "corrected" / "files"
            yield "all cells", all_cells(root / "batch" / name / "corrected")
            yield "list of files", root / "batch" / name / "corrected" / "files.tsv"
        yield "model", root / "batch" / name / "model.safetensors"
    for name in study.panels_to_merge():
        yield "merged cells", root / PANELS / name / "merged.h5ad"
        yield "verdicts", root / PANELS / name / "verdicts.tsv"
        if study.panels_to_merge()[name].cells in study.own_data:
            yield "merged files", root / PANELS / name / "files"
            yield "list of files", root / PANELS / name / "files.tsv"


def places(study: Study, folder: Path, output: Path | None = None) -> Iterator[tuple[str, Path | str]]:
    """What lies where: in the results, or in the folder ``output`` that `publish` filled."""
    for what, place in results(study, folder):
        yield what, output / place.name if output else place
    yield "tracking store", store(study, folder)


def store(study: Study, folder: Path) -> str | Path:
    """The file of a tracking store, or its address where it is no file."""
    found = SQLITE.fullmatch(study.tracking.uri)
    return folder / found[2] if found else study.tracking.uri


def found(source: Path) -> tuple[Study, Path]:
    """The study in a YAML file, run in the working directory, or in a folder of `magan correct`, run in its ``run``."""
    folder = source / "run" if source.is_dir() else Path()
    return load(folder / "study.yaml" if source.is_dir() else source), folder


def address(source: Path | None) -> str:
    """The address of the tracking store of a study, or of the store that studies in the working directory have.

    Raises
    ------
    InputError
        There is no store yet.
    """
    place = store(*found(source)) if source else Path("results/mlflow.db")
    if isinstance(place, str):
        return place
    if not place.is_file():
        raise InputError(f"{place} does not exist; run a study first, with magan run or magan correct")
    return f"sqlite:///{place}"


def report_of(study: Study, folder: Path) -> Path:
    """The page of a finished study.

    Raises
    ------
    InputError
        There is none.
    """
    page = folder / "results" / study.name / "report.html"
    if not page.is_file():
        raise InputError(f"{page} does not exist; run the study first, with magan run")
    return page


def publish(study: Study, folder: Path, output: Path) -> None:
    """Put the results of a study where their reader looks: links to the same bytes, or copies."""
    for what, place in results(study, folder):
        _put(place, output / place.name)
        if what == "report":
            _relink(place, output / place.name)


def _put(found: Path, place: Path) -> None:
    fresh = place.with_name(f".{place.name}.fresh")
    for old in (fresh, place):
        shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(found, fresh, copy_function=_linked) if found.is_dir() else _linked(found, fresh)
    os.replace(fresh, place)


def _relink(found: Path, place: Path) -> None:
    """Write a page again at another place, with links that lead from there to the same files."""

    def moved(link: re.Match[str]) -> str:
        return f'{link[1]}"{Path(os.path.relpath(found.parent / link[2], place.parent)).as_posix()}"'

    place.unlink()  # the page in the results is the same file, and keeps its links
    place.write_text(re.sub(r'(<a data-file href=)"([^"]*)"', moved, found.read_text()))


def _linked(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
