"""Which scale each file and marker is put on, and how a data set remembers it."""

import contextlib
import json
from collections.abc import Mapping, Sequence

import anndata
import numpy as np
from anndata import AnnData

from magan import keys
from magan.cytometry.arcsinh import RAW_BELOW, channel_values, cofactors
from magan.cytometry.check_markers import known_marker, technical
from magan.cytometry.consistent_markers import Files
from magan.cytometry.fcs_header import is_fcs
from magan.cytometry.fcs_read import fcs_options, open_fcs
from magan.cytometry.marker_names import METAL
from magan.cytometry.transforms import complete, scale_of
from magan.errors import InputError

SOME = 20_000  # values of a marker in a file, from which a scale is estimated
LOW, HIGH = 20.0, 50.0  # cofactors up to and from which a scale is one of mass cytometry, or of fluorescence
BRIGHT = 20_000.0  # no mass cytometer counts so many ions of a marker in one cell in a thousand

Spec = float | str | None  # as `transforms.scale_of` reads it
Asked = Spec | Mapping[str, Spec]


def choose(files: Files, asked: Asked, counts: Sequence[str] = ()) -> dict[str, Spec | dict[str, Spec]]:
    """The scale of each file: for all of its markers, or marker -> scale.

    Parameters
    ----------
    files
        With their cells.
    asked
        A scale for all; or one for each panel, or for each marker (``keys.ALL`` for markers that are not listed). Rows
        of the sample sheet come first, by their ``transform`` and ``cofactor``. A scale whose parameters are not all
        given is estimated for each marker, from all files that ask for it.
    counts
        Panels that are transformed already.

    Raises
    ------
    InputError
        A scale is unknown, or a panel or marker has none, or there is no such marker.
    """
    panels = {path: files.panel_of(path) for path in files.cells}
    by_panel = asked if isinstance(asked, Mapping) and set(asked) <= set(panels.values()) else None
    if by_panel is not None:
        if missing := set(panels.values()) - {*by_panel, *counts}:
            raise InputError(f"cofactor: panel {min(missing)!r} has none; give one to each panel, or null")
    elif isinstance(asked, Mapping):
        everything = anndata.concat([cells[:0] for cells in files.cells.values()], join="outer")
        for marker in set(asked) - {keys.ALL}:
            known_marker(everything, marker, "cofactor")
    rows = {str(row["path"]): row for row in files.rows}
    wanted: dict[str, Spec | dict[str, Spec]] = {}
    for path, cells in files.cells.items():
        spec = _of_row(rows[path], asked if by_panel is None else by_panel.get(panels[path]))
        wanted[path] = None if panels[path] in counts else _of_markers(spec, cells)
    return _estimated(files, wanted)


def noted(files: Files) -> dict[str, object]:
    """What a data set remembers in ``uns["cytof"]`` of the scales that `arcsinh` noted in its files.

    One note where all files have the same, one for each panel or, as JSON of batch -> marker -> scale, for each batch.
    Where files of a batch differ, the batch has the scale of its first file that is not transformed already, and
    "files" is JSON of path -> marker -> scale for the files that are on another.
    """
    notes = {path: cells.uns.get(keys.CYTOF, {}).get("cofactor", "none") for path, cells in files.cells.items()}
    each = {path: cofactors(cells) for path, cells in files.cells.items()}
    panels: dict[str, str] = {}
    for path in files.cells:
        panels.setdefault(files.panel_of(path), path)
    if all(each[path] == each[panels[files.panel_of(path)]] for path in files.cells):
        of_panel = {panel: notes[path] for panel, path in panels.items()}
        if len(set(of_panel.values())) == 1:
            return {"cofactor": next(iter(of_panel.values()))}
        return {"cofactor": "per panel", "panels": of_panel}
    batches: dict[str, dict[str, float | str]] = {}
    for path, scales in each.items():
        batch = batches.setdefault(files.batch_of(path), {})
        batch |= {marker: scale for marker, scale in scales.items() if batch.get(marker, "none") == "none"}
    unlike = {path: scales for path, scales in each.items() if scales.items() - batches[files.batch_of(path)].items()}
    return {"cofactor": "per batch", "batches": json.dumps(batches), "files": json.dumps(unlike)}


def scales_of_file(cytof: Mapping[str, object], path: str) -> dict[str, float | str] | None:
    """Marker -> scale of a file that is on another scale than its batch, from what `noted` gave; None for others."""
    return json.loads(str(cytof.get("files", "{}"))).get(path)


