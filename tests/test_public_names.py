"""What `import magan` offers, and what it does not load."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

import magan
from magan.aligner import Aligner
from magan.batch_mapper import BatchMapper
from magan.cli import app
from magan.config import Training
from magan.cytometry.integrated import open_integrated
from magan.synthesizer import Synthesizer


def test_the_public_names_are_the_classes_of_their_modules():
    found = magan.Aligner, magan.BatchMapper, magan.Synthesizer, magan.Training, magan.open_integrated
    assert found == (Aligner, BatchMapper, Synthesizer, Training, open_integrated)
    assert set(magan.__all__) <= set(dir(magan))


def test_an_unknown_name_is_refused_with_the_public_names():
    with pytest.raises(AttributeError, match=r"no attribute 'Alinger'; public are Aligner"):
        magan.Alinger  # noqa: B018


def test_import_magan_loads_no_library():
    heavy = ("torch", "anndata", "numpy", "pandas", "pydantic")
    code = f"import sys, magan; print(magan.__version__, [name for name in {heavy} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == f"{magan.__version__} []\n"


def test_the_command_says_the_version():
    said = CliRunner().invoke(app, ["--version"])
    assert said.exit_code == 0 and said.output == f"magan {magan.__version__}\n"
