"""Small files of fluorescence as a cytometer writes them, not compensated, and gates on them as FlowJo saves them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from fcs_bytes import write

CHANNELS, MARKERS = ("FSC-A", "BV421-A", "PE-A", "APC-A", "Time"), ("", "CD3", "CD4", "CD8", "")
DYES = CHANNELS[1:4]
SPILL = np.array([[1, 0.3, 0.02], [0.1, 1, 0.05], [0, 0.08, 1]])
TOP = 262_144


def flow_cells(n: int, seed: int, brightness: float = 1.0) -> np.ndarray:
    """Compensated values ``(n, 5)``: a third each of CD4 T cells, CD8 T cells and cells without CD3."""
    random = np.random.default_rng(seed)
    kinds = np.array([[9000, 7000, 50], [9000, 50, 7000], [100, 50, 50]])[np.arange(n) % 3]
    dyes = brightness * kinds * random.lognormal(0, 0.4, (n, 3)) + random.normal(0, 60, (n, 3))
    return np.column_stack([random.normal(90_000, 9_000, n), dyes, np.sort(random.uniform(0, 6000, n))])


def flow_file(path: Path, n: int = 300, seed: int = 0, brightness: float = 1.0) -> np.ndarray:
    """Write an FCS file of values that are spilled over, and return the values of before."""
    cells = flow_cells(n, seed, brightness)
    spilled = cells.copy()
    spilled[:, 1:4] = cells[:, 1:4] @ SPILL
    words = {"$FIL": path.name, "$SPILLOVER": ",".join(map(str, [3, *DYES, *SPILL.ravel()])), "$TIMESTEP": "0.01"}
    for i, (channel, marker) in enumerate(zip(CHANNELS, MARKERS), start=1):
        words |= {f"$P{i}N": channel, f"$P{i}S": marker or None, f"$P{i}R": str(TOP)}
    write(path, spilled.astype(np.float32).tolist(), bits=(32,) * 5, keywords=words)
    return cells


Boxes = Mapping[str, object]  # gate -> (channel -> (low, high), gates inside)
GATES: Boxes = {
    "T cells": (
        {"BV421-A": (2000, TOP)},
        {"CD4+": ({"PE-A": (1500, TOP)}, {}), "CD8+": ({"APC-A": (1500, TOP)}, {})},
    )
}


def workspace(path: Path, names: Sequence[str], gates: Boxes = GATES) -> Path:
    """Write a FlowJo 10 workspace with the same gates, on compensated channels, for each sample."""
    spaces = {
        "gating": "http://www.isac-net.org/std/Gating-ML/v2.0/gating",
        "data-type": "http://www.isac-net.org/std/Gating-ML/v2.0/datatypes",
        "transforms": "http://www.isac-net.org/std/Gating-ML/v2.0/transformations",
    }
    samples = "".join(_sample(number, name, gates) for number, name in enumerate(names, start=1))
    declared = " ".join(f'xmlns:{key}="{url}"' for key, url in spaces.items())
    path.write_text(
        f'<Workspace version="20.0" flowJoVersion="10.8.1" {declared}>'
        f"<Groups/><SampleList>{samples}</SampleList></Workspace>"
    )
    return path


def _sample(number: int, name: str, gates: Boxes) -> str:
    parameters = "".join(f'<data-type:parameter data-type:name="{dye}"/>' for dye in DYES)
    rows = "".join(
        f'<transforms:spillover data-type:parameter="{dye}">'
        + "".join(
            f'<transforms:coefficient data-type:parameter="{other}" transforms:value="{value}"/>'
            for other, value in zip(DYES, row)
        )
        + "</transforms:spillover>"
        for dye, row in zip(DYES, SPILL)
    )
    scales = "".join(
        f'<transforms:logicle transforms:length="256" transforms:T="{TOP}" transforms:A="0" transforms:W="0.5" '
        f'transforms:M="4.5"><data-type:parameter data-type:name="{channel}"/></transforms:logicle>'
        for channel in (*DYES, *(f"Comp-{dye}" for dye in DYES))
    )
    return (
        f'<Sample><DataSet uri="file:/lab/{name}" sampleID="{number}"/>'
        f'<transforms:spilloverMatrix prefix="Comp-" suffix="" name="Acquisition-defined">'
        f"<data-type:parameters>{parameters}</data-type:parameters>{rows}</transforms:spilloverMatrix>"
        f'<Transformations>{scales}</Transformations><Keywords><Keyword name="$FIL" value="{name}"/></Keywords>'
        f'<SampleNode name="{name}" annotation="" owningGroup="" sampleID="{number}">{_inside(gates, "")}'
        "</SampleNode></Sample>"
    )


def _inside(gates: Boxes, parent: str) -> str:
    nested = "".join(_population(*item, parent) for item in gates.items())
    return f"<Subpopulations>{nested}</Subpopulations>" if nested else ""


def _population(name: str, gate: tuple, parent: str) -> str:
    box, inside = gate
    known = f'gating:id="{name}"' + (f' gating:parent_id="{parent}"' if parent else "")
    sides = "".join(
        f'<gating:dimension gating:min="{low}" gating:max="{high}">'
        f'<data-type:fcs-dimension data-type:name="Comp-{channel}"/></gating:dimension>'
        for channel, (low, high) in box.items()
    )
    return (
        f'<Population name="{name}" annotation="" owningGroup=""><Gate {known}>'
        f'<gating:RectangleGate percentX="0" percentY="0" {known}>{sides}</gating:RectangleGate></Gate>'
        f"{_inside(inside, name)}</Population>"
    )
