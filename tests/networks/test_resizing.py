import numpy as np
import pytest
import torch

from magan.networks.resizing import collapsed, enlarged, framed, pyramid, shrunk, unframed


def test_shrinking_averages_blocks_and_enlarging_repeats_pixels():
    x = torch.arange(16.0).reshape(1, 1, 1, 4, 4)
    np.testing.assert_array_equal(shrunk(x)[0, 0, 0], [[2.5, 4.5], [10.5, 12.5]])
    torch.testing.assert_close(enlarged(x)[0, 0, 0], torch.kron(x[0, 0, 0], torch.ones(2, 2)))
    torch.testing.assert_close(shrunk(enlarged(x, 4), 4), x)


def test_enlarging_smoothly_lies_between_pixels():
    row = enlarged(torch.tensor([[[0.0, 4.0], [0.0, 4.0]]]), smooth=True)[0, 0]
    torch.testing.assert_close(row, torch.tensor([0.0, 1.0, 3.0, 4.0]))


@pytest.mark.parametrize("axes", [(), (3,), (2, 3)])
def test_leading_axes_are_kept(axes):
    x = torch.randn(*axes, 2, 4, 6)
    assert shrunk(x).shape == (*axes, 2, 2, 3)
    torch.testing.assert_close(shrunk(x).reshape(-1, 2, 3), shrunk(x.reshape(-1, 2, 4, 6)).reshape(-1, 2, 3))


def test_a_frame_is_black_and_comes_off_again():
    x = torch.rand(2, 3, 1, 28, 26)
    inside = framed(x, 32)
    assert inside.shape == (2, 3, 1, 32, 32)
    assert torch.equal(unframed(inside, (1, 28, 26)), x)
    torch.testing.assert_close(inside.sum(), x.sum() - 2 * 3 * (32 * 32 - 28 * 26))


@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_pyramid_collapses_to_its_image(n):
    x = torch.randn(2, 3, 1, 28, 28, dtype=torch.float64)
    coarsest, details = pyramid(x, n)
    assert coarsest.shape[-1] == 28 // 2**n and [detail.shape[-1] for detail in details] == [28, 14][:n]
    torch.testing.assert_close(collapsed(coarsest, details), x, rtol=0, atol=1e-14)


def test_a_flat_image_has_no_detail():
    _, details = pyramid(torch.full((1, 1, 8, 8), 0.3), 2)
    assert all(detail.abs().max() < 1e-6 for detail in details)
