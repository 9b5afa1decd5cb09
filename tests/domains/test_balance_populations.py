"""Balanced training cells: as common in one batch as in the other, and all of them where nothing differs."""

import numpy as np
import torch

from magan.domains.balance_populations import balanced
from magan.domains.domain import Domain

MARKERS = tuple("abcdef")
CENTRES = 4 * np.array([[1, 0, 0, 1, 0, 0], [0, 1, 0, 0, 1, 0], [0, 0, 1, 0, 0, 1]])


def batch(shares, n=1200, seed=0, effect=0.0, markers=MARKERS) -> tuple[Domain, np.ndarray]:
    """Three populations, moved by a batch effect, and which cell is of which."""
    draw = np.random.default_rng(seed)
    of = draw.choice(3, n, p=shares)
    values = CENTRES[of] + draw.normal(0, 0.7, (n, 6)) + effect
    columns = [MARKERS.index(m) for m in markers if m in MARKERS]
    return Domain("x", torch.tensor(values[:, columns], dtype=torch.float32), tuple(markers)), of


def shares(of, rows):
    return np.bincount(of[rows], minlength=3) / len(rows)


def test_populations_get_the_same_share_of_both_batches():
    (x1, of_1), (x2, of_2) = batch([0.5, 0.3, 0.2], effect=0.5), batch([0.1, 0.5, 0.4], n=900, seed=1)
    rows_1, rows_2 = balanced(x1, x2)
    np.testing.assert_allclose(shares(of_1, rows_1), shares(of_2, rows_2), atol=0.06)
    assert abs(shares(of_1, np.arange(1200))[0] - shares(of_2, np.arange(900))[0]) > 0.35


def test_rows_are_drawn_once_and_in_order():
    (x1, _), (x2, _) = batch([0.6, 0.2, 0.2]), batch([0.2, 0.4, 0.4], seed=1)
    for rows in balanced(x1, x2):
        assert (np.diff(rows) > 0).all() and rows[0] >= 0 and rows[-1] < 1200


def test_no_cell_is_given_up_where_chance_explains_the_shares():
    (x1, _), (x2, _) = batch([0.5, 0.3, 0.2]), batch([0.5, 0.3, 0.2], n=800, seed=1, effect=0.5)
    rows_1, rows_2 = balanced(x1, x2)
    assert len(rows_1) == 1200 and len(rows_2) == 800


def test_a_population_of_one_batch_alone_is_left_out():
    (x1, of_1), (x2, _) = batch([0.4, 0.3, 0.3]), batch([0.0, 0.5, 0.5], seed=1)
    rows_1, _ = balanced(x1, x2)
    assert shares(of_1, rows_1)[0] < 0.05


def test_the_draw_belongs_to_its_seed():
    (x1, _), (x2, _) = batch([0.6, 0.2, 0.2]), batch([0.2, 0.4, 0.4], seed=1)
    one, same, other = (balanced(x1, x2, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_only_shared_markers_count_and_without_any_all_rows_are_kept():
    (x1, of_1), (x2, of_2) = batch([0.5, 0.3, 0.2]), batch([0.1, 0.5, 0.4], seed=1, markers=("f", "c", "b", "a"))
    rows_1, rows_2 = balanced(x1, x2)
    np.testing.assert_allclose(shares(of_1, rows_1), shares(of_2, rows_2), atol=0.06)
    apart = Domain("x", x2.values, ("p", "q", "r", "s"))
    assert [len(rows) for rows in balanced(x1, apart)] == [1200, 1200]
