"""A job that trains no network starts without torch, and without what draws or tracks unless it does that."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "mlflow", "matplotlib", "numba")
DRAWING = {"matplotlib"}  # the report knows the figures by the functions that draw them
SIMPLE = """
import sys
from pathlib import Path

import numpy as np
from anndata import AnnData
from magan import BatchMapper
from magan.correction import correction

values = np.random.default_rng(0).normal(size=(2, 60, 2)).astype("float32")
x1, x2 = (AnnData(x, layers={"preprocessed": x}, uns={"cytof": {"cofactor": 5.0}}) for x in values)
BatchMapper("quantile").fit([x1], [x2], names=["day"]).save(sys.argv[1])
correction(Path(sys.argv[1])).mapper.map(x1)
"""


def loaded(code: str, *arguments: str) -> set[str]:
    """Those of ``HEAVY`` that a process has loaded once it has run ``code``."""
    code += f"\nimport sys; print(*(set({HEAVY}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_scoring_reading_and_simple_maps_load_none_of_it():
    stages = ("baseline", "correct", "evaluate", "judge", "prepare", "track")
    assert loaded("\n".join(f"import magan.stages.{stage}" for stage in stages)) == set()


@pytest.mark.parametrize("stage", ["draw", "report"])
def test_figures_and_report_load_matplotlib_alone(stage):
    assert loaded(f"import magan.stages.{stage}") == DRAWING


def test_a_simple_map_is_fitted_saved_and_applied_without_torch(tmp_path):
    model = tmp_path / "model.safetensors"
    assert loaded(SIMPLE, str(model)) == set() and model.stat().st_size
