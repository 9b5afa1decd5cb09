"""A job of the workflow in a process forked from another that has imported the libraries."""

import multiprocessing
import os
import runpy

# Most of the time of a short job is to import these. What starts threads (mlflow) may not be imported before a fork.
LIBRARIES = ("torch", "anndata", "scipy.stats", "sklearn.cluster", "sklearn.neighbors", "matplotlib.figure", "pydantic")
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([*LIBRARIES, "snakemake.script"])


def execute(script: str, folder: str) -> None:
    """Run a script in a folder; what it prints lies beside it."""
    os.chdir(folder)
    printed = os.open(f"{script}.printed", os.O_WRONLY | os.O_CREAT)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    runpy.run_path(script, run_name="__main__")
