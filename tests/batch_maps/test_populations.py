import numpy as np

from magan.batch_maps.curves import follow, pack
from magan.batch_maps.populations import (
    beyond,
    leakage,
    memberships,
    retained_shares,
    squared_distances,
    surplus,
    thin,
)

POINTS = np.array([[0.0], [2.0], [10.0]])


def test_memberships_of_a_cell_half_way_are_a_half():
    np.testing.assert_allclose(memberships(np.array([[1.0]]), POINTS, 1.0)[0, :2], 0.5, atol=1e-9)


def test_memberships_are_gaussians_of_the_given_variance():
    found = memberships(np.array([[0.0]]), POINTS[:2], 2.0)[0]
    np.testing.assert_allclose(found, np.array([1, np.exp(-1)]) / (1 + np.exp(-1)))


def test_a_cell_is_beyond_the_border_by_its_distance_to_the_middle():
    x = np.array([[1.4], [0.7], [10.0]])
    past = beyond(squared_distances(x, POINTS), POINTS, np.array([0, 0, 2]))
    np.testing.assert_allclose(past[:, 1], [0.4, -0.3, -4.0])
    np.testing.assert_allclose(past[[0, 1, 2], [0, 0, 2]], 0)


def test_leakage_counts_cells_near_a_border():
    x = np.array([[0.9], [0.2], [1.1], [10.0]])
    expected = np.zeros((3, 3))
    expected[0, 1] = expected[1, 0] = 0.25
    np.testing.assert_allclose(leakage(squared_distances(x, POINTS), POINTS, 0.25), expected)


def test_surplus_is_what_leakage_cannot_explain():
    first, second = np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.4, 0.2])
    leak = np.zeros((3, 3))
    np.testing.assert_allclose(surplus(first, second, leak), [[0.1, 0, 0], [0, 0.1, 0]], atol=1e-9)
    leak[0, 1] = 0.06
    np.testing.assert_allclose(surplus(first, second, leak), [[0.04, 0, 0], [0, 0.04, 0]], atol=1e-9)
    leak[0, 1] = 0.2
    np.testing.assert_allclose(surplus(first, second, leak), np.zeros((2, 3)), atol=1e-9)


def test_shares_are_retained_but_of_the_population_that_is_too_common():
    def found(counts):
        return squared_distances(np.repeat(POINTS, counts, axis=0), POINTS)

    common, missing = found([500, 200, 300]), found([500, 40, 300])
    first, second = retained_shares(common, missing, POINTS)
    np.testing.assert_allclose(first, [1, 0.2, 1], atol=0.01)
    np.testing.assert_array_equal(second, 1)
    second, first = retained_shares(missing, common, POINTS)
    np.testing.assert_allclose(first, [1, 0.2, 1], atol=0.01)
    np.testing.assert_array_equal(second, 1)
    for share in retained_shares(found([500, 20, 300]), found([500, 30, 300]), POINTS):
        np.testing.assert_array_equal(share, 1)  # large, but not certain
    for share in retained_shares(found([50000, 20000, 30000]), found([50000, 21500, 30000]), POINTS):
        np.testing.assert_array_equal(share, 1)  # certain, but not large


def test_cells_that_crossed_a_border_are_no_surplus():
    random = np.random.default_rng(0)
    x = random.normal(1.0, 0.5, (4000, 1))  # a population that the border of clusters 0 and 1 cuts
    fixed = np.full((2000, 1), 10.0)
    moved = (np.concatenate([x + shift, fixed]) for shift in (-0.1, 0.1))
    for share in retained_shares(*(squared_distances(y, POINTS) for y in moved), POINTS):
        np.testing.assert_array_equal(share, 1)


def test_thin_retains_the_share_of_each_cluster():
    clusters = np.repeat([0, 1, 2], [10, 20, 5])
    rows = thin(clusters, np.array([1, 0.25, 0.0]), seed=1)
    np.testing.assert_array_equal(np.bincount(clusters[rows], minlength=3), [10, 5, 0])
    assert (np.diff(rows) > 0).all()


def test_packing_curves_of_different_lengths_changes_no_value():
    curves = [(np.array([0.0, 1.0]), np.array([1.0, 3.0])), (np.array([2.0]), np.array([5.0]))]
    values = np.array([[0.5, 2.0], [-1.0, 0.0], [2.0, 9.0]])
    packed = pack(curves)
    np.testing.assert_allclose(follow(packed["knots"], packed["images"], values), [[2, 5], [0, 3], [4, 12]])