def scale_hint(cells: AnnData) -> str:
    """What cannot be right about the scale that `arcsinh` noted of a file, "" where it may be right.

    Channels named by metals are of a mass cytometer, for which the customary cofactor is 5; others that are brighter
    than ions can be counted are of fluorescence, for which it is 150, or a logicle.
    """
    biology, noted = np.asarray(cells.X)[:, ~technical(cells)], cofactors(cells)
    if not biology.size:
        return ""
    scales = [noted.get(marker, "none") for marker in cells.var_names[~technical(cells)]]
    if channel_values(biology):
        if set(scales) <= {"none"}:
            return ""
        return "looks like FlowJo's channel values (0 to 1023), which are transformed already; say transform: none"
    high = float(np.percentile(biology, 99.9))
    numbers = [scale for scale in scales if isinstance(scale, float)]
    if not numbers or high < RAW_BELOW:
        return ""
    channels = cells.var[keys.CHANNEL][~technical(cells)]
    is_mass = np.mean([METAL.fullmatch(str(channel)) is not None for channel in channels]) > 0.5
    if is_mass and min(numbers) >= HIGH:
        return f"has channels of metals, but the cofactor {min(numbers):g} is one of fluorescence; 5 is customary"
    if not is_mass and high > BRIGHT and max(numbers) <= LOW:
        return (
            f"reaches {high:,.0f}, as fluorescence does, but the cofactor {max(numbers):g} is one of mass cytometry; "
            "150 is customary, or transform logicle"
        )
    return ""


def _of_row(row: Mapping[str, object], otherwise: Asked) -> Asked:
    """What the row of a file asks for, or else the data set."""
    name, number = (str(row.get(key) or "").strip() for key in (keys.TRANSFORM, keys.COFACTOR))
    if name and number and scale_of(name).name == "arcsinh":
        return scale_of(number, keys.COFACTOR).spec
    if name or number:
        return scale_of(name or number, keys.TRANSFORM if name else keys.COFACTOR).spec
    return otherwise


def _of_markers(spec: Asked, cells: AnnData) -> Spec | dict[str, Spec]:
    """A scale for each marker of a file where they differ, or are to be estimated one by one."""
    biology = list(cells.var_names[~technical(cells)])
    if isinstance(spec, Mapping):
        rest = dict.fromkeys(biology, spec[keys.ALL]) if keys.ALL in spec else {}
        return rest | {marker: s for marker, s in spec.items() if marker in cells.var_names}
    if spec is None or scale_of(spec).name == "none":
        return None
    return scale_of(spec).spec if scale_of(spec).is_complete else dict.fromkeys(biology, spec)


def _estimated(files: Files, wanted: dict[str, Spec | dict[str, Spec]]) -> dict[str, Spec | dict[str, Spec]]:
    """All scales with all of their parameters."""
    values: dict[tuple[str, str], list[np.ndarray]] = {}
    tops: dict[tuple[str, str], float] = {}
    for path, scales in wanted.items():
        given = scales if isinstance(scales, dict) else {}
        unfinished = {marker: spec for marker, spec in given.items() if not scale_of(spec).is_complete}
        ranges = _ranges(files, path) if unfinished else {}
        for marker, spec in unfinished.items():
            cells = files.cells[path]
            x = np.asarray(cells.X[:: max(cells.n_obs // SOME, 1), cells.var_names.get_loc(marker)]).ravel()
            values.setdefault((marker, str(spec)), []).append(x)
            tops[marker, str(spec)] = max(tops.get((marker, str(spec)), 0), ranges.get(marker, 0))
    found = {key: complete(key[1], np.concatenate(parts), tops[key]) for key, parts in values.items()}
    return {
        path: {marker: found.get((marker, str(spec)), spec) for marker, spec in scales.items()}
        if isinstance(scales, dict)
        else scales
        for path, scales in wanted.items()
    }


def _ranges(files: Files, path: str) -> dict[str, float]:
    """Marker -> the largest linear value that its channel may have, of an FCS file."""
    if not is_fcs(path):
        return {}
    row = next(row for row in files.rows if str(row["path"]) == path)
    events = open_fcs(path, fcs_options(row))
    found = {}
    for n, channel in enumerate(events.channels, start=1):
        with contextlib.suppress(ValueError):
            largest = float(events.keywords.get(f"p{n}r", ""))
            found[channel.name] = channel.offset * 10**channel.decades if channel.decades else largest / channel.gain
    cells = files.cells[path]
    return {marker: found.get(name, 0.0) for marker, name in zip(cells.var_names, cells.var[keys.CHANNEL])}
