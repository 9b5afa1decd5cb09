import numpy as np
import pytest

from magan.batch_maps import (
    MAPS,
    average,
    flow,
    identity,
    monotone,
    monotone_balanced,
    population_monotone,
    quantile,
    zscore,
)


def cells(n: int, shares: list[float], shift: np.ndarray | float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Cells of three well separated populations in four markers, and their populations."""
    random = np.random.default_rng(seed)
    means = np.array([[0, 0, 4, 2], [4, 0, 0, 2], [4, 4, 2, 0]], float)
    population = random.choice(3, n, p=shares)
    return means[population] + random.normal(0, 0.4, (n, 4)) + shift, population


EQUAL = [0.4, 0.35, 0.25]
SHIFT = np.array([0.5, -0.3, 0.2, 0.4])


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    return cells(900, EQUAL, SHIFT, seed=1)[0], cells(800, EQUAL, seed=2)[0]


@pytest.mark.parametrize("name", MAPS)
def test_every_map_moves_each_cell_by_itself_in_float32(name, pair):
    state = MAPS[name].fit(*pair, seed=0)
    whole = MAPS[name].apply(state, pair[0])
    assert whole.dtype == np.float32 and whole.shape == pair[0].shape
    parts = np.concatenate([MAPS[name].apply(state, part) for part in np.array_split(pair[0], 7)])
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    assert MAPS[name].apply(state, pair[0][:0]).shape == (0, 4)
    assert all(isinstance(array, np.ndarray) for array in state.values())


@pytest.mark.parametrize("name", MAPS)
def test_every_map_is_the_same_twice(name, pair):
    first, second = (MAPS[name].apply(MAPS[name].fit(*pair, seed=3), pair[0]) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", [name for name in MAPS if name != "identity"])
def test_every_map_but_identity_recovers_a_shift(name, pair):
    x = pair[1]
    moved = MAPS[name].apply(MAPS[name].fit(x + SHIFT, x, seed=0), x + SHIFT)
    np.testing.assert_allclose((moved - x).mean(axis=0), 0, atol=0.02)


def test_the_cells_that_carry_the_field_are_real_ones_in_units_of_the_scale(pair):
    x1, x2 = (x * [0.25, 1, 4, 8] for x in pair)
    state = flow.fit(x1, x2, seed=0)
    np.testing.assert_allclose(state["scale"] / flow.fit(*pair, seed=0)["scale"], [0.25, 1, 4, 8], rtol=0.05)
    start = monotone_balanced.balance(x1, x2, seed=0)
    for carriers, known in (
        (state["target"], x2[start.rows_2]),
        (state["sources"][0], monotone.apply(start.curves, x1[start.rows_1])),
    ):
        found = carriers * state["scale"]  # fewer than POINTS cells: all of them, in another order
        np.testing.assert_allclose(found[found[:, 0].argsort()], known[known[:, 0].argsort()], atol=1e-4)


def test_identity_leaves_cells_as_measured(pair):
    np.testing.assert_array_equal(identity.apply(identity.fit(*pair), pair[0]), pair[0].astype(np.float32))


def test_zscore_gives_mean_and_sd_of_the_reference_and_shifts_a_constant_marker(pair):
    x1, x2 = pair[0].copy(), pair[1]
    x1[:, 3] = 7
    moved = zscore.apply(zscore.fit(x1, x2), x1)
    np.testing.assert_allclose(moved.mean(axis=0), x2.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(moved[:, :3].std(axis=0), x2[:, :3].std(axis=0), atol=1e-4)
    assert np.ptp(moved[:, 3]) < 1e-6


def test_quantile_of_equal_numbers_of_cells_gives_the_reference_exactly():
    random = np.random.default_rng(0)
    x1, x2 = random.normal(size=(50, 2)), random.gamma(2, size=(50, 2))
    np.testing.assert_allclose(
        np.sort(quantile.apply(quantile.fit(x1, x2), x1), axis=0), np.sort(x2, axis=0), atol=1e-5
    )


def test_quantile_beyond_the_cells_keeps_the_shift():
    x1, x2 = np.arange(5.0)[:, None], np.arange(5.0)[:, None] + 2
    np.testing.assert_allclose(quantile.apply(quantile.fit(x1, x2), np.array([[-10.0], [10.0]])), [[-8.0], [12.0]])


def test_balance_retains_all_cells_of_equal_composition(pair):
    found = monotone_balanced.balance(*pair)
    assert len(found.rows_1) == len(pair[0]) and len(found.rows_2) == len(pair[1])


@pytest.mark.parametrize("depleted", [1, 2])
def test_a_depleted_population_bends_quantile_but_not_the_balanced_map(depleted):
    few = [0.65, 0.05, 0.3]
    x1, of = cells(1500, few if depleted == 1 else EQUAL, SHIFT, seed=1)
    x2, _ = cells(1500, few if depleted == 2 else EQUAL, seed=2)
    truth = x1 - SHIFT
    error = {}
    for name in ("quantile", "monotone_balanced", "population_monotone", "average"):
        state = MAPS[name].fit(x1, x2, seed=0)
        error[name] = np.abs(MAPS[name].apply(state, x1) - truth)[of != 1].mean()
    assert error["monotone_balanced"] < 0.12 < error["quantile"]
    assert error["population_monotone"] < 0.12 and error["average"] < 0.6 * error["quantile"]
    found = monotone_balanced.balance(x1, x2)
    n_left_out = len(x1) - len(found.rows_1), len(x2) - len(found.rows_2)
    assert n_left_out[2 - depleted] > 300 and n_left_out[depleted - 1] < 150


def test_population_map_recovers_shifts_that_differ_between_populations():
    x1, of_1 = cells(3000, EQUAL, seed=1)
    x2, _ = cells(3000, EQUAL, seed=2)
    shifts = np.array([[0.6, 0, 0, 0], [-0.3, 0, 0, 0], [0.1, 0, 0, 0]])
    moved = x1 + shifts[of_1]
    error = {
        name: np.abs(MAPS[name].apply(MAPS[name].fit(moved, x2), moved) - x1)[:, 0].mean()
        for name in ("monotone", "population_monotone")
    }
    assert error["population_monotone"] < 0.5 * error["monotone"]


def test_the_average_is_the_median_of_its_maps_on_cells_of_equal_composition(pair):
    start = monotone_balanced.balance(*pair)
    members = [monotone.apply(start.curves, pair[0])]
    members.append(quantile.apply(quantile.fit(pair[0][start.rows_1], pair[1][start.rows_2]), pair[0]))
    members += [MAPS[name].apply(MAPS[name].fit(*pair), pair[0]) for name in ("population_monotone", "flow")]
    np.testing.assert_allclose(average.apply(average.fit(*pair), pair[0]), np.median(members, axis=0), atol=1e-5)


def test_a_population_of_few_cells_follows_the_common_curves_alone():
    assert population_monotone._curves(np.zeros((29, 2)), np.ones((500, 2))) == [population_monotone.STILL] * 2


def test_halves_of_a_sample_hardly_move():
    x, _ = cells(2000, EQUAL, seed=4)
    for name in ("monotone", "monotone_balanced", "population_monotone"):
        state = MAPS[name].fit(x[:1000], x[1000:])
        assert np.abs(MAPS[name].apply(state, x[:1000]) - x[:1000]).mean() < 0.04


def test_a_step_of_the_flow_is_the_shift_times_its_square_over_that_and_its_squared_error():
    """One point behind the cell, two of the reference at its sides: means, errors and the step by hand."""
    for behind, side in ((2.0, 2.0), (3.0, 1.0)):
        noise = side**2 / 2  # of the mean of two equal weights
        step = behind * behind**2 / (behind**2 + noise)
        source, target = np.array([[1 - behind, 5.0]]), np.array([[1 - side, 5.0], [1 + side, 5.0]])
        np.testing.assert_allclose(flow._step(np.array([[1.0, 5.0]]), source, target, 0.7), [[1 + step, 5.0]])
    tiny = 5e-7  # below a millionth a shift is rounding
    moved = flow._step(np.zeros((1, 1)), np.array([[-tiny]]), np.zeros((1, 1)), 1.0)
    np.testing.assert_allclose(moved, [[tiny**3 / 1e-12]])
