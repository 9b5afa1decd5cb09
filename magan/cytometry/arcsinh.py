"""What the channels of a cytometry table are: panels, marker names, transforms and checks.

What changes cells by markers returns a new AnnData. "Technical" channels are
those no biology is read from; they are kept in the table and left out of every comparison.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.cytometry.marker_names import KINDS, TECHNICAL, marker_kind, metal, plain, split_name
from magan.errors import InputError, nearest

RAW_BELOW = 12.0  # arcsinh or log values stay below; asinh(x / 5) = 12 is 400,000 counts
RAW_ABOVE = 100.0  # no arcsinh or log value is so large

Cofactor = float | str | Sequence[float | str]  # one for all markers or one for each; "none": transformed already


@dataclass(frozen=True)
class Panel:
    """What a staining measured: aligned tuples of channel (``$PnN``), marker and kind."""

    channels: tuple[str, ...]
    markers: tuple[str, ...]
    kinds: tuple[str, ...]

    def __post_init__(self):
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown:
            raise InputError(
                f"panel: unknown kind {unknown[0]!r}{nearest(unknown[0], KINDS)}; use one of {list(KINDS)}"
            )
        for what, names in (("channel", self.channels), ("marker", self.markers)):
            name, times = Counter(names).most_common(1)[0] if names else ("", 0)
            if times > 1:
                raise InputError(f"panel: {what} {name!r} is listed {times} times; list each {what} once")


def read_panel(path: Path | str) -> Panel:
    """Read a panel table (CSV, or TSV by suffix) with the columns channel, marker and kind.

    Raises
    ------
    InputError
        The file or a column is missing, a field is empty, a kind is none of lineage,
        functional and technical, or a channel or marker is listed twice.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"panel {path} does not exist; check the path")
    try:
        table = pd.read_csv(path, sep="\t" if path.suffix == ".tsv" else ",", dtype=str, keep_default_na=False)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise InputError(f"panel {path} is no table ({error}); write columns channel, marker, kind") from error
    table.columns = [str(column).strip().lower() for column in table.columns]
    table = table.apply(lambda column: column.str.strip())
    for column in ("channel", "marker", "kind"):
        if column not in table:
            raise InputError(
                f"panel {path} has no column {column!r}{nearest(column, table.columns)}; "
                f"its columns are {list(table.columns)}"
            )
        if (table[column] == "").any():
            raise InputError(f"panel {path}: row {int((table[column] == '').argmax()) + 1} has no {column}; fill it in")
    if table.empty:
        raise InputError(f"panel {path} lists no channel; add one row per channel")
    try:
        return Panel(tuple(table["channel"]), tuple(table["marker"]), tuple(table["kind"].str.lower()))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def annotate(
    adata: AnnData, panel: Panel | None = None, *, name: str = "data", names: Sequence[tuple[str, str]] | None = None
) -> AnnData:
    """Name the markers of a freshly read table and say what kind each is.

    With a panel, its channels are selected, in its order, and renamed; a channel is found
    by its ``$PnN``, in any case and spelling, or else by its ``$PnS``. Without one, the names are those
    of the file less an isotope (``150Nd_CD45RA`` is CD45RA) and an alias after a CD name
    (``CD123_IL-3R`` is CD123), and the kinds follow `marker_kind`.

    Parameters
    ----------
    adata
        Cells by channels, var with columns channel and marker.
    panel
        What to select.
    name
        Of the file, for messages.
    names
        Channel and marker of every column, where comparing files has told them; no panel is asked then.

    Returns
    -------
    AnnData
        var is indexed by marker, with columns channel, marker, marker_type, to_correct.

    Raises
    ------
    InputError
        The panel names a channel that the file has not, or two channels have one marker.
    """
    if panel is None:
        own = zip(adata.var[keys.CHANNEL], adata.var[keys.MARKER])
        split = [split_name(c, m) for c, m in own] if names is None else list(names)
        channels, markers = zip(*split)
        named = any(channel != marker for channel, marker in split)
        kinds = [marker_kind(c, m, unnamed=named and c == m) for c, m in split]
    else:
        adata = adata[:, [_column(adata, channel, name) for channel in panel.channels]]
        channels, markers, kinds = adata.var[keys.CHANNEL], panel.markers, panel.kinds
    marker, times = Counter(markers).most_common(1)[0]
    if times > 1:
        twins = [c for c, m in zip(channels, markers) if m == marker]
        raise InputError(
            f"{name}: marker {marker!r} is measured by {times} channels, {twins}; give a panel that keeps one of them"
        )
    adata = adata.copy()
    adata.var = pd.DataFrame(
        {
            keys.CHANNEL: list(channels),
            keys.MARKER: list(markers),
            keys.MARKER_TYPE: list(kinds),
            keys.TO_CORRECT: [kind != TECHNICAL for kind in kinds],
        },
        index=list(markers),
    )
    return adata


