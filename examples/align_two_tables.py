"""Align two tables of cells: train three maps, map cells, save the model and read it again."""

import anndata
import numpy as np

from magan import Aligner, Training

N_CELLS = 2000  # of each day
STEPS = 300  # of training; 1000 and more for real cells


def day(shift: float, seed: int) -> anndata.AnnData:
    """Make cells of two populations; replace this by your AnnData."""
    random = np.random.default_rng(seed)
    is_b = random.random(N_CELLS) < 0.4
    values = np.where(is_b[:, None], [0.5, 4.0, 2.0], [4.0, 0.5, 3.0]) + random.normal(0, 0.4, (N_CELLS, 3)) + shift
    cells = anndata.AnnData(values.astype(np.float32))
    cells.var_names = ["CD3", "CD19", "CD45"]
    cells.layers["preprocessed"] = cells.X  # arcsinh units: magan.cytometry.arcsinh makes them from raw counts
    return cells


monday, tuesday = day(0.8, 0), day(0.0, 1)

# `magan methods` lists all presets. Each seed trains a map; "consensus" is the mean of the maps.
aligner = Aligner.from_preset("batch_correction", seeds=range(3), training=Training(steps=STEPS))
aligner.fit(monday, tuesday)
aligner.save("model.safetensors")

mapped = Aligner.load("model.safetensors").map(monday)
print(mapped)  # layers seed_0, seed_1, seed_2 and consensus, in arcsinh units of tuesday
for marker, before, after, real in zip(
    mapped.var_names, monday.X.mean(axis=0), mapped.layers["consensus"].mean(axis=0), tuesday.X.mean(axis=0)
):
    print(f"mean {marker}: {before:.2f} on Monday, {after:.2f} after the map, {real:.2f} on Tuesday")
