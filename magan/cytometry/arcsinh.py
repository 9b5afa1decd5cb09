"""Variance-stabilised intensities, ``asinh(x / cofactor)``, and the way back."""

from collections.abc import Mapping, Sequence

import numpy as np
from anndata import AnnData

from magan import keys
from magan.cytometry.check_markers import known_marker, technical
from magan.errors import InputError

RAW_BELOW = 12.0  # arcsinh or log values stay below; asinh(x / 5) = 12 is 400,000 counts
RAW_ABOVE = 100.0  # no arcsinh or log value is so large

Cofactor = float | str | Sequence[float | str]  # for all markers, or for each; "none": transformed already


def arcsinh(adata: AnnData, cofactor: float | Mapping[str, float] | None = 5.0) -> AnnData:
    """Add the variance-stabilised intensities, ``asinh(x / cofactor)``.

    Parameters
    ----------
    adata
        Cells by markers; ``X`` holds intensities as measured.
    cofactor
        Counts at which the transform turns from linear to logarithmic; 5 is customary for
        CyTOF, 150 for fluorescence. A mapping gives every non-technical marker its own
        (technical ones default to 5). None says that the values were transformed already.

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
        though a cofactor is given, or raw (maximum above 100) though it is None.
    """
    if keys.PREPROCESSED in adata.layers:
        raise InputError(f"layers['{keys.PREPROCESSED}'] is already there; transform raw values once")
    biology = adata.X[:, ~technical(adata)]
    if not biology.size:
        raise InputError(
            f"there is nothing to transform in {adata.n_obs} cells by {biology.shape[1]} markers; check it"
        )
    if cofactor is None:
        if (largest := float(np.max(biology))) > RAW_ABOVE:
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
        note = "per marker" if isinstance(cofactor, Mapping) else float(cofactor)
    adata = adata.copy()
    adata.layers[keys.PREPROCESSED] = np.asarray(units, dtype=np.float32)
    adata.uns[keys.CYTOF] = {"cofactor": note}
    if note == "per marker":
        adata.var["cofactor"] = each
    return adata


def _cofactors(adata: AnnData, cofactor: float | Mapping[str, float]) -> np.ndarray:
    """One per marker, ``(M,)``."""
    if isinstance(cofactor, Mapping):
        for marker in cofactor:
            known_marker(adata, marker, "cofactor")
        missing = [m for m in adata.var_names[~technical(adata)] if m not in cofactor]
        if missing:
            raise InputError(f"cofactor: marker {missing[0]!r} has none ({len(missing)} have none); give one to each")
        each = np.array([float(cofactor.get(marker, 5.0)) for marker in adata.var_names])
    else:
        each = np.full(adata.n_vars, float(cofactor))
    if not (each > 0).all():
        raise InputError(f"cofactor must be positive, not {each[~(each > 0)][0]:g}")
    return each


def cofactors(adata: AnnData) -> dict[str, float | str]:
    """Marker -> cofactor, or "none", as `arcsinh` noted it; empty where nothing is noted, or several panels differ."""
    noted = adata.uns.get(keys.CYTOF, {})
    note = noted.get("cofactor")
    if note == "per panel":
        panels = adata.obs[keys.PANEL].unique()
        note = noted["panels"][panels[0]] if len(panels) == 1 else None
    if note is None:
        return {}
    each = adata.var["cofactor"] if note == "per marker" else [note] * adata.n_vars
    return {marker: c if c == "none" else float(c) for marker, c in zip(adata.var_names, each)}


def transformed(values: np.ndarray, cofactor: Cofactor) -> np.ndarray:
    """``asinh(x / cofactor)`` of measured values ``(n, M)``, float32; "none" leaves a marker as it is."""
    out = np.array(values, dtype=np.float32)
    divisors, kept = _divisors(cofactor, values.shape[1])
    if all(kept):
        return out
    measured = out[:, kept]
    out /= divisors
    np.arcsinh(out, out=out)
    out[:, kept] = measured
    return out


def raw(values: np.ndarray, cofactor: Cofactor) -> np.ndarray:
    """The way back from `transformed`: ``cofactor * sinh(y)``, ``(n, M)`` float32.

    Parameters
    ----------
    values
        ``(n, M)`` in arcsinh units.
    cofactor
        One for all markers or one for each; "none" leaves a marker as it is.
    """
    out = np.array(values, dtype=np.float32)
    divisors, kept = _divisors(cofactor, values.shape[1])
    if all(kept):
        return out
    mapped = out[:, kept]
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused where it is written
        np.sinh(out, out=out)
        out *= divisors
    out[:, kept] = mapped
    return out


def _divisors(cofactor: Cofactor, n_markers: int) -> tuple[np.ndarray, list[bool]]:
    """Cofactors, 1 for "none", ``(M,)`` float32; and which are "none"."""
    each = [cofactor] * n_markers if isinstance(cofactor, float | int | str) else list(cofactor)
    return np.array([1 if c == "none" else c for c in each], dtype=np.float32), [c == "none" for c in each]