def _column(adata: AnnData, channel: str, name: str) -> int:
    """The column whose channel, or else whose marker, is called so."""
    for same in (str, str.casefold, plain, metal):
        for key in (keys.CHANNEL, keys.MARKER):
            found = [i for i, x in enumerate(adata.var[key]) if same(x) == same(channel)]
            if len(found) == 1:
                return found[0]
    known = [*adata.var[keys.CHANNEL], *adata.var[keys.MARKER]]
    raise InputError(
        f"{name} has no channel {channel!r}{nearest(channel, known)}; "
        f"correct the panel, the file has {list(adata.var[keys.CHANNEL])}"
    )


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


def columns(file: pd.DataFrame, annotated: pd.DataFrame) -> list[int]:
    """Where in a file the markers stand that `annotate` made of it.

    Parameters
    ----------
    file, annotated
        var with columns channel and marker, before and after.

    Raises
    ------
    InputError
        The file has no such channel.
    """
    own = list(zip(file[keys.CHANNEL], file[keys.MARKER]))
    split = [split_name(*pair) for pair in own]
    places = []
    for channel, marker in zip(annotated[keys.CHANNEL], annotated[keys.MARKER]):
        found = [i for i, names in enumerate(split) if names == (channel, marker)]
        found += [i for i, (name, _) in enumerate(own) if name == channel]
        if not found:
            raise InputError(f"there is no channel {channel!r}{nearest(channel, file[keys.CHANNEL])}; check the panel")
        places.append(found[0])
    return places


def technical(adata: AnnData) -> np.ndarray:
    """Which columns are technical, ``(M,)`` booleans."""
    return (adata.var[keys.MARKER_TYPE] == TECHNICAL).to_numpy()


def markers(adata: AnnData) -> AnnData:
    """The non-technical markers."""
    return adata[:, ~technical(adata)].copy()


def known_marker(adata: AnnData, marker: str, where: str) -> str:
    """The marker, if it is one of the table's.

    Raises
    ------
    InputError
        It is not; the message names the nearest.
    """
    if marker not in adata.var_names:
        hint = nearest(marker, adata.var_names)
        raise InputError(f"{where}: unknown marker {marker!r}{hint}; the markers are {list(adata.var_names)}")
    return marker


def check(adata: AnnData, name: str) -> None:
    """What training cannot survive, said before it starts.

    Raises
    ------
    InputError
        There is no cell or no marker; a marker is listed twice, is not finite somewhere
        (nan is right in a whole ``obs["panel"]`` that lacks the marker, if another has it),
        or never varies (technical ones may); or a batch has a single cell. Looks at
        ``layers["preprocessed"]`` where there is one, else at ``X``.
    """
    if not adata.n_obs or not adata.n_vars:
        raise InputError(f"{name} has {adata.n_obs} cells by {adata.n_vars} markers; give at least one of each")
    marker, times = Counter(adata.var_names).most_common(1)[0]
    if times > 1:
        raise InputError(f"{name}: marker {marker!r} is listed {times} times; keep one of them")
    x = np.asarray(adata.layers.get(keys.PREPROCESSED, adata.X))
    bad = ~np.isfinite(x) & ~unmeasured(adata, x)
    _each(name, adata, bad.sum(axis=0), "is not finite in {} of {} cells; remove these cells")
    biology = np.ones(adata.n_vars, dtype=bool)
    if keys.MARKER_TYPE in adata.var:
        biology = ~technical(adata)
    constant = (np.nanmin(x, axis=0) == np.nanmax(x, axis=0)) & biology & (adata.n_obs > 1)
    _each(name, adata, constant * adata.n_obs, "has the same value in {} of {} cells; leave it out of the panel")
    if keys.BATCH in adata.obs:
        sizes = adata.obs[keys.BATCH].astype(str).value_counts()
        if sizes.min() < 2:
            raise InputError(f"{name}: batch {sizes.idxmin()!r} has 1 cell; leave it out or give its other cells")


def unmeasured(adata: AnnData, x: np.ndarray) -> np.ndarray:
    """Where ``x`` is nan because the cell's whole panel lacks the marker and another has it, ``(n, M)`` booleans."""
    lacks = np.zeros(x.shape, dtype=bool)
    if keys.PANEL in adata.obs:
        panels = adata.obs[keys.PANEL].astype(str).to_numpy()
        for panel in np.unique(panels):
            rows = np.flatnonzero(panels == panel)
            lacks[np.ix_(rows, np.isnan(x[rows]).all(axis=0))] = True
        lacks[:, lacks.all(axis=0)] = False
    return lacks


def _each(name: str, adata: AnnData, n_bad: np.ndarray, says: str) -> None:
    """One sentence about the markers with a bad cell, worst first."""
    bad = np.argsort(-n_bad, kind="stable")[: np.count_nonzero(n_bad)]
    if len(bad):
        others = f" ({len(bad)} such markers: {', '.join(adata.var_names[bad])})" if len(bad) > 1 else ""
        raise InputError(
            f"{name}: marker {adata.var_names[bad[0]]!r} {says.format(n_bad[bad[0]], adata.n_obs)}{others}"
        )
