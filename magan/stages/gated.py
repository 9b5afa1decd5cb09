"""Apply a laboratory's gates to files before and after their correction."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from magan import keys
from magan.cytometry.fcs_header import data_sets
from magan.cytometry.fcs_read import FcsOptions, fcs_options, open_fcs
from magan.cytometry.harmonise_names import PATH
from magan.cytometry.lab_gates import LabGate, lab_gates
from magan.cytometry.panel import columns
from magan.stages.atomic_files import write_table
from magan.tasks.batch_correction.gate_shares import COUNTS, INTENSITIES

GATES, GATE_INTENSITIES = "gates.tsv", "gate_intensities.tsv"


def write_gates(
    gates: Path, rows: Sequence[Mapping[str, object]], written: Mapping[str, Path], var: pd.DataFrame, folder: Path
) -> None:
    """Write the events of every gate of every file, and the median intensities of the markers in it.

    Parameters
    ----------
    gates
        A workspace or Gating-ML file.
    rows
        Of the sample sheet.
    written
        Measured file -> its corrected copy.
    var
        Of the markers that are corrected, with columns channel and marker.
    folder
        Of the two tables.
    """
    counts: list[tuple] = []
    intensities: list[tuple] = []
    marker_of = dict(zip(var[keys.CHANNEL], var[keys.MARKER]))
    for row in rows:
        path = str(row[PATH])
        if path in written:
            measured, corrected = Path(path), written[path]
            options, about = fcs_options(row), (path, str(row[keys.BATCH]))
            before = lab_gates(gates, measured, options)
            of_copy = options if len(data_sets(corrected)) > 1 else replace(options, data_set=None)
            after = lab_gates(gates, corrected, of_copy, known_as=measured)
            x, y = (_values(*pair, var) for pair in ((measured, options), (corrected, of_copy)))
            inside = {gate.path: gate.inside for gate in after}
            for gate in before:
                here, there = gate.inside, inside[gate.path]
                parents = [_parent(gate, found) for found in (before, after)]
                drawn_on = [marker_of.get(channel, channel) for channel in gate.channels]
                known = ("/".join(gate.path), "/".join(gate.path[:-1]), ", ".join(drawn_on))
                counts.append((*about, *known, parents[0], here.sum(), parents[1], there.sum()))
                intensities += [
                    (*about, known[0], marker, _median(x[here, i]), _median(y[there, i]))
                    for i, marker in enumerate(var[keys.MARKER])
                ]
    write_table(pd.DataFrame(counts, columns=list(COUNTS)), folder / GATES)
    write_table(pd.DataFrame(intensities, columns=list(INTENSITIES)), folder / GATE_INTENSITIES)


def _values(file: Path, options: FcsOptions, var: pd.DataFrame) -> np.ndarray:
    events = open_fcs(file, options)
    return events.read(0, events.n)[:, columns(events.var, var)]


def _parent(gate: LabGate, found: Sequence[LabGate]) -> int:
    return next((int(each.inside.sum()) for each in found if each.path == gate.path[:-1]), len(gate.inside))


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else np.nan
