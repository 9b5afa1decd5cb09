"""What a preflight found as one HTML page that needs nothing beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from magan import keys
from magan.atomic_write import atomic_write
from magan.cytometry.channel_table import lines
from magan.cytometry.harmonise_names import differences
from magan.cytometry.marker_names import CORRECTED, DOUBTFUL
from magan.preflight.distributions import Histogram
from magan.preflight.inspect import Findings, passes
from magan.preflight.text import batch_effects, judgement, time_and_memory

TEMPLATES = Path(__file__).parents[1] / "templates"
WIDTH, HEIGHT = 160, 56  # of a small histogram, in its own units
COLOURS = (
    "#005a8f",
    "#c25400",
    "#00785c",
    "#a8447c",
    "#7a6a00",
    "#3d3d9c",
    "#5b6670",
    "#7a3b12",
)  # of batches, in turn


def page(found: Mapping[str, Findings]) -> str:
    """The page of one data set, or of several under their titles; every word of the files is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    parts = [_part(title, findings) for title, findings in found.items()]
    return environment.get_template("preflight.html").render(parts=parts)


def write_page(found: Mapping[str, Findings], path: Path) -> None:
    """Write the page of `page`; a page that is there is replaced.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    words = page(found)
    with atomic_write(path) as part:
        part.write_text(words, encoding="utf-8")


def _part(title: str, found: Findings) -> dict[str, Any]:
    colours = {batch: COLOURS[i % len(COLOURS)] for i, batch in enumerate(dict.fromkeys(found.files[keys.BATCH]))}
    batch_of = dict(zip(found.files["path"], found.files[keys.BATCH]))
    return {
        "title": title,
        "judgement": judgement(found),
        "ready": passes(found),
        "faults": found.faults,
        "warnings": found.warnings,
        "n_cells": int(found.files["cells"].sum()),
        "files": [_file(row, found) for row in found.files.to_dict("records")],
        "has_panels": bool((found.files[keys.PANEL] != "").any()),
        "colours": colours,
        "channels": lines(found.channels),
        "markers": [_marker(name, histogram, batch_of, colours) for name, histogram in found.histograms.items()],
        "names": differences(found.names),
        "left_out": list(found.markers["reason"]),
        "effects": list(batch_effects(found.effects)),
        "cost": time_and_memory(found),
    }


def _file(row: Mapping[Any, Any], found: Findings) -> dict[str, Any]:
    of = found.channels[found.channels["path"] == row["path"]]
    doubtful = of.loc[of[keys.ROLE] == DOUBTFUL, keys.MARKER]
    return {
        **row,
        "name": Path(row["path"]).name,
        "markers": int((of[keys.ROLE] == CORRECTED).sum()),
        "doubts": [row["problem"]] if row["problem"] else [f"{name} is doubtful" for name in doubtful],
    }


def _marker(name: str, histogram: Histogram, batch_of: Mapping[str, str], colours: Mapping[str, str]) -> dict[str, Any]:
    top = max(float(shares.max()) for shares in histogram.shares.values())
    curves = [
        {"points": _points(np.sqrt(shares / top)), "colour": colours[batch_of[path]], "file": Path(path).name}
        for path, shares in histogram.shares.items()
    ]
    return {"name": name, "low": f"{histogram.edges[0]:.1f}", "high": f"{histogram.edges[-1]:.1f}", "curves": curves}


def _points(heights: np.ndarray) -> str:
    """The line over bins of relative heights ``(K,)``, in 0 to 1, as SVG has it."""
    x = np.linspace(0, WIDTH, len(heights))
    y = HEIGHT - 2 - (HEIGHT - 6) * pd.Series(heights).to_numpy()
    return " ".join(f"{a:.0f},{b:.1f}" for a, b in zip(x, y))
