"""What the panels of a sheet measure, what they share, and what stands in the way of merging them."""

from itertools import combinations

import anndata

from magan import keys
from magan.cytometry.consistent_markers import Files
from magan.cytometry.harmonise_names import alike
from magan.tasks.folds import unrelated
from magan.uncertainty.conformal import LEAST

FEWEST = 3 * LEAST  # cells from which a panel can be merged: a third of them calibrate intervals


def panels(files: Files) -> tuple[list[str], list[str]]:
    """Lines about the markers of each panel and of each pair of panels, and cautions; empty for a single panel."""
    markers: dict[str, list[str]] = {}
    cells: dict[str, int] = {}
    for path, part in files.cells.items():
        panel = files.panel_of(path)
        markers[panel] = list(part.var_names[part.var[keys.TO_CORRECT].to_numpy(bool)])
        cells[panel] = cells.get(panel, 0) + part.n_obs
    if len(markers) < 2:
        return [], []
    lines, cautions = [], []
    for panel, measured in markers.items():
        rest = {marker for other, of_other in markers.items() if other != panel for marker in of_other}
        alone = [marker for marker in measured if marker not in rest]
        lines.append(f"{panel}: {cells[panel]:,} cells, {len(measured)} markers; in no other panel: {_listed(alone)}")
        if cells[panel] < FEWEST:
            cautions.append(f"Panel {panel} has {cells[panel]} cells; to impute its markers takes at least {FEWEST}.")
    for first, second in combinations(markers, 2):
        shared = [marker for marker in markers[first] if marker in markers[second]]
        lines.append(f"{first} and {second} share {_listed(shared)}")
        cautions += _unrelated(files, (first, second), shared)
        if len(shared) < 2:
            cautions.append(
                f"Panels {first} and {second} share {len(shared)} marker{'s' * (len(shared) != 1)}; to merge them "
                "takes two, of which each is hidden in turn."
            )
        cautions += [
            f"Panel {first} measures {one} and panel {second} {two}: if they are one marker, say so with "
            f"aliases: {{{two}: {one}}}."
            for one, two in alike(markers[first], markers[second])
        ]
    return lines, cautions


def _unrelated(files: Files, names: tuple[str, str], shared: list[str]) -> list[str]:
    """A sentence for each shared marker whose staining seems to have failed in one of two panels."""
    cells = []
    for name in names:
        parts = [part for path, part in files.cells.items() if files.panel_of(path) == name]
        if not all(keys.PREPROCESSED in part.layers and set(shared) <= set(part.var_names) for part in parts):
            return []
        cells.append(anndata.concat([part[:, shared] for part in parts], index_unique="-"))
    return [f"{sentence}. The marker would not be used." for sentence in unrelated(cells[0], cells[1], names).values()]


def _listed(markers: list[str]) -> str:
    return f"{len(markers)}, {', '.join(markers)}" if markers else "none"
