"""How controls link batches: which controls map each batch to the reference, over which batches, for which markers.

Two batches are linked by a control that both measured. A batch without a link to the reference is mapped in steps, over
batches that are linked in turn.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.cytometry.gating import otsu
from magan.errors import InputError

UNNAMED = "control"  # the name of controls whose donor is not known: they are taken for the same sample
DISTINCT = 10  # fewest distinct values that a stained marker has among the cells of a control
POSITIVE = 0.005  # least share of a control's cells that are positive for a marker that it stains
COMPARED = 5000  # cells of a batch, controls and samples alike, that the limit of positive cells is found on
THEN = " > "  # between the batches, and the controls, of several steps
COLUMNS = (keys.BATCH, "route", "controls", "not_stained")

Controls = Mapping[str, frozenset[str]]  # batch -> the controls that were measured in it


class Step(NamedTuple):
    """A map of a batch to a linked batch, and the controls that it is learned from."""

    source: str
    target: str
    controls: tuple[str, ...]


def learns_from_controls(training: AnnData) -> bool:
    """Return whether every training cell is of a control."""
    return keys.IS_CONTROL in training.obs and bool(training.obs[keys.IS_CONTROL].to_numpy(bool).all())


def named_by_control(cells: AnnData) -> AnnData:
    """Return controls with their donor as sample: a control has a file of its own in every batch, but one donor."""
    cells = cells.copy()
    donor = cells.obs[keys.DONOR].astype(str).to_numpy() if keys.DONOR in cells.obs else np.full(cells.n_obs, "")
    unknown = np.isin(np.char.lower(donor.astype(str)), keys.UNLABELLED)
    cells.obs[keys.SAMPLE] = np.where(unknown, UNNAMED, donor)
    return cells


def measured_controls(cells: AnnData, batches: Sequence[str]) -> Controls:
    """Return the controls of each batch, an empty set for a batch without any, from `named_by_control` cells."""
    table = pd.DataFrame({"batch": cells.obs[keys.BATCH].astype(str), "control": cells.obs[keys.SAMPLE].astype(str)})
    return {name: frozenset(table.loc[table["batch"] == name, "control"]) for name in batches}


def linked(controls: Controls) -> None:
    """Refuse a design whose batches with controls fall apart into sets that no control joins."""
    left = {name for name, found in controls.items() if found}
    parts = []
    while left:
        reached = set(_steps(controls, min(left))) | {min(left)}
        parts.append((sorted(reached), sorted(frozenset().union(*(controls[name] for name in reached)))))
        left -= reached
    if len(parts) > 1:
        told = ", ".join(f"{_noun('control', found)} only in {_noun('batch', names)}" for names, found in parts)
        raise InputError(
            f"controls do not link all batches ({told}): measure a control of either set in a batch of the other, give "
            "the files of the same control the same donor, or learn from all samples (leave train out)"
        )


def central(controls: Controls) -> list[str]:
    """Return the batches from which all linked batches are reached in the fewest steps."""
    total = {
        name: sum(len(steps) for steps in _steps(controls, name).values()) for name, found in controls.items() if found
    }
    return [name for name, n in total.items() if n == min(total.values())]


def routes(controls: Controls, reference: str) -> dict[str, tuple[Step, ...]]:
    """Return the steps from each batch with a control to the reference: the fewest, by as many controls as there are.

    Raises
    ------
    InputError
        The reference has no control.
    """
    if not controls[reference]:
        having = ", ".join(name for name, found in controls.items() if found)
        raise InputError(f"reference batch '{reference}' has no control; name one of {having}, or give median")
    return _steps(controls, reference)


def _steps(controls: Controls, reference: str) -> dict[str, tuple[Step, ...]]:
    """Breadth first: of batches as near to the reference, those that share more controls come first."""
    found: dict[str, tuple[Step, ...]] = {reference: ()}
    waiting = deque([reference])
    while waiting:
        target = waiting.popleft()
        near = [name for name in controls if name not in found and controls[name] & controls[target]]
        for name in sorted(near, key=lambda name: (-len(controls[name] & controls[target]), name)):
            step = Step(name, target, tuple(sorted(controls[name] & controls[target])))
            found[name] = (step, *found[target])
            waiting.append(name)
    return {name: steps for name, steps in found.items() if name != reference}


def alike(first: AnnData, second: AnnData, seed: int) -> tuple[AnnData, AnnData]:
    """Draw as many cells of each control on either side: controls in unlike shares would look like a batch effect."""
    samples = [x.obs[keys.SAMPLE].astype(str).to_numpy() for x in (first, second)]
    names = np.unique(samples[0])
    if len(names) == 1:
        return first, second
    random = np.random.default_rng([seed, 3])
    rows: list[list[np.ndarray]] = [[], []]
    for name in names:
        inside = [np.flatnonzero(sample == name) for sample in samples]
        n = min(map(len, inside))
        for chosen, of_side in zip(rows, inside):
            chosen.append(random.permutation(of_side)[:n])
    return tuple(x[np.sort(np.concatenate(chosen))] for x, chosen in zip((first, second), rows))  # type: ignore


def stained(control: AnnData, samples: AnnData, seed: int) -> np.ndarray:
    """Return which markers a control stains in a batch, ``(M,)`` booleans.

    It does where its cells have at least 10 distinct values, and at least one in 200 of them is positive: above the
    limit (Otsu's) that divides the batch's cells, as many of samples as of controls. Without samples of the batch the
    distinct values alone decide.
    """
    random = np.random.default_rng([seed, 4])
    x, y = (np.asarray(part.layers[keys.PREPROCESSED]) for part in (control, samples))
    found = np.array([len(np.unique(column)) >= DISTINCT for column in x.T])
    if len(y):
        n = min(len(x), len(y), COMPARED)
        some = [part[random.permutation(len(part))[:n]] for part in (x, y)]
        limits = np.array([otsu(column) for column in np.concatenate(some).T])
        found &= (x > limits).mean(axis=0) >= POSITIVE
    return found


def row(batch: str, steps: Sequence[Step], unstained: Sequence[str]) -> dict[str, str]:
    """Return what is done with a batch, by `COLUMNS`; ``steps`` is empty for a batch that is mapped by its samples."""
    route = [batch, *(step.target for step in steps)] if steps else []
    controls = [" and ".join(step.controls) for step in steps]
    return dict(zip(COLUMNS, (batch, THEN.join(route), THEN.join(controls), ", ".join(unstained))))


def sentences(table: pd.DataFrame) -> list[str]:
    """Say which batches are mapped in steps or without a control, and which markers are left as measured.

    ``table`` has the rows of `row`. Nothing is said of a batch that a control maps straight to the reference.
    """
    told = []
    for batch, route, controls in table[list(COLUMNS[:3])].itertuples(index=False):
        steps = [f"to batch {to} by control {by}" for to, by in zip(route.split(THEN)[1:], controls.split(THEN))]
        if not route:
            told.append(f"Batch {batch} has no control: it is mapped by the cells of its samples.")
        elif len(steps) > 1:
            told.append(f"Batch {batch} is mapped in {len(steps)} steps: {', then '.join(steps)}.")
    unstained = table[table["not_stained"] != ""]
    ways: Any  # pandas has no types for the keys of groups
    for ways, rows in unstained.groupby(["controls", "not_stained"], sort=False):
        controls, markers = ways
        stay, them = ("stay", "them") if ", " in markers else ("stays", "it")
        by, where = " or ".join(dict.fromkeys(controls.split(THEN))), _noun("batch", list(rows[keys.BATCH]))
        told.append(f"{markers} {stay} as measured in {where}: control {by} does not stain {them}.")
    return told


def _noun(noun: str, names: Sequence[Any]) -> str:
    plural = {"control": "controls", "batch": "batches"}[noun]
    return f"{noun if len(names) == 1 else plural} {', '.join(names)}"
