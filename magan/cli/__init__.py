"""The command line; what a command needs is imported when it runs, for PyTorch takes seconds."""

# isort: off
from magan.cli import studies  # first in --help
from magan.cli import files
from magan.cli.application import app

__all__ = ["app", "files", "studies"]
