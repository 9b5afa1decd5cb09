"""Combine many files of cells into an AnnData: harmonise names, and name the files and markers left out."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import anndata
import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.cytometry.acquisition import acquisition, clock
from magan.cytometry.arcsinh import arcsinh, cofactors
from magan.cytometry.channel_roles import assign, spreads, unusable
from magan.cytometry.channel_table import channel_table
from magan.cytometry.choose_scales import Asked, choose, noted
from magan.cytometry.consistent_markers import Files, Rows, agree, enough, same
from magan.cytometry.draw_cells import draw, table
from magan.cytometry.fcs_read import fcs_options
from magan.cytometry.harmonise_names import PATH, Aliases, harmonise, targets, twins, unused
from magan.cytometry.marker_names import CORRECTED, DOUBTFUL, TECHNICAL, file_names, kind_of
from magan.cytometry.panel import Panel, annotate
from magan.cytometry.read_cells import LABELS, finite_markers, labelled, opened, stem_of
from magan.cytometry.rna_counts import STATED, preprocessed
from magan.cytometry.whole_file import flags
from magan.errors import InputError


def read_many(files: Rows, *, panel: Panel | Mapping[str, Panel] | None = None) -> AnnData:
    """Read files and concatenate their cells; see `gather` and `stack`.

    Raises
    ------
    InputError
        As `gather`; nothing is left out.
    """
    return stack(gather(files, panel=panel))


def gather(
    files: Rows,
    *,
    panel: Panel | Mapping[str, Panel] | None = None,
    aliases: Aliases | None = None,
    counts: Sequence[str] = (),
    populations: Mapping[str, np.ndarray] | None = None,
    leave_out: bool = False,
) -> Files:
    """Read files, harmonise the names of their markers, and find the files and markers that do not fit.

    Parameters
    ----------
    files
        Rows of a sample sheet: ``path``, a value per obs column, ``cell_type`` as in `opened`, and ``cells_per_file``
        where only so many random cells of the file are held, see `magan.cytometry.draw_cells.limited`.
    panel
        Channels to read, and their names, for every file or for each panel.
    aliases
        As in `harmonise`.
    counts
        Panels that are counts of RNA: ``layers["preprocessed"]`` is computed from all genes, before any gene is
        left out, see `magan.cytometry.rna_counts.preprocessed`.
    populations
        Path -> the population of each cell of the file, ``(n,)``, which replaces what the file and the row say.
    leave_out
        Go on without the files that cannot be read or lack markers that most files of their panel have, and without
        the markers that a whole batch lacks. Otherwise any of these is an error.

    Returns
    -------
    Files
        All files of a panel have the same markers, in the order of the panel's first file. Cells are named
        ``<sample>:<row>`` where every file has a different sample, else ``<file's stem>:<row>``.

    Raises
    ------
    InputError
        There is no file; without ``leave_out``, the first file that cannot be read, has two channels for a marker,
        or differs from the first file in markers or columns; or an alias that stands for no name.
    """
    _listed(files)
    found = Files(files)
    tables = (
        panel if isinstance(panel, Mapping) else dict.fromkeys({str(row.get(keys.PANEL, "")) for row in files}, panel)
    )
    for row, prefix in zip(files, _prefixes(files)):
        path, of = str(row["path"]), str(row.get(keys.PANEL, ""))
        try:
            _read(found, row, prefix, tables.get(of), is_counts=of in counts)
            if populations and path in populations:
                rows = found.drawn[path].rows if path in found.drawn else slice(None)
                found.cells[path].obs[keys.CELL_TYPE] = populations[path][rows]
        except InputError as error:
            found.fault(path, error, leave_out)
    found.given = tuple(
        path for path, cells in found.cells.items() if keys.MARKER_TYPE in cells.var or found.panel_of(path) in counts
    )
    panels = {path: found.panel_of(path) for path in found.cells}
    found.names = harmonise({path: cells.var for path, cells in found.cells.items()}, panels, aliases, found.given)
    if not leave_out and (sentences := unused(found.names, aliases)):
        raise InputError(f"{sentences[0]}; correct it")
    for path, sentence in twins(found.names).items():
        found.fault(path, f"{path}: {sentence}", leave_out)
    asked = set(targets(aliases or {}))
    _rename(found, asked)
    for path, cells in list(found.cells.items()):
        try:
            finite_markers(cells, path, found.drawn.get(path))
        except InputError as error:
            found.fault(path, error, leave_out)
    agree(found, leave_out)
    _columns(found, leave_out)
    _set_aside(found, asked)
    return found


def transform(
    files: Files,
    cofactor: Asked,
    counts: Sequence[str] = (),
    leave_out: bool = False,
) -> dict[str, object]:
    """Add ``layers["preprocessed"]`` to every file, and return the value of ``uns["cytof"]``.

    Parameters
    ----------
    files
        Result of `gather`.
    cofactor
        The scale, as in `choose_scales.choose`. None keeps transformed values that h5ad files bring with them.
    counts
        Panels that have been transformed as counts.
    leave_out
        Go on without files that look raw or transformed where they should not.

    Raises
    ------
    InputError
        As `arcsinh`; or no file or marker is left, or a single batch where there were more.
    """
    enough(files)
    for path, scale in choose(files, cofactor, counts).items():
        cells = files.cells[path]
        if scale is None and keys.PREPROCESSED in cells.layers:
            cells.uns[keys.CYTOF] = {"cofactor": "none"}
            continue
        try:
            files.cells[path] = arcsinh(cells, scale)
        except InputError as error:
            files.fault(path, InputError(f"{path}: {error}"), leave_out)
    enough(files)
    return noted(files) | ({"counts": {panel: STATED for panel in counts}} if counts else {})


def stack(files: Files) -> AnnData:
    """Concatenate all cells.

    Returns
    -------
    AnnData
        obs has a panel where files say so; a marker that a panel lacks is nan in its cells. ``obs["acquisition"]``
        flags trouble along time, and ``uns["acquisition"]`` says of which file. ``uns["names"]`` holds the name of
        every channel in its file, ``uns["left_out"]`` the files and markers left out, and ``uns["drawn"]`` the
        number of cells of each file, and of those held, where some files are not held whole.

    Raises
    ------
    InputError
        No file or marker is left, or a single batch where there were more.
    """
    enough(files)
    troubles = _flag_trouble(files)
    parts = list(files.cells.values())
    var = pd.concat([part.var for part in parts])
    var = var[~var.index.duplicated()]
    for part in parts:
        for layer in [layer for layer in part.layers if not all(layer in file.layers for file in parts)]:
            del part.layers[layer]
    whole = anndata.concat(parts, join="outer", fill_value=np.nan)
    whole = whole if whole.var_names.equals(var.index) else whole[:, var.index].copy()
    whole.var = var.copy()
    both = zip(files.names[PATH], files.names[keys.MARKER])
    is_used = [path in files.cells and marker in files.cells[path].var_names for path, marker in both]
    whole.uns[keys.NAMES] = files.names.assign(kept=is_used).reset_index(drop=True)
    whole.uns[keys.CHANNELS] = channel_table(files)
    whole.uns[keys.ACQUISITION] = troubles
    if files.drawn:
        whole.uns[keys.DRAWN] = table([(path, files.sizes[path][0], part.n_obs) for path, part in files.cells.items()])
    whole.uns[keys.LEFT_OUT] = pd.DataFrame(files.left_out, columns=["kind", "name", "reason"], dtype=str)
    return whole


def _flag_trouble(files: Files) -> pd.DataFrame:
    """Write ``obs["acquisition"]`` of every file, and return path, events, flagged events and trouble of each."""
    rows, sheet = [], {str(row["path"]): row for row in files.rows}
    for path, cells in files.cells.items():
        if path in files.drawn:
            found = flags(sheet[path], cells.var, list(cofactors(cells).values()), files.drawn[path].n)
            cells.obs[keys.ACQUISITION] = found.flags[files.drawn[path].rows]
        else:
            layer = cells.layers.get(keys.PREPROCESSED, cells.X)
            used = cells.var[keys.TO_CORRECT].to_numpy(bool)
            found = acquisition(np.asarray(layer)[:, used], list(cells.var_names[used]), files.clocks.get(path))
            cells.obs[keys.ACQUISITION] = found.flags
        rows.append((path, files.sizes[path][0], int((found.flags > 0).sum()), "; ".join(found.sentences)))
    return pd.DataFrame(rows, columns=["path", "events", "flagged", "trouble"])


def _listed(files: Rows) -> None:
    if not files:
        raise InputError("no file is given; list at least one path")
    if any("path" not in row for row in files):
        raise InputError(f"file {['path' in row for row in files].index(False) + 1} of the list has no path; give one")
    for what, names in (("file", [str(row["path"]) for row in files]), ("names", _prefixes(files))):
        name, times = Counter(names).most_common(1)[0]
        if times > 1 and what == "file":
            raise InputError(f"file {name} is listed {times} times; list each file once")
        if times > 1:
            raise InputError(f"{times} files are called {name!r}, which names their cells; rename all but one")


def _prefixes(files: Rows) -> list[str]:
    """The prefix of the cell names of each file."""
    samples = [str(row.get(keys.SAMPLE, "")) for row in files]
    if "" not in samples and len(set(samples)) == len(samples):
        return samples
    return [stem_of(str(row["path"])) for row in files]


def _read(found: Files, row: Mapping[str, object], prefix: str, panel: Panel | None, is_counts: bool) -> None:
    """Read a file with its labels; its channels have the names of the file or the panel table."""
    path, cell_type, options = str(row["path"]), str(row.get(keys.CELL_TYPE) or ""), fcs_options(row)
    most = int(str(row.get(keys.CELLS_PER_FILE, 0)))
    if most:
        cells, found.drawn[path] = draw(path, most, cell_type, options)
    else:
        cells = opened(path, cell_type=cell_type, fcs=options)
    found.channels[path] = cells.var.copy()
    place = clock(list(cells.var[keys.CHANNEL]), list(cells.var[keys.MARKER]))
    if place is not None and not most:
        found.clocks[path] = np.asarray(cells.X[:, place]).ravel()
    if is_counts:
        cells = preprocessed(cells, path)
    if panel is not None:
        cells = annotate(cells, panel, name=path)
    known = ("path", keys.CELL_TYPE, keys.CELLS_PER_FILE, *keys.HOW_TO_READ, *keys.HOW_TO_SCALE)
    obs = {key: value for key, value in row.items() if key not in known and value is not None}
    found.cells[path] = labelled(cells, path, obs, prefix)
    found.sizes[path] = (found.drawn[path].n if most else cells.n_obs, cells.n_vars)


def _rename(found: Files, asked: Collection[str]) -> None:
    """Put the harmonised markers into the var of every file."""
    for name, file_rows in found.names.groupby(PATH, sort=False):
        path = str(name)
        if path not in found.cells:
            continue
        cells = found.cells[path]
        if keys.MARKER_TYPE in cells.var:  # a panel table or the file defines all but the spelling
            cells.var[keys.MARKER] = file_rows[keys.MARKER].to_numpy()
            cells.var_names = cells.var[keys.MARKER].to_numpy()
        else:
            channels = [channel for channel, _ in file_names(file_rows[keys.CHANNEL], file_rows["name"])]
            cells = annotate(cells, name=path, names=list(zip(channels, file_rows[keys.MARKER])))
            for marker in cells.var_names[(cells.var[keys.ROLE] == DOUBTFUL) & cells.var_names.isin(list(asked))]:
                assign(cells, marker, CORRECTED, "", kind_of(marker, CORRECTED))
            found.cells[path] = cells


def _set_aside(found: Files, asked: Collection[str]) -> None:
    """Leave uncorrected, in all files, the markers that no map can be trained on and doubtful markers."""
    members: dict[str, list[AnnData]] = {}
    for path, cells in found.cells.items():
        members.setdefault(found.batch_of(path), []).append(cells[:, cells.var[keys.TO_CORRECT].to_numpy(bool)])
    given_markers = {m for path in found.given if path in found.cells for m in found.cells[path].var_names}
    batches = {batch: spreads(parts) for batch, parts in members.items()}
    for marker, (role, reason) in unusable(batches, given_markers | set(asked)).items():
        for cells in found.cells.values():
            if marker in cells.var_names:
                assign(cells, marker, role, reason, TECHNICAL if role == DOUBTFUL else None)


def _columns(found: Files, leave_out: bool) -> None:
    """Make the obs columns the same in every file, and the names of all cells different."""
    paths, parts = list(found.cells), list(found.cells.values())
    if not leave_out:
        for path, part in zip(paths[1:], parts[1:]):
            same(f"columns of {paths[0]} and {path} differ", parts[0].obs.columns, part.obs.columns)
    everywhere = [c for c in parts[0].obs if all(c in part.obs for part in parts)] if parts else []
    labels = [c for c in LABELS if c not in everywhere and any(c in part.obs for part in parts)]
    shared = len({name for part in parts for name in part.obs_names}) < sum(part.n_obs for part in parts)
    prefix = dict(zip((str(row["path"]) for row in found.rows), _prefixes(found.rows)))
    for path, part in found.cells.items():
        for column in labels:
            if column not in part.obs:
                part.obs[column] = False if column == keys.IS_CONTROL else "unknown"
        part.obs = part.obs[[*everywhere, *labels]].copy()
        if shared:
            part.obs_names = prefix[path] + ":" + part.obs_names
