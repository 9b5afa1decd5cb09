"""What two panels know of one another's cells."""

import torch

from magan.domains.shared_markers import HIDDEN, shared

ONE, OTHER = ["CD3", "CD4", "CD19", "CD8"], ["CD8", "CD56", "CD3"]


def test_columns_of_the_same_marker_stand_together_in_the_order_of_the_source():
    both = shared(ONE, OTHER)
    assert [ONE[i] for i in both.source] == [OTHER[i] for i in both.target] == ["CD3", "CD8"]
    assert shared(ONE, OTHER, without=["CD3"]).source == [3]


def test_markers_of_the_source_alone_are_hidden_in_a_copy():
    x = torch.arange(1.0, 9).reshape(2, 4)
    hidden = shared(ONE, OTHER).hidden(x)
    assert hidden.tolist() == [[1, HIDDEN, HIDDEN, 4], [5, HIDDEN, HIDDEN, 8]]
    assert (x != HIDDEN).all()


def test_a_sample_of_the_target_is_known_by_the_markers_of_both():
    known = shared(ONE, OTHER).as_source(torch.tensor([[1.0, 2.0, 3.0]]))
    assert known.tolist() == [[3, HIDDEN, HIDDEN, 1]]


def test_images_have_no_marker_to_hide():
    x = torch.rand(2, 1, 4, 4)
    assert torch.equal(shared([], []).hidden(x), x)
