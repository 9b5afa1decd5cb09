"""One corrected FCS file for one measured: the writer is flowio, what it wrote is read back before it counts."""

import math
import re
from array import array
from collections.abc import Mapping
from pathlib import Path

import flowio
import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.data.cytof import columns
from magan.data.fcs import read_fcs, read_with_keywords
from magan.errors import InputError

DELIMITER = "/"  # flowio's, between keywords and values

# Keywords of the measured file that would be false of the corrected one: $DATATYPE, widths, names, amplification and
# ranges are written anew, and the ranges that flowCore leaves are of the values before.
REPLACED = re.compile(r"__header__|datatype|originality|transformation|p\d+[begrns]|flowcore_\$?p\d+r(min|max)")


def write_corrected(source: Path, corrected: AnnData, path: Path, *, provenance: Mapping[str, str]) -> None:
    """Write a measured FCS file again (FCS 3.1, float32) with some of its channels corrected.

    Events, their order, channels and their names are those of ``source``, and so are the values of all other channels,
    linear as `magan.data.fcs.read_fcs` gives them: amplification is ``0,0`` and no gain is left to be applied. Every
    ``$PnR`` is the old one, or the channel's maximum rounded up where that is larger. Other keywords are kept.

    Parameters
    ----------
    source
        The measured file.
    corrected
        The events of ``source`` by markers, ``X`` on its scale; var with columns channel and marker, as
        `magan.data.cytof.annotate` leaves it.
    path
        What to write.
    provenance
        Further keywords, e.g. ``{"MAGAN_MODEL": "model.safetensors"}``; empty values are left out.

    Raises
    ------
    InputError
        ``source`` cannot be read, has another number of events or no such channel; a corrected value is not
        finite; or what was written does not read back the same.
    """
    adata, keywords = read_with_keywords(source)
    if corrected.n_obs != adata.n_obs:
        raise InputError(f"{source} has {adata.n_obs} events, not {corrected.n_obs}; correct the file as it is")
    places = columns(adata.var, corrected.var)
    finite(source, corrected.X, adata.var.iloc[places])
    adata.X[:, places] = corrected.X
    names, labels = (
        [_inside(keywords.get(f"p{n}{key}", "")) for n in range(1, adata.n_vars + 1)] for key in ("n", "s")
    )
    about = {key: value for key, value in keywords.items() if not REPLACED.fullmatch(key)}
    about |= {"originality": "DataModified", **_ranges(adata.X, keywords), **provenance}
    about = {key: _inside(str(value)) for key, value in about.items() if str(value).strip() and DELIMITER not in key}
    values = array("f")
    values.frombytes(np.ascontiguousarray(adata.X, dtype=np.float32).tobytes())
    with path.open("wb") as file:
        flowio.create_fcs(file, values, names, labels, about)
    _as_meant(source, path, adata)


def finite(path: Path, values: np.ndarray, var: pd.DataFrame) -> None:
    """Refuse corrected values ``(n, M)`` of which one is not finite.

    Raises
    ------
    InputError
        The first such channel, and in how many events.
    """
    with np.errstate(over="ignore"):
        n_bad = (~np.isfinite(values.astype(np.float32))).sum(axis=0)
    if n_bad.any():
        first = int((n_bad > 0).argmax())
        channel, marker = var.iloc[first][[keys.CHANNEL, keys.MARKER]]
        raise InputError(
            f"{path}: corrected channel {channel!r} ({marker}) is not finite in {n_bad[first]} of {len(values)} events "
            f"({(n_bad > 0).sum()} channels affected); its values are far from those the model was trained on, "
            "leave these events out"
        )


def _ranges(x: np.ndarray, keywords: Mapping[str, str]) -> dict[str, str]:
    """``$PnR`` of every channel: a whole number that no value is above."""
    ranges = {}
    for n, largest in enumerate(x.max(axis=0).tolist(), start=1):
        old = keywords.get(f"p{n}r", "").strip()
        ranges[f"p{n}r"] = str(max(math.ceil(largest), int(old) if old.isdecimal() else 1, 1))
    return ranges


def _inside(value: str) -> str:
    """A value with a space beside a delimiter at its edge, which parsers would take for the end of another."""
    before, after = (" " if value[at : at + 1] == DELIMITER else "" for at in (0, len(value) - 1))
    return f"{before}{value}{after}" if value else value


def _as_meant(source: Path, path: Path, meant: AnnData) -> None:
    written = read_fcs(path)
    same = written.shape == meant.shape and written.var.equals(meant.var) and np.array_equal(written.X, meant.X)
    if not same:
        raise InputError(f"{source}: the corrected file would not read back the same; export the file again as FCS 3.1")
