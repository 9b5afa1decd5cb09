"""Correct batches without a network: let the cells choose the map, and compare maps by name."""

import anndata
import numpy as np

from magan import BatchMapper
from magan.batch_maps import MAPS

N_CELLS = 1500  # of each batch


def batch(name: str, shift: float, seed: int) -> anndata.AnnData:
    """Make cells of two populations; replace this by your AnnData."""
    random = np.random.default_rng(seed)
    is_b = random.random(N_CELLS) < 0.4
    values = np.where(is_b[:, None], [0.5, 4.0, 2.0], [4.0, 0.5, 3.0]) + random.normal(0, 0.4, (N_CELLS, 3)) + shift
    cells = anndata.AnnData(values.astype(np.float32))
    cells.var_names = ["CD3", "CD19", "CD45"]
    cells.obs["batch"] = name
    cells.layers["preprocessed"] = cells.X  # arcsinh units
    return cells


visits = [batch("visit_1", 0.7, 0), batch("visit_2", 0.0, 1)]
reference = batch("visit_3", 0.0, 2)
names = [cells.obs["batch"].iloc[0] for cells in visits]

# "auto" compares the candidates on cells left out of their fit, batch by batch. It may choose to change nothing.
mapper = BatchMapper("auto").fit(visits, [reference] * len(visits), names=names)
for name, choice in zip(mapper.names_, mapper.choices_):
    print(f"{name}: {choice.name}. {choice.reason}")
    print(choice.table[["candidate", "criterion", "low", "high"]].round(2).to_string(index=False))
corrected = {name: mapper.map(cells, fold) for fold, (name, cells) in enumerate(zip(names, visits))}
mapper.save("batches.safetensors")  # `magan map` corrects files by it

print("\nEvery map by name:")
for method, about in MAPS.items():
    mapped = BatchMapper(method).fit(visits[:1], [reference]).map(visits[0])
    distance = np.abs(mapped.X.mean(axis=0) - reference.X.mean(axis=0)).max()
    print(f"{method:20} {distance:.2f} arcsinh units between means at most. {about.sentence}")
