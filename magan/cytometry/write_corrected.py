"""Corrected cells in the format they came in: FCS, CSV, TSV or h5ad."""

from collections.abc import Mapping
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.cytometry.arcsinh import Cofactor, raw, transformed
from magan.cytometry.fcs_header import is_fcs
from magan.cytometry.fcs_write import finite, write_corrected
from magan.cytometry.panel import columns
from magan.cytometry.read_h5ad import named_channels, real
from magan.cytometry.text_table import dialect, is_gzip
from magan.errors import InputError

MAGAN = "magan"  # uns: provenance of an h5ad file


def raw_corrected(
    measured: np.ndarray, mapped: np.ndarray, cofactor: Cofactor, lowest: np.ndarray | None = None
) -> np.ndarray:
    """Corrected values on the scale of the file, ``(n, M)`` float32.

    A value that the map left alone is the measured one to the last bit. Counts are not negative: in a marker
    that was measured without a negative value, a corrected one below zero is zero.

    Parameters
    ----------
    measured
        ``(n, M)`` as in the file.
    mapped
        ``(n, M)`` in arcsinh units.
    cofactor
        As in `magan.cytometry.arcsinh.raw`, of ``mapped``.
    lowest
        Smallest measured value of each marker in the whole file, ``(M,)``, where these are not all of its cells.
    """
    least = measured.min(axis=0) if lowest is None else lowest
    corrected = raw(mapped, cofactor)
    np.copyto(corrected, measured, where=mapped == transformed(measured, cofactor))
    return np.maximum(corrected, np.where(least >= 0, 0, -np.inf).astype(np.float32))


def write(source: Path, corrected: AnnData, path: Path, *, provenance: Mapping[str, str]) -> None:
    """Write a file of cells again with some of its markers corrected.

    FCS: see `fcs_write.write_corrected`. Tables: the same rows, columns and texts but for the values that
    changed. h5ad: the same AnnData with ``layers["integrated"]``, in arcsinh units, and ``uns["magan"]``; other
    markers are in the layer as in ``layers["preprocessed"]`` or, where there is none, transformed alike.

    Parameters
    ----------
    source
        The measured file.
    corrected
        Its cells by markers, ``X`` on its scale and ``layers["integrated"]`` in arcsinh units; ``uns["cytof"]``, and
        var with columns channel and marker.
    path
        What to write, of the same suffix.
    provenance
        Keywords of an FCS file, or ``uns["magan"]`` of an h5ad file.

    Raises
    ------
    InputError
        A corrected value is not finite; and as `write_corrected`.
    """
    name = source.name.lower()
    finite(source, corrected.X, corrected.var)
    if is_fcs(source):
        write_corrected(source, corrected, path, provenance=provenance)
    elif name.endswith(".h5ad"):
        _write_h5ad(source, corrected, path, provenance)
    else:
        _write_table(source, corrected, path)


def _write_h5ad(source: Path, corrected: AnnData, path: Path, provenance: Mapping[str, str]) -> None:
    adata = anndata.read_h5ad(source)
    file = named_channels(source, adata)
    if keys.PREPROCESSED in adata.layers:
        whole = real(source, adata.layers[keys.PREPROCESSED], f"layers['{keys.PREPROCESSED}']")
    else:
        note = corrected.uns[keys.CYTOF]["cofactor"]
        whole = transformed(real(source, adata.X, "X"), 5.0 if note == "per marker" else note)
    whole[:, columns(file, corrected.var)] = corrected.layers[keys.INTEGRATED]
    adata.layers[keys.INTEGRATED] = whole
    adata.uns[MAGAN] = dict(provenance)
    adata.write_h5ad(path)


def _write_table(source: Path, corrected: AnnData, path: Path) -> None:
    """Write the same texts in the same form, but for the values that changed."""
    form = dialect(source)
    as_text = {"header": None, "dtype": str, "keep_default_na": False, "skip_blank_lines": False}
    table = pd.read_csv(source, sep=form.separator, encoding=form.encoding, **as_text).fillna("").to_numpy(dtype=object)
    cells = 1 + np.flatnonzero([any(str(text).strip() for text in row) for row in table[1:]])
    if len(cells) != corrected.n_obs:
        raise InputError(f"{source} has {len(cells)} rows, not {corrected.n_obs}; correct the file as it is")
    header = [str(name).strip() for name in table[0]]
    places = columns(pd.DataFrame({keys.CHANNEL: header, keys.MARKER: header}), corrected.var)
    changed = np.ix_(cells, np.asarray(places))
    texts = table[changed]
    before = np.char.replace(texts.astype(str), form.decimal, ".").astype(np.float64).astype(np.float32)
    same = np.isclose(before, corrected.X, rtol=2e-7, atol=0)  # readers of text differ in the last bit
    after = np.char.replace(corrected.X.astype(str), ".", form.decimal).astype(object)
    table[changed] = np.where(same, texts, after)
    packed = {"method": "gzip", "mtime": 0} if is_gzip(path) else None
    pd.DataFrame(table).to_csv(
        path, sep=form.separator, encoding=form.encoding, header=False, index=False, compression=packed
    )
