"""Where results come from: the code, the libraries and the files that they were made of."""

import hashlib
import importlib.metadata
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anndata

from magan import keys
from magan.stages.atomic_files import code
from magan.study import Study

LIBRARIES = ("magan", "torch", "numpy", "anndata", "scanpy", "scikit-learn", "mlflow", "snakemake")


def digest(values: Any) -> str:
    """Twelve hexadecimal digits of the SHA-256 of settings."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=list).encode()).hexdigest()[:12]


def provenance() -> dict[str, Any]:
    """Commit (if any), digest of the package's code, and versions of its dependencies."""
    commit = _git("rev-parse", "--short", "HEAD")
    # A page or a result in the tree is no change of what made it.
    changed = commit and _git("status", "--porcelain", "--", "magan", "workflow", "config")
    versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
    commit = f"{commit} with changes" if changed else commit
    return {"commit": commit or "not a git checkout", "code": code(), "versions": versions}


def _git(*arguments: str) -> str:
    root = Path(__file__).parents[2]
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True).stdout.strip()


def sources_of(adata: anndata.AnnData) -> dict[str, Any]:
    """Name, file -> sha256, licence and citation of a data set."""
    source = adata.uns.get(keys.SOURCE, {})
    return {k: dict(v) if isinstance(v, Mapping) else str(v) for k, v in source.items()}


def study_sources(study: Study, root: str) -> dict[str, dict[str, Any]]:
    """Data set -> its sources, see `sources_of`."""
    names = dict.fromkeys(name for _, _, settings in study.tasks() for name in settings.data())
    names |= dict.fromkeys(settings.images for settings in study.lectures.values() if settings.images)
    return {name: sources_of(anndata.read_h5ad(f"{root}/cells/{name}.h5ad", backed="r")) for name in names}
