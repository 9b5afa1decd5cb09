"""A channel of noise is found among shared markers, in the right panel, and none is found where all is well."""

import numpy as np
import pytest

from magan.regressors.unrelated_markers import sentence, unrelated_markers

MARKERS = 5


def panel(seed: int, n: int = 400, shares: tuple[float, float] = (0.5, 0.5)) -> np.ndarray:
    """Five markers of two hidden states, of which the last is noise in every panel."""
    draw = np.random.default_rng(seed)
    states = draw.normal(size=(n, 2)) + (draw.random((n, 2)) < shares) * 2
    loadings = np.array([[1, 0.2], [0.8, -0.5], [0.3, 1], [-0.6, 0.9]])
    return np.column_stack([states @ loadings.T + 0.4 * draw.normal(size=(n, 4)), draw.normal(size=n)])


@pytest.mark.parametrize("which", [0, 1])
def test_a_channel_of_noise_is_found_in_its_panel_and_no_partner_is_accused(which):
    pair = [panel(0), panel(1)]
    pair[which][:, 2] = np.random.default_rng(9).permutation(pair[which][:, 2])
    (found,) = unrelated_markers(*pair)
    assert (found.marker, found.panel) == (2, which)
    assert abs(found.r[which]) < 0.2 < 0.6 < found.r[1 - which]
    said = sentence(found, "CD8", ("A", "B"))
    assert f"CD8 is unrelated to the remaining shared markers in panel {'AB'[which]}" in said
    assert f"related to them in panel {'BA'[which]} (r 0." in said


def test_two_failed_stainings_are_found_one_after_the_other():
    first, second = panel(0, 900), panel(1, 900)
    states = np.column_stack([first, first[:, :2] @ [0.5, 0.5]]), np.column_stack([second, second[:, :2] @ [0.5, 0.5]])
    for marker, seed in ((0, 5), (3, 6)):
        states[0][:, marker] = np.random.default_rng(seed).permutation(states[0][:, marker])
    assert {(each.marker, each.panel) for each in unrelated_markers(*states)} == {(0, 0), (3, 0)}


def test_intact_panels_are_left_alone_with_other_shares_and_other_units():
    assert unrelated_markers(panel(0), panel(1)) == []
    assert unrelated_markers(panel(0), panel(1, shares=(0.95, 0.1))) == []
    assert unrelated_markers(panel(0), np.exp(panel(1) / 2) * 3 + 7) == []


def test_nothing_is_said_of_few_cells_or_few_markers():
    noisy = panel(0)
    noisy[:, 2] = np.random.default_rng(9).permutation(noisy[:, 2])
    assert unrelated_markers(noisy[:299], panel(1)) == [] and unrelated_markers(noisy[:300], panel(1)) != []
    assert unrelated_markers(noisy[:, 1:4], panel(1)[:, 1:4]) == []
