import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys
from magan.baselines import BASELINES
from magan.baselines.gromov import steps
from magan.errors import InputError

SHARED = {"shared features", "shared markers"}
FROM_PAIRS = [name for name, entry in BASELINES.entries.items() if not SHARED & {*entry.needs}]
N = 90


def domain(values: np.ndarray, name: str, told: np.ndarray | None) -> AnnData:
    values = values.astype(np.float32)
    obs = pd.DataFrame(index=[f"{name}{i}" for i in range(len(values))])
    if told is not None:
        obs[keys.PAIR] = ["" if i not in told else f"p{i}" for i in range(len(values))]
    var = pd.DataFrame(index=[f"{name}_{i}" for i in range(values.shape[1])])
    return AnnData(values, obs=obs, var=var, layers={keys.PREPROCESSED: values})


@pytest.fixture(scope="module")
def twice():
    """Three groups of cells, their rotated and stretched image, the query, and the image itself; 12 pairs are told."""
    random = np.random.default_rng(0)
    centres = np.array([[0, 0, 4], [0, 6, 0], [9, 0, 0]])
    first = centres[np.arange(N) % 3] + 0.8 * random.normal(size=(N, 3))
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    second = 3 * first @ turn + 5
    told = np.arange(12)
    order = random.permutation(N)
    x2 = domain(second, "b", told)[order].copy()
    return domain(first, "a", told), x2, domain(first, "a", None), second


def error(mapped: np.ndarray, own: np.ndarray) -> float:
    """Mean squared error as a share of the variance."""
    return ((mapped - own) ** 2).mean() / own.var(axis=0).mean()


def test_ridge_on_pairs_finds_a_linear_map_and_shuffled_pairs_do_not(twice):
    x1, x2, query, own = twice
    assert error(BASELINES["pair_ridge"](x1, x2, query), own) < 0.01
    assert error(BASELINES["pair_ridge_shuffled"](x1, x2, query), own) > 0.5


@pytest.mark.parametrize("name", ["pair_knn", "pair_landmarks", "gromov_pairs"])
def test_each_baseline_on_pairs_finds_the_group_of_a_cell(twice, name):
    x1, x2, query, own = twice
    mapped = BASELINES[name](x1, x2, query)
    assert mapped.shape == own.shape and mapped.dtype == np.float32
    distance = ((mapped[:, None] - own[None]) ** 2).sum(axis=2)
    assert (distance.argmin(axis=1) % 3 == np.arange(N) % 3).mean() > 0.95


@pytest.mark.parametrize("name", ["pair_ridge", "pair_knn"])
def test_known_pairs_of_images_are_learnt_from_their_pixels_whether_bytes_or_not(name):
    random = np.random.default_rng(0)
    first = random.integers(0, 256, size=(60, 16)).astype(np.uint8)
    first[1::2] = first[0] // 2
    x1, x2 = (AnnData(x, uns={keys.IMAGE: {"shape": [1, 4, 4]}}) for x in (first, 255 - first))
    for x in (x1, x2):
        x.obs_names, x.obs[keys.PAIR] = [f"i{i}" for i in range(60)], ["" if i > 40 else f"p{i}" for i in range(60)]
    x1_floats = AnnData(first / np.float32(255), obs=x1.obs, uns=x1.uns)
    mapped = BASELINES[name](x1, x2, x1_floats[41:])
    np.testing.assert_allclose(mapped, BASELINES[name](x1_floats, x2, x1_floats[41:]), atol=1e-5)
    assert mapped.min() >= 0 and mapped.max() <= 1
    np.testing.assert_allclose(mapped[::2], 1 - x1_floats.X[41::2], atol=0.02)  # odd rows are alike, and well known


def test_pair_knn_of_one_group_takes_as_many_pairs_as_leaving_one_out_says():
    random = np.random.default_rng(1)
    first = random.normal(size=(40, 2))
    noise = random.normal(size=(40, 2))  # nothing to learn: the widest mean is best
    x1, x2 = domain(first, "a", np.arange(30)), domain(noise, "b", np.arange(30))
    mapped = BASELINES["pair_knn"](x1, x2, domain(first, "a", None))
    near = np.argsort(((first[:, None] - first[None, :30]) ** 2).sum(axis=2), axis=1)[:, :8]
    np.testing.assert_allclose(mapped, noise[near].mean(axis=1), atol=1e-5)


def test_no_baseline_depends_on_the_order_of_the_target(twice):
    x1, x2, query, _ = twice
    for name in FROM_PAIRS[:3]:
        again = BASELINES[name](x1, x2[::-1].copy(), query)
        np.testing.assert_allclose(again, BASELINES[name](x1, x2, query), atol=1e-3)


def test_gromov_is_told_nothing(twice):
    x1, x2, query, _ = twice
    blind_1, blind_2 = x1.copy(), x2.copy()
    del blind_1.obs[keys.PAIR], blind_2.obs[keys.PAIR]
    np.testing.assert_array_equal(BASELINES["gromov"](blind_1, blind_2, query), BASELINES["gromov"](x1, x2, query))


def test_steps_along_the_graph_are_symmetric_shares_of_the_longest(twice):
    far = steps(np.asarray(twice[0].X, dtype=float))
    assert (far == far.T).all() and (np.diag(far) == 0).all() and far.max() == 1


@pytest.mark.parametrize("name", [name for name in FROM_PAIRS if name != "gromov"])
def test_a_baseline_without_a_known_pair_says_so(twice, name):
    x1, x2, query, _ = twice
    x1 = x1.copy()
    x1.obs[keys.PAIR] = ""
    with pytest.raises(InputError, match=f"baseline '{name}' needs known pairs"):
        BASELINES[name](x1, x2, query)


def test_gromov_refuses_cells_it_was_not_trained_on(twice):
    x1, x2, query, _ = twice
    other = query.copy()
    other.layers[keys.PREPROCESSED] = other.layers[keys.PREPROCESSED] + 1
    with pytest.raises(InputError, match="can map the training cells of domain 1 alone"):
        BASELINES["gromov"](x1, x2, other)
