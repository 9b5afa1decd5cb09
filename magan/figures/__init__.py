"""Shared parts of all figures: style, records, images, embeddings. No figure computes a score."""

from magan.figures.drawing import WRITTEN, Drawing, Results
from magan.figures.samples import sample_grid
from magan.figures.style import METHOD_COLOURS, save

__all__ = ["METHOD_COLOURS", "WRITTEN", "Drawing", "Results", "sample_grid", "save"]
