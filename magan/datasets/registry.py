"""Load named data sets: find or download their files, check their digests, and read them into AnnData."""

import importlib.util
from pathlib import Path

import pooch
from anndata import AnnData

from magan import keys
from magan.cytometry.check_markers import check
from magan.datasets.cells import CELLS
from magan.datasets.dataset import DataSet
from magan.datasets.download import download, verify
from magan.datasets.images import IMAGES
from magan.errors import InputError, nearest


def load(name: str, *, mirror: Path | str | None = None, cache: Path | str) -> AnnData:
    """Load a named data set: values, transformed values, labels and ``uns["source"]``.

    Raises
    ------
    InputError
        See `fetch`.
    """
    paths = fetch(name, mirror=mirror, cache=cache)
    dataset = DATASETS[name]
    adata = dataset.load(paths)
    if dataset.kind == "cells":
        check(adata, name)
    adata.uns[keys.SOURCE] = {
        "name": name,
        "files": {file.path: pooch.file_hash(str(paths[file.path])) for file in dataset.files},
        "licence": dataset.licence,
        "citation": dataset.citation,
    }
    return adata


def fetch(name: str, *, mirror: Path | str | None = None, cache: Path | str) -> dict[str, Path]:
    """Return the paths of the files of a named data set, with checked digests.

    Parameters
    ----------
    name
        A key of ``DATASETS``.
    mirror
        A folder or URL that contains ``<name>/<file>``. Files of a folder are used in place. Without a mirror, or with
        a URL, files are downloaded once. Without a mirror, a file that has no address is built from its originals.
    cache
        Folder for downloads, filled as ``<cache>/<name>/<file>``.

    Returns
    -------
    dict
        File name -> path; empty if the data are part of a library.

    Raises
    ------
    InputError
        The name is unknown; a file is neither in the mirror nor at an address, cannot be downloaded or built, or has
        other content; the package that contains it is not installed; the cache cannot be written.
    """
    if name not in DATASETS:
        raise InputError(f"unknown data set {name!r}{nearest(name, DATASETS)}; known are {', '.join(DATASETS)}")
    dataset = DATASETS[name]
    mirror = None if mirror is None else str(mirror)
    if dataset.package:
        folder = _package_folder(dataset)
        paths = {file.path: folder / file.path for file in dataset.files}
    elif mirror is not None and "://" not in mirror:
        paths = {file.path: Path(mirror) / (dataset.of or name) / file.path for file in dataset.files}
    else:
        folder = dataset.of or name
        return {file.path: download(file, folder, mirror, Path(cache) / folder) for file in dataset.files}
    for file in dataset.files:
        if not paths[file.path].is_file():
            raise InputError(
                f"data set {name}: {paths[file.path]} does not exist; "
                + (f"reinstall {dataset.package}" if dataset.package else "add it, or correct data.mirror")
            )
        verify(paths[file.path], file, f"replace it with the file of the {name} data set")
    return paths


def _package_folder(dataset: DataSet) -> Path:
    """Return the folder of an installed package's example files; the package is not imported."""
    spec = importlib.util.find_spec(dataset.package)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            f"data set {dataset.name} comes with the package {dataset.package}, which is not installed; "
            "run pip install magan[demo]"
        )
    return Path(next(iter(spec.submodule_search_locations))) / "_resources"


DATASETS = CELLS | IMAGES
