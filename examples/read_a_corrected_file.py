"""Correct a file with a saved map, as `magan map` does, and read the corrected file back."""

from pathlib import Path

import numpy as np
import pandas as pd

from magan import BatchMapper
from magan.correction import correction
from magan.cytometry.arcsinh import arcsinh
from magan.cytometry.read_cells import read
from magan.stages.apply_model import correct

N_CELLS = 1500  # of each file
COFACTOR = 5.0  # of mass cytometry


def file_of_counts(path: str, gain: float, seed: int) -> Path:
    """Write a file of raw counts of two populations; replace this by your FCS, CSV, TSV or h5ad file."""
    random = np.random.default_rng(seed)
    is_b = random.random(N_CELLS) < 0.4
    typical = np.where(is_b[:, None], [5.0, 200.0, 40.0], [200.0, 5.0, 60.0])
    counts = pd.DataFrame(gain * typical * random.lognormal(0, 0.3, (N_CELLS, 3)), columns=["CD3", "CD19", "CD45"])
    counts.assign(Time=np.arange(N_CELLS)).to_csv(path, index=False)
    return Path(path)


monday, tuesday = file_of_counts("monday.csv", 2.0, 0), file_of_counts("tuesday.csv", 1.0, 1)
markers = ["CD3", "CD19", "CD45"]
cells = {path: arcsinh(read(path)[:, markers].copy(), COFACTOR) for path in (monday, tuesday)}
BatchMapper("auto").fit([cells[monday]], [cells[tuesday]], names=["monday"]).save("monday.safetensors")

# The same as: magan map monday.safetensors monday.csv -o corrected
Path("corrected").mkdir(exist_ok=True)
n = correct(correction(Path("monday.safetensors"), "monday"), monday, Path("corrected/monday.csv"))

# A corrected file is read like a measured file: same events, same order, raw counts.
before, after = read(monday), read("corrected/monday.csv")
assert n == after.n_obs and list(after.var["channel"]) == list(before.var["channel"])
for marker in markers:
    medians = [float(np.median(file[:, marker].X)) for file in (before, after)]
    print(f"{marker}: median {medians[0]:.1f} measured, {medians[1]:.1f} corrected")
units = arcsinh(after[:, markers].copy(), COFACTOR)  # layers["preprocessed"], arcsinh units
