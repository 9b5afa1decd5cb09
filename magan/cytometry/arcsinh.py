"""Variance-stabilised intensities, ``asinh(x / cofactor)`` or on another scale of `transforms`, and the way back.

A scale is a number where it is an arcsinh, so "cofactor" stands for the scale of a marker, whatever it is.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from anndata import AnnData
from scipy.sparse import issparse

from magan import keys
from magan.cytometry.check_markers import known_marker, technical
from magan.cytometry.transforms import Scale, scale_of
from magan.errors import InputError

RAW_BELOW = 12.0  # arcsinh or log values stay below; asinh(x / 5) = 12 is 400,000 counts
RAW_ABOVE = 100.0  # no arcsinh or log value is so large

CHANNEL_VALUES = 1023.0  # the largest of FlowJo's channel values
Cofactor = float | str | Sequence[float | str]  # for all markers, or for each; a text is a scale, "none" the same


def arcsinh(adata: AnnData, cofactor: float | str | Mapping[str, float | str | None] | None = 5.0) -> AnnData:
    """Add the variance-stabilised intensities, ``asinh(x / cofactor)``.

    Parameters
    ----------
    adata
        Cells by markers; ``X`` holds intensities as measured.
    cofactor
        Counts at which the transform turns from linear to logarithmic; 5 is customary for
        CyTOF, 150 for fluorescence. A text is another scale, see `transforms.scale_of`. A mapping gives
        every non-technical marker its scale (technical ones default to 5). None says that the values were
        transformed already.

    Returns
    -------
    AnnData
        A copy with ``layers["preprocessed"]`` (float32; equal to ``X`` for None) and
        ``uns["cytof"]["cofactor"]`` (the number, "none", or "per marker" with the numbers
        in ``var["cofactor"]``); ``X`` is untouched.

    Raises
    ------
    InputError
        The layer is already there; a cofactor is not positive, or names no marker; or the
        values look transformed (99.9th percentile of the non-technical markers below 12)
        though a cofactor is given, or raw (maximum above 100, and no channel values of FlowJo) though it is None.
    """
    if keys.PREPROCESSED in adata.layers:
        raise InputError(f"layers['{keys.PREPROCESSED}'] is already there; transform raw values once")
    biology = adata.X[:, ~technical(adata)]
    if not biology.size:
        raise InputError(
            f"there is nothing to transform in {adata.n_obs} cells by {biology.shape[1]} markers; check it"
        )
    if cofactor is None or cofactor == "none":
        if (largest := float(np.max(biology))) > RAW_ABOVE and not channel_values(biology):
            raise InputError(
                f"cofactor is none but the data looks raw (maximum {largest:.5g}); give a cofactor, e.g. 5"
            )
        units, note = adata.X.copy(), "none"
    else:
        each = _cofactors(adata, cofactor)
        if (high := float(np.percentile(biology, 99.9))) < RAW_BELOW:
            raise InputError(
                f"cofactor is {cofactor} but the data looks transformed already (99.9th percentile {high:.3g}, raw "
                "counts reach hundreds); set cofactor to none"
            )
        units = transformed(adata.X, each)
        note = "per marker" if isinstance(cofactor, Mapping) else each[0]
    adata = adata.copy()
    adata.layers[keys.PREPROCESSED] = np.asarray(units, dtype=np.float32)
    adata.uns[keys.CYTOF] = {"cofactor": note}
    if note == "per marker":
        adata.var["cofactor"] = each if all(isinstance(c, float) for c in each) else [str(c) for c in each]
    return adata


def dense(values: Any) -> np.ndarray:
    """Values of a layer, which may be sparse, as an array."""
    return values.toarray() if issparse(values) else np.asarray(values)


def preprocessed(adata: AnnData, name: str) -> np.ndarray:
    """The variance-stabilised intensities of cells, ``(n, M)`` float32; ``name`` stands for them in messages.

    Raises
    ------
    InputError
        There is no ``layers["preprocessed"]``, or a value is not finite.
    """
    if keys.PREPROCESSED not in adata.layers:
        raise InputError(f"domain '{name}' has no layers['{keys.PREPROCESSED}']; transform it with arcsinh first")
    values = np.ascontiguousarray(dense(adata.layers[keys.PREPROCESSED]), dtype=np.float32)
    bad = ~np.isfinite(values)
    if bad.any():
        column = int(bad.sum(0).argmax())
        raise InputError(
            f"domain '{name}': marker {adata.var_names[column]} is not finite in {bad[:, column].sum()} of "
            f"{len(values)} cells; remove those cells or the marker"
        )
    return values


def channel_values(values: np.ndarray) -> bool:
    """Whether intensities ``(n, M)`` look like FlowJo's channel values: whole numbers of a display scale, 0 to 1023.

    Counts are whole numbers too, but few of them are large: most markers' median is below 100.
    """
    if not values.size or values.min() < 0 or values.max() > CHANNEL_VALUES or values.max() <= RAW_ABOVE:
        return False
    return bool((values == np.rint(values)).all() and np.median(np.median(values, axis=0)) > RAW_ABOVE)


def _cofactors(adata: AnnData, cofactor: float | str | Mapping[str, float | str | None]) -> list[float | str]:
    """The scale of each marker."""
    if not isinstance(cofactor, Mapping):
        return [scale_of(cofactor, "cofactor").spec] * adata.n_vars
    for marker in cofactor:
        known_marker(adata, marker, "cofactor")
    missing = [m for m in adata.var_names[~technical(adata)] if m not in cofactor]
    if missing:
        raise InputError(f"cofactor: marker {missing[0]!r} has none ({len(missing)} have none); give one to each")
    return [scale_of(cofactor.get(marker, 5.0), "cofactor").spec for marker in adata.var_names]


def cofactors(adata: AnnData) -> dict[str, float | str]:
    """Marker -> cofactor, or "none", as `arcsinh` noted it; empty where nothing is noted, or several panels differ."""
    noted = adata.uns.get(keys.CYTOF, {})
    note = noted.get("cofactor")
    if note == "per panel":
        panels = adata.obs[keys.PANEL].unique()
        note = noted["panels"][panels[0]] if len(panels) == 1 else None
    if note == "per batch":
        batches = adata.obs[keys.BATCH].astype(str).unique()
        found = [json.loads(noted["batches"])[batch] for batch in batches]
        alike = bool(found) and all(spec == found[0] for spec in found)
        return {marker: found[0][marker] for marker in adata.var_names} if alike else {}
    if note is None:
        return {}
    each = adata.var["cofactor"] if note == "per marker" else [note] * adata.n_vars
    return {marker: _number_or_text(c) for marker, c in zip(adata.var_names, each)}


def _number_or_text(spec: float | str) -> float | str:
    try:
        return float(spec)
    except ValueError:
        return str(spec)


def transformed(values: np.ndarray, cofactor: Cofactor) -> np.ndarray:
    """Measured values ``(n, M)`` on the scale of each marker, float32: ``asinh(x / cofactor)`` for a number."""
    out = np.array(values, dtype=np.float32)
    divisors, scales = _divisors(cofactor, values.shape[1])
    if len(scales) < values.shape[1]:
        out /= divisors
        np.arcsinh(out, out=out)
    for i, scale in scales.items():
        out[:, i] = scale.forward(values[:, i])
    return out


def raw(values: np.ndarray, cofactor: Cofactor) -> np.ndarray:
    """The way back from `transformed`: ``cofactor * sinh(y)`` for a number, ``(n, M)`` float32.

    Parameters
    ----------
    values
        ``(n, M)`` on the scale of each marker.
    cofactor
        For all markers or for each; "none" leaves a marker as it is.
    """
    out = np.array(values, dtype=np.float32)
    divisors, scales = _divisors(cofactor, values.shape[1])
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused where it is written
        if len(scales) < values.shape[1]:
            np.sinh(out, out=out)
            out *= divisors
        for i, scale in scales.items():
            out[:, i] = scale.inverse(values[:, i])
    return out


def _divisors(cofactor: Cofactor, n_markers: int) -> tuple[np.ndarray, dict[int, Scale]]:
    """Cofactors, ``(M,)`` float32, 1 where the scale is no arcsinh; and the scale of these columns."""
    each = [cofactor] * n_markers if isinstance(cofactor, float | int | str) else list(cofactor)
    scales = {i: scale_of(spec) for i, spec in enumerate(each) if isinstance(spec, str)}
    return np.array([1 if i in scales else spec for i, spec in enumerate(each)], dtype=np.float32), scales
