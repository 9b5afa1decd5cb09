"""A laboratory's gates, from a FlowJo workspace (.wsp) or a Gating-ML 2.0 file (.xml), as FlowKit applies them.

Gates are about a file as the instrument wrote it: FlowKit reads it, compensates it and puts it on the scales of the
gates. So a corrected file, which goes back to the state it came in, is gated in the same way.
"""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from magan.cytometry.fcs_header import choose_data_set, is_fcs
from magan.cytometry.fcs_read import OPEN, FcsOptions, open_fcs
from magan.cytometry.gating import OTHER
from magan.errors import InputError, nearest

ROOT = "root"  # FlowKit's name for all events


class LabGate(NamedTuple):
    """A gate and the events in it: ``path`` ends with its name, and ``inside`` is ``(n,)`` booleans.

    ``channels`` are those that it is drawn on, () for a combination of gates.
    """

    path: tuple[str, ...]
    channels: tuple[str, ...]
    inside: np.ndarray


def lab_gates(gates: Path, file: Path, options: FcsOptions = OPEN, *, known_as: Path | None = None) -> list[LabGate]:
    """All gates of a file, from the root outwards.

    Parameters
    ----------
    gates
        A workspace, in which the file is a sample by its name or its keyword ``$FIL``, or a Gating-ML file, which is
        about every file.
    file, options
        An FCS file, and how to read it.
    known_as
        The measured file, where ``file`` is a corrected one.

    Raises
    ------
    InputError
        FlowKit is not installed; the gates or the file cannot be read; the file is no FCS file, is not in the
        workspace, or lacks a channel of a gate.
    """
    if not is_fcs(file):
        raise InputError(f"{file} is no FCS file, and gates of {gates} are about FCS files; leave gates out")
    with warnings.catch_warnings(action="ignore"):
        name, strategy = _strategy(gates, known_as or file)
        try:
            sample = _sample(file, name, options)
            if gates.suffix.lower() != ".wsp":
                _has_channels(gates, strategy, file, sample.pnn_labels)
            return _in_order(strategy, strategy.gate_sample(sample))
        except InputError:
            raise
        except Exception as error:  # FlowKit raises its own, lxml's and KeyErrors
            raise InputError(
                f"gates of {gates} cannot be applied to {file} ({_short(error)}); correct the gates"
            ) from error


def populations(gates: Path, files: Mapping[str, FcsOptions]) -> dict[str, np.ndarray]:
    """File -> the population of each event ``(n,)``, by `population_names`; files that cannot be opened are absent."""
    found = {}
    for file, options in files.items():
        try:
            n = open_fcs(file, options).n
        except InputError:  # which reading the file says
            continue
        found[file] = population_names(lab_gates(gates, Path(file), options), n)
    return found


def population_names(gates: Sequence[LabGate], n: int) -> np.ndarray:
    """The population of each of ``n`` events: the innermost gate that holds it, of equals the first, or "other".

    A gate is called by its name or, where several have this name, by its whole path.
    """
    times = Counter(gate.path[-1] for gate in gates)
    names = [gate.path[-1] if times[gate.path[-1]] == 1 else "/".join(gate.path) for gate in gates]
    found, depth = np.full(n, OTHER, dtype=object), np.zeros(n, int)
    for gate, name in zip(gates, names):
        deeper = gate.inside & (len(gate.path) > depth)
        found[deeper], depth[deeper] = name, len(gate.path)
    return found


def _strategy(gates: Path, file: Path) -> tuple[str, Any]:
    """FlowKit's strategy for a file, and the name of the file in it."""
    flowkit = _flowkit()
    if not gates.is_file():
        raise InputError(f"gates {gates} does not exist; check the path")
    try:
        if gates.suffix.lower() != ".wsp":
            return file.name, flowkit.parse_gating_xml(str(gates))
        samples = _samples(gates, gates.stat().st_mtime_ns)
    except Exception as error:  # FlowKit raises its own, lxml's and KeyErrors
        raise InputError(f"gates {gates} cannot be read ({_short(error)}); export them again") from error
    names = (file.name, open_fcs(file).keywords.get("fil", "").strip() if file.is_file() else "")
    name = next((name for name in names if name in samples), None)
    if name is None:
        raise InputError(f"{file} is no sample of {gates}{nearest(file.name, samples)}; add it to the workspace")
    return name, samples[name]["gating_strategy"]


@lru_cache(maxsize=1)
def _samples(workspace: Path, changed: int) -> dict[str, Any]:
    """The samples of a workspace, which is read once for all files while it does not change."""
    return _flowkit().parse_wsp(str(workspace))["samples"]


def _flowkit() -> Any:
    try:
        import flowkit  # an extra, and slow to import
    except ImportError:
        raise InputError(
            "gates from a file need FlowKit, which is not installed; run pip install magan[gates]"
        ) from None
    return flowkit


def _sample(file: Path, name: str, options: FcsOptions) -> Any:
    import flowio  # as FlowKit does

    header, _ = choose_data_set(file, options.data_set)
    flow = flowio.FlowData(str(file), use_header_offsets=options.trust == "header", nextdata_offset=header.base or None)
    return _flowkit().Sample(flow, sample_id=name)


def _has_channels(gates: Path, strategy: Any, file: Path, channels: Sequence[str]) -> None:
    """Refuse a Gating-ML gate on a channel that the file lacks, of which FlowKit says a KeyError of the matrix."""
    for name, path in strategy.get_gate_ids():
        for dimension in strategy.get_gate(name, path).dimensions or ():
            wanted = str(getattr(dimension, "id", None) or "")
            bare = wanted.removeprefix("Comp-")
            if wanted not in channels and bare in channels:
                raise InputError(
                    f"gate {name} of {gates} has the channel {wanted!r}, and {file} calls it {bare!r}; write {bare!r} "
                    "in the gate, with the compensation-ref FCS"
                )


def _in_order(strategy: Any, found: Any) -> list[LabGate]:
    rows = found.report.sort_values("level", kind="stable")
    gates = []
    for path, name, quadrants in zip(rows["gate_path"], rows["gate_name"], rows["quadrant_parent"]):
        inside = np.asarray(found.get_gate_membership(name, path), dtype=bool)
        above = tuple(part for part in path if part != ROOT)
        dimensions = strategy.get_gate(quadrants or name, path).dimensions
        channels = tuple(str(dimension.id) for dimension in dimensions) if dimensions else ()
        gates.append(LabGate((*above, name), channels, inside))
    return gates


def _short(error: Exception) -> str:
    return f"{type(error).__name__} {' '.join(str(error).split())}".strip()
