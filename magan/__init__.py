"""Align single-cell panels, batches and images with GANs that keep a correspondence."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from magan.aligner import Aligner
    from magan.batch_mapper import BatchMapper
    from magan.config import Training
    from magan.cytometry.integrated import open_integrated
    from magan.neighbours import nearest_cells
    from magan.synthesizer import Synthesizer

__version__ = "0.1.0"

# Public name -> its module, imported when the name is first asked for: `import magan` loads no library.
_PUBLIC = {
    "Aligner": "magan.aligner",
    "BatchMapper": "magan.batch_mapper",
    "Synthesizer": "magan.synthesizer",
    "Training": "magan.config",
    "nearest_cells": "magan.neighbours",
    "open_integrated": "magan.cytometry.integrated",
}
__all__ = ["Aligner", "BatchMapper", "Synthesizer", "Training", "__version__", "nearest_cells", "open_integrated"]


def __getattr__(name: str) -> Any:
    """Import a public name."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'magan' has no attribute '{name}'; public are {', '.join(__all__)}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
