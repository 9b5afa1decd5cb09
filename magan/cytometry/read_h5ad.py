"""Cells from .h5ad files, however readfcs, pytometry, CATALYST (by zellkonverter) or magan name their channels."""

import signal
import subprocess
import sys
import warnings
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.cytometry.marker_names import AS_MEASURED, CORRECTED, KIND_OF_CLASS, KINDS, TECHNICAL
from magan.errors import InputError

# Columns of var in which programs write the channel, the marker and its kind; the first that is there counts.
CHANNELS = (keys.CHANNEL, "channel_name", "fcs_colname", "channels")
MARKERS = (keys.MARKER, "marker_name", "antigen", "marker_names", "desc")
CLASSES = (keys.MARKER_TYPE, "marker_class")
EMPTY = ("", "nan", "none", "na", "<na>")  # a marker that is written so has no name
SECONDS = 8  # of the processor, for attributes and short tables of texts, which take a few milliseconds
DAMAGE = (signal.SIGXCPU, signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE)
PROBE = f"""
import resource, sys, h5py
resource.setrlimit(resource.RLIMIT_CPU, ({SECONDS}, {SECONDS + 1}))
def visit(name, item):
    for key in item.attrs:
        item.attrs[key]
    if isinstance(item, h5py.Dataset) and h5py.check_string_dtype(item.dtype) and 0 < item.size <= 100_000:
        item[()]
with h5py.File(sys.argv[1], "r") as file:
    visit("", file)
    file.visititems(visit)
"""


def read_h5ad(path: Path) -> AnnData:
    """An .h5ad file with dense float32 values, and its channels named by the strings of `named_channels`.

    Raises
    ------
    InputError
        The file cannot be read, is empty, holds anything but real numbers, or names a cell or a channel twice.
    """
    _probe(path)
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # names that repeat are judged below
            adata = anndata.read_h5ad(path)
    except Exception as error:  # h5py and anndata raise OSError, KeyError and their own
        raise InputError(
            f"file {path} cannot be read as h5ad ({type(error).__name__} {' '.join(str(error).split())}); "
            "write it again"
        ) from error
    if adata.X is None or not adata.n_obs or not adata.n_vars:
        raise InputError(f"file {path} holds {adata.n_obs} cells by {adata.n_vars} markers and no more; write it again")
    if not adata.obs_names.is_unique:
        name = adata.obs_names[adata.obs_names.duplicated()][0]
        raise InputError(f"file {path}: cell {name!r} is listed twice; make the names unique")
    var = named_channels(path, adata)
    layers = (
        {keys.PREPROCESSED: real(path, adata.layers[keys.PREPROCESSED], f"layers['{keys.PREPROCESSED}']")}
        if (keys.PREPROCESSED in adata.layers)
        else {}
    )
    obs = adata.obs.copy()
    obs.index = obs.index.astype(str)
    return AnnData(real(path, adata.X, "X"), obs=obs, var=var, layers=layers, uns=dict(adata.uns))


def _probe(path: Path) -> None:
    """Read attributes and texts in a second process: of some damaged files the HDF5 library never returns, or crashes.

    Its time is that of the processor, so that a busy machine refuses no file. What it reports as an error is left to
    the reader.

    Raises
    ------
    InputError
        The process was ended by a signal that a damaged file causes.
    """
    done = subprocess.run([sys.executable, "-c", PROBE, str(path)], capture_output=True, check=False)
    if -done.returncode in DAMAGE:
        raise InputError(f"file {path} is damaged: HDF5 crashes or does not end when it reads it; write it again")


def named_channels(path: Path, adata: AnnData) -> pd.DataFrame:
    """var with the columns channel and marker, and where the file sorts its markers also marker_type and what follows.

    A marker without a name (empty or NaN) is called by its channel; a channel without a name, by its marker or by
    its name in the index. The index holds the names of the file where they are unique, else the channels.
    """
    index = [str(name) for name in adata.var_names]
    channels = _words(adata.var, CHANNELS) or index
    markers = _words(adata.var, MARKERS) or index
    channels = [channel or marker or name for channel, marker, name in zip(channels, markers, index)]
    markers = [marker or channel for channel, marker in zip(channels, markers)]
    index = next((names for names in (index, channels) if len(set(names)) == len(names)), None)
    if index is None:
        name = next(name for name in channels if channels.count(name) > 1)
        raise InputError(f"file {path}: marker {name!r} is listed twice; make the names unique")
    var = adata.var.drop(
        columns=[*CHANNELS, *MARKERS, *CLASSES, keys.TO_CORRECT, keys.ROLE, keys.REASON], errors="ignore"
    )
    var = pd.DataFrame({keys.CHANNEL: channels, keys.MARKER: markers}, index=index).join(var.set_axis(index, axis=0))
    classes = [KIND_OF_CLASS.get(word.casefold(), word.casefold()) for word in _words(adata.var, CLASSES)]
    if classes and set(classes) <= set(KINDS):
        used = [kind != TECHNICAL for kind in classes]
        var.insert(2, keys.MARKER_TYPE, classes)
        var.insert(3, keys.TO_CORRECT, used)
        var.insert(4, keys.ROLE, [CORRECTED if is_used else AS_MEASURED for is_used in used])
        var.insert(5, keys.REASON, ["" if is_used else "technical in the file" for is_used in used])
    return var


def _words(var: pd.DataFrame, columns: tuple[str, ...]) -> list[str]:
    """The first of the columns that is there, as strings, "" for what is empty; [] without any."""
    column = next((column for column in columns if column in var), None)
    if column is None:
        return []
    words = ["" if pd.isna(value) else str(value).strip() for value in var[column].astype(object)]
    return ["" if word.casefold() in EMPTY and column not in CLASSES else word for word in words]


def real(path: Path, values: object, where: str) -> np.ndarray:
    """Dense float32 values ``(n, M)`` of an array, sparse or not.

    Raises
    ------
    InputError
        The values are strings, truth values, complex numbers or objects.
    """
    kind = getattr(values, "dtype", np.dtype(object))
    if kind.kind not in "fiu":
        raise InputError(f"file {path}: {where} holds values of type {kind}, not real numbers; write the intensities")
    to_dense = getattr(values, "toarray", None)
    dense = to_dense() if to_dense else np.asarray(values)
    with np.errstate(over="ignore"):  # a double too large for float32 becomes infinite, and is refused as such
        return np.asarray(dense).astype(np.float32)
