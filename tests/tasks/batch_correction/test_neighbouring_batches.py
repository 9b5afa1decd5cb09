"""Daily batches of a donor each: a slow drift is removed with the help of the days around, and groups stay apart."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys
from magan.batch_mapper import BatchMapper
from magan.errors import InputError
from magan.preflight.cautions import design
from magan.stages.method import Folds, fitted
from magan.tasks.batch_correction.folds import split
from magan.tasks.batch_correction.neighbouring_batches import around, in_order, sentence
from magan.tasks.batch_correction.settings import BatchAlignment

DAYS, CELLS, EFFECT = 30, 100, 0.6


@pytest.fixture(scope="module")
def daily() -> AnnData:
    """A donor a day, ill or well, and a shift of each marker that varies slowly; ``layers["clean"]`` is without it."""
    random = np.random.default_rng(11)
    day = np.repeat(np.arange(DAYS), CELLS)
    ill = (random.permutation(DAYS) % 2 == 0)[day]
    population = random.random(len(day)) < 0.5
    clean = np.where(population[:, None], [4.0, 0.5, 3.0], [0.5, 4.0, 3.0]) + random.normal(0, 0.3, (len(day), 3))
    clean += random.normal(0, 0.05, (DAYS, 3))[day] + ill[:, None] * [0, 0, EFFECT]
    shift = 0.5 * np.sin(2 * np.pi * (np.arange(DAYS)[:, None] / DAYS + [0.0, 0.3, 0.6]))
    values = (clean + shift[day]).astype(np.float32)
    names = [f"day_{number}" for number in day + 1]
    obs = pd.DataFrame({keys.BATCH: names, keys.SAMPLE: names, keys.GROUP: np.where(ill, "ill", "well")})
    obs.index = [f"c{i}" for i in range(len(day))]
    adata = AnnData(values, obs=obs, layers={keys.PREPROCESSED: values, "clean": clean})
    adata.var_names = ["CD3", "CD19", "CD38"]
    adata.var[keys.TO_CORRECT] = True
    adata.uns[keys.CYTOF] = {"cofactor": 5.0}
    return adata


def drift_and_effect(daily: AnnData, mapped: dict[str, AnnData]) -> tuple[float, float]:
    """The sd over days of the shift that is left, mean over markers, and the difference of CD38 between groups."""
    left = [np.mean(x.X - daily[x.obs_names].layers["clean"], axis=0) for x in mapped.values()]
    ill = [x.X[:, 2].mean() for x in mapped.values() if daily[x.obs_names].obs[keys.GROUP].iloc[0] == "ill"]
    well = [x.X[:, 2].mean() for x in mapped.values() if daily[x.obs_names].obs[keys.GROUP].iloc[0] == "well"]
    return float(np.std(left, axis=0).mean()), float(np.mean(ill) - np.mean(well))


def corrected(daily: AnnData, neighbours: int) -> dict[str, AnnData]:
    parts = split(BatchAlignment(cells="x", neighbours=neighbours), [daily], 2)
    data = Folds({name: tuple(domains) for name, domains in parts.train.items()}, dict(parts.query))
    mapper = fitted(BatchMapper("monotone"), data)
    return {name: mapper.map(x, mapper.names_.index(name)) for name, x in data.queries.items()}


def test_a_slow_drift_falls_below_half_and_a_planted_difference_between_groups_stays(daily):
    measured = {name: daily[daily.obs[keys.BATCH] == name] for name in daily.obs[keys.BATCH].unique()}
    before, _ = drift_and_effect(daily, measured)
    drift, effect = drift_and_effect(daily, corrected(daily, 4))
    assert drift < 0.4 * before and effect == pytest.approx(EFFECT, rel=0.2)
    assert drift_and_effect(daily, corrected(daily, 0))[1] < 0.5 * EFFECT  # a day alone: its donor is taken for drift


def test_a_map_is_learned_from_the_days_around_and_no_test_cell_is_among_them(daily):
    parts = split(BatchAlignment(cells="x", reference="day_20", neighbours=2), [daily], 2)
    x1, x2 = parts.train["day_9"]
    assert set(x1.obs[keys.SAMPLE]) == {f"day_{n}" for n in (7, 8, 9, 10, 11)} and set(x1.obs[keys.BATCH]) == {"day_9"}
    assert set(x2.obs[keys.BATCH]) == {"day_20"} and not set(parts.truth.obs_names) & {*x1.obs_names, *x2.obs_names}
    assert set(parts.query["day_9"].obs[keys.SAMPLE]) == {"day_9"}
    few = daily.copy()
    few.obs[keys.IS_CONTROL] = True
    with pytest.raises(InputError, match="controls need no neighbours"):
        split(BatchAlignment(cells="x", neighbours=2), [few], 2)


def test_batches_are_in_the_order_of_the_numbers_in_their_names():
    names = ["day_10", "day_2", "day_1"]
    assert in_order(names) == ["day_1", "day_2", "day_10"] == around("day_2", names, 1)
    assert around("day_1", names, 1) == ["day_1", "day_2"]
    assert "in the order day_1, day_2, day_10: a slow drift" in sentence(names, 1)


def test_many_batches_of_few_samples_are_advised_to_learn_from_their_neighbours():
    batches = pd.DataFrame({keys.BATCH: [str(n) for n in range(12)], "controls": 0})
    assert "neighbours: 4" in design(batches[[keys.BATCH]], batches)[-1]
    assert not design(batches[[keys.BATCH]].iloc[1:], batches.iloc[1:])
    assert not design(pd.concat([batches[[keys.BATCH]]] * 4), batches)
