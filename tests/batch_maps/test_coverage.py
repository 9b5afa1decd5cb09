import numpy as np
import pytest

from magan.batch_maps.coverage import coverage


def cells(n, seed, shares=(0.5, 0.3, 0.2)):
    random = np.random.default_rng(seed)
    means = np.array([[0, 0, 4], [4, 0, 0], [4, 4, 2]], float)
    return means[random.choice(3, n, p=shares)] + random.normal(0, 0.4, (n, 3))


def test_two_samples_of_a_distribution_cover_each_other():
    assert max(coverage(cells(900, 0), cells(1000, 1))) < 0.03


def test_cells_that_the_reference_lacks_are_foreign_and_populations_that_the_batch_lacks_are_missing():
    found = coverage(cells(900, 0), cells(1000, 1, (0.7, 0.3, 0)))
    assert found.foreign == pytest.approx(0.2, abs=0.05) and found.missing < 0.05
    found = coverage(cells(900, 0, (0.7, 0.3, 0)), cells(1000, 1))
    assert found.missing == pytest.approx(0.2, abs=0.05) and found.foreign < 0.05
