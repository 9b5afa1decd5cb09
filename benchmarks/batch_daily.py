"""Sixty made days of a donor or two, with a slow drift and a difference between groups that is known."""

from collections import Counter

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.batch_mapper import BatchMapper
from magan.stages.method import Folds, fitted
from magan.tasks.batch_correction.folds import split
from magan.tasks.batch_correction.settings import BatchAlignment

DAYS, CELLS, MARKERS = 60, 300, 10
DIM, EFFECT = 3, 0.5  # the marker in which ill donors differ, in the first of four populations, in arcsinh units


def series(donors: int, seed: int) -> AnnData:
    """So many donors a day; gains and shifts follow slow waves, and shifts vary by .03 from a day to the next.

    ``layers["clean"]`` has the cells without them.
    """
    random = np.random.default_rng(seed)
    centres = random.choice([0.5, 2.5, 4.5], (4, MARKERS), p=[0.4, 0.3, 0.3])
    time = np.linspace(0, 1, DAYS)[:, None]
    waves = [np.sin(2 * np.pi * (time * random.uniform(0.5, 1.5, MARKERS) + random.random(MARKERS))) for _ in range(2)]
    shift, gain = 0.4 * waves[0] + random.normal(0, 0.03, (DAYS, MARKERS)), 1 + 0.12 * waves[1]
    parts = []
    for day in range(DAYS):
        for donor in range(donors):
            ill = donor % 2 == 0 if donors > 1 else random.random() < 0.5
            kinds = random.choice(4, CELLS // donors, p=random.dirichlet(60 * np.array([0.4, 0.3, 0.2, 0.1])))
            clean = centres[kinds] + random.normal(0, 0.5, (len(kinds), MARKERS)) + random.normal(0, 0.1, MARKERS)
            clean[kinds == 0, DIM] += EFFECT * ill
            group = "ill" if ill else "well"
            about = {keys.BATCH: f"day_{day + 1}", keys.SAMPLE: f"{day + 1}_{donor}", keys.GROUP: group}
            parts.append((pd.DataFrame({**about, keys.CELL_TYPE: kinds.astype(str)}), clean, day))
    obs = pd.concat([part[0] for part in parts], ignore_index=True)
    obs.index = "c" + obs.index.astype(str)
    measured = np.concatenate([clean * gain[day] + shift[day] for _, clean, day in parts]).astype(np.float32)
    layers = {keys.PREPROCESSED: measured, "clean": np.concatenate([part[1] for part in parts])}
    adata = AnnData(measured, obs=obs, layers=layers, uns={keys.CYTOF: {"cofactor": 5.0}})
    adata.var_names = [f"M{i}" for i in range(MARKERS)]
    adata.var[keys.TO_CORRECT] = True
    return adata


def figures(days: AnnData, values: np.ndarray) -> tuple[float, float]:
    """The sd over days of the shift that is left, mean over markers; and the difference between groups."""
    left = pd.DataFrame(values - days.layers["clean"]).groupby(days.obs[keys.BATCH].to_numpy()).mean()
    inside = (days.obs[keys.CELL_TYPE] == "0").to_numpy()
    ill = (days.obs[keys.GROUP] == "ill").to_numpy()
    effect = values[inside & ill, DIM].mean() - values[inside & ~ill, DIM].mean()
    return float(left.std(ddof=0).mean()), float(effect)


def corrected(days: AnnData, method: str, neighbours: int) -> tuple[AnnData, np.ndarray, Counter[str]]:
    """Held-out cells of all days, their values after the map, and how often each map was taken."""
    parts = split(BatchAlignment(cells="daily", neighbours=neighbours), [days], 2)
    data = Folds({name: tuple(domains) for name, domains in parts.train.items()}, dict(parts.query))
    mapper = fitted(BatchMapper(method), data)
    held = days[parts.truth.obs_names]
    values = np.array(held.layers[keys.PREPROCESSED])
    for fold, (_, query) in enumerate(data.queries.items()):
        values[held.obs_names.get_indexer(query.obs_names)] = mapper.map(query, fold).X
    return held, values, Counter(mapper.methods_)
