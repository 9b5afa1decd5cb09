"""The figures of a finished study, drawn again for print."""

from collections.abc import Iterator
from pathlib import Path

from magan.errors import InputError
from magan.figures import save
from magan.figures.style import PRINT, printed, shrunk
from magan.stages.atomic_files import atomic_write
from magan.stages.draw import load, mark
from magan.study import Study
from magan.tasks.registry import TASKS

DPI = 300  # of PNG files, and of the points of many cells in PDF and SVG files
SUFFIXES = ("pdf", "svg", "png")
CAPTIONS = "captions.md"


def publish(study: Study, root: Path, output: Path) -> Iterator[Path]:
    """Write every figure of the tasks of a study as PDF, SVG and PNG of one and of two columns; yield each file.

    The figures have no title and no foot: titles and captions are in ``captions.md``, the digest of the data in the
    metadata of each file. Text of PDF and SVG files stays text. Figures of merged panels and of lectures are not drawn.

    Parameters
    ----------
    study
        As it was run.
    root
        The folder of its results.
    output
        The folder of the figures, ``<task>/<data set>/<figure>_<layout>.<suffix>``.

    Raises
    ------
    InputError
        The study has not been run.
    """
    tables = (str(root / "metrics.tsv"), str(root / "summary.tsv"))
    captions = [f"# Figures of the study {study.name}\n"]
    for task, dataset, settings in study.tasks():
        folder = root / task / dataset
        for path in (*map(Path, tables), folder / "truth.h5ad"):
            if not path.is_file():
                raise InputError(f"study {study.name}: {path} does not exist; run the study first: magan run STUDY")
        headline = settings.deployed
        names = sorted(settings.arms, key=lambda name: name != headline)
        written = folder / "written.h5ad"
        results = load(
            task,
            dataset,
            {name: settings.arms[name].model for name in names},
            settings.baselines,
            headline,
            tables,
            str(folder),
            str(written) if written.is_file() else "",
        )
        about = f"data {mark(results.truth, tables[0])}, study {study.name}, {task}/{dataset}"
        for name, drawing in TASKS[task].figures.items():
            if not drawing.when(results):
                continue
            captions.append(f"**{dataset}, {name}. {drawing.title}.** {drawing.caption}\n")
            for column, layout in PRINT.items():
                with printed(layout):
                    figure = shrunk(drawing.figure(results, ""), layout.shrink)
                for suffix in SUFFIXES:
                    place = output / task / dataset / f"{name}_{column}.{suffix}"
                    place.parent.mkdir(parents=True, exist_ok=True)
                    with atomic_write(place) as part:
                        save(figure, part, DPI, about)
                    yield place
    output.mkdir(parents=True, exist_ok=True)
    with atomic_write(output / CAPTIONS) as part:
        part.write_text("\n".join(captions))
    yield output / CAPTIONS
