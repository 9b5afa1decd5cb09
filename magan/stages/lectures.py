"""Run the lecture experiments: points, numbers and a figure of each, and their entries in the report."""

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anndata
import pandas as pd

from magan.figures import save
from magan.figures.lectures import OF_LECTURE
from magan.lectures import LECTURES, result_table
from magan.stages.atomic_files import atomic_write, unquoted, write_table
from magan.study import Study

WORDS = dict.fromkeys(("arm", "quantity", "item", "claim", "holds"), str)


def lecture(
    name: str,
    seeds: Sequence[int],
    options: Mapping[str, Any],
    threads: int,
    images: str | None,
    table: str,
    numbers: str,
    figure: str,
) -> None:
    """Rule `lecture`: run an experiment, judge it and draw it; ``figure`` is the svg; a png is written with it."""
    import torch  # here: the report reads results, and trains nothing

    torch.set_num_threads(threads)
    real_images = [anndata.read_h5ad(images)] if images else []
    points = LECTURES[name].run(list(seeds), *real_images, **options)
    write_table(points, table)
    judged = LECTURES[name].check_claims(read_points(table))
    write_table(judged, numbers)
    digest = hashlib.sha256(Path(table).read_bytes()).hexdigest()
    drawn = OF_LECTURE[name].draw(read_points(table), judged, digest=digest)
    for suffix in ("svg", "png"):
        with atomic_write(Path(figure).with_suffix(f".{suffix}")) as part:
            save(drawn, part)


def read_points(path: str | Path) -> pd.DataFrame:
    """The points of an experiment; words are "" and seeds missing where there is none."""
    return _read(path, result_table.POINTS).astype({"seed": "Int64"})


def lectures(study: Study, root: str) -> list[dict[str, Any]]:
    """Entries of the report: the names, numbers and picture of each experiment."""
    found = []
    for name in study.lectures:
        folder, drawing = Path(root, "lectures", name), OF_LECTURE[name]
        found.append(
            {
                "name": name,
                "title": drawing.title,
                "caption": drawing.caption,
                "path": str(folder / f"figure.{drawing.suffix}"),
                "numbers": _read(folder / "numbers.tsv", result_table.NUMBERS),
            }
        )
    return found


def _read(path: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    """A table whose words stay words, "" where there is none."""
    text: dict[Hashable, Any] = {column: str for column in columns if column in WORDS}
    blank = {column: [""] for column in columns if column not in WORDS}
    table = pd.read_csv(
        path, sep="\t", dtype=text, keep_default_na=False, na_values=blank, float_precision="round_trip"
    )
    return unquoted(table)
