"""Experiments on images: their measures against closed forms, and that they judge what they should."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from magan import keys
from magan.errors import InputError
from magan.images.arrays import digits, from_images
from magan.lectures import LECTURES, images, infogan_codes, latent_arithmetic, progressive_growing, result_table
from magan.lectures.adversarial_examples import fgsm, targeted
from magan.lectures.digit_map import neighbour_agreement
from magan.lectures.vanishing_gradient import _measured, check_claims, fallen
from magan.networks.replicate import Replicated


def holds(name: str, points) -> list[str]:
    return LECTURES[name].check_claims(points)["holds"].tolist()


def test_training_and_test_images_are_those_of_the_split():
    adata = from_images(np.zeros((5, 1, 2, 2)), list("abcde"))
    adata.obs[keys.SPLIT] = ["train", "test", "train", "test", "train"]
    assert images.chosen(adata, 2).obs[keys.CELL_TYPE].tolist() == ["a", "c"]
    assert images.chosen(adata, None, "test").obs[keys.CELL_TYPE].tolist() == ["b", "d"]


def test_images_without_a_split_are_divided_without_overlap():
    first, second = (images.chosen(digits(), None, split).obs_names for split in ("train", "test"))
    assert len(first) + len(second) == 1797 and not set(first) & set(second)


def test_too_few_images_are_told():
    with pytest.raises(InputError, match="the lecture asks for 2000 train images and there are 1438; lower the option"):
        images.chosen(digits(), 2000)


def test_pixels_are_between_minus_one_and_one_whether_bytes_or_floats():
    floats = from_images(np.array([0.0, 0.5, 1.0, 0.0]).reshape(1, 1, 2, 2), ["a"])
    pixels = images.pixels(floats)
    assert pixels.shape == (1, 1, 2, 2) and pixels.flatten().tolist() == [-1.0, 0.0, 1.0, -1.0]
    floats.X = np.array([[0, 255, 255, 0]], dtype=np.uint8)
    assert images.pixels(floats).flatten().tolist() == [-1.0, 1.0, 1.0, -1.0]


class Step(nn.Module):
    """An image that is w everywhere, for any z."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor([0.5]))

    def forward(self, z):
        return self.w.expand(len(z), 1)


def test_the_gradients_left_to_a_generator_are_those_of_the_formulas():
    """With s = D(G(z)): d log(1 - sigmoid(s)) = -sigmoid(s) ds and d(-log sigmoid(s)) = -(1 - sigmoid(s)) ds."""
    generator = Replicated(Step, [0, 1])
    slopes = torch.tensor([-16.0, 2.0])[:, None, None]
    z, real = torch.zeros(2, 4, 1), torch.tensor([[[1.0], [-1.0], [1.0], [1.0]]] * 2)
    found = _measured(lambda x: slopes * x, generator, real, z)
    share = 1 / (1 + np.exp(-np.array([-16.0, 2.0]) * 0.5))
    np.testing.assert_allclose(found["gradient", "minimax"], share * [16, 2], rtol=1e-4)
    np.testing.assert_allclose(found["gradient", "non_saturating"], (1 - share) * [16, 2], rtol=1e-4)
    # The first takes one real sample of four for real and no generated one; the second three, and all generated ones.
    np.testing.assert_allclose(found["accuracy", ""], [(0.25 + 1) / 2, (0.75 + 0) / 2])


def test_a_fall_is_counted_in_decades_from_the_top_to_the_end():
    curve = result_table.points(
        "gradient", [[1.0, *[0.5] * 18, 1e-3], [1.0, *[5.0] * 18, 10.0]], seeds=[0, 1], x=range(20)
    )
    np.testing.assert_allclose(fallen(curve), [0 - (np.log10(0.5) - 3) / 2, 1 - (np.log10(5) + 1) / 2])


def linear_classifier() -> SimpleNamespace:
    """Scores of three classes of images of two pixels: the first pixel, the second, and nothing."""
    weights = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    return SimpleNamespace(network=lambda x: (None, 10 * x.flatten(1) @ weights))


def test_fgsm_moves_every_pixel_by_the_size_against_the_class():
    x = torch.tensor([[[[0.5, 0.5]]], [[[0.5, 0.99]]]])
    moved = fgsm(linear_classifier(), x, torch.tensor([0, 0]), 0.1)
    torch.testing.assert_close(moved, torch.tensor([[[[0.4, 0.6]]], [[[0.4, 1.0]]]]))


def test_the_targeted_attack_reaches_its_class_and_stays_within_the_size():
    x = torch.rand(30, 1, 1, 2, generator=torch.Generator().manual_seed(0))
    moved = targeted(linear_classifier(), x, torch.ones(30, dtype=torch.long), 0.3)
    assert (moved - x).abs().max() <= 0.3 + 1e-6 and moved.min() >= 0 and moved.max() <= 1
    # A linear score is pushed as far as it goes: the second pixel up, the first down, but for the edges.
    torch.testing.assert_close(moved[..., 1], (x[..., 1] + 0.3).clamp(max=1))
    torch.testing.assert_close(moved[..., 0], (x[..., 0] - 0.3).clamp(min=0))


def test_random_signs_that_do_as_much_harm_break_the_claim():
    sizes, parts = [0.0, 0.1, 0.2], []
    for item, curve in {"fgsm": [1.0, 0.4, 0.1], "random signs": [1.0, 0.5, 0.2]}.items():
        parts.append(result_table.points("accuracy", [curve] * 2, seeds=[0, 1], x=sizes, item=item))
    parts.append(result_table.points("reached", [[0.0, 0.8, 0.95]] * 2, seeds=[0, 1], x=sizes))
    assert holds("adversarial_examples", result_table.table(parts)) == ["yes", "no", "yes", ""]


def test_neighbours_on_a_page_are_counted_without_the_digit_itself():
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], 30)
    apart = np.stack([100.0 * labels, np.zeros(60)], 1) + random.normal(size=(60, 2))
    assert neighbour_agreement(apart, labels) == 1
    lone = np.append(labels, 1)  # of class 1 among those of class 0: its own vote does not count
    assert neighbour_agreement(np.vstack([apart, [0.0, 0.0]]), lone) == pytest.approx(60 / 61)


def test_categories_are_matched_with_classes_one_to_one():
    category = np.repeat([0, 1, 2], 10)
    assert infogan_codes.matched(category, (category + 1) % 3, 3) == 1
    assert infogan_codes.matched(category, np.zeros(30, dtype=int), 3) == pytest.approx(1 / 3)
    mixed = np.concatenate([np.ones(10), np.repeat([0, 1], 5), np.full(10, 2)]).astype(int)
    assert infogan_codes.matched(category, mixed, 3) == pytest.approx((10 + 5 + 10) / 30)


def test_a_code_that_all_rows_share_is_not_normalised_away(small_runs):
    points = small_runs["infogan_codes"]
    for arm in (infogan_codes.INFORMED, infogan_codes.PLAIN):
        assert result_table.by_seed(points, "change", arm).min() > 1e-5  # by the minibatch it is 1e-8
        first, second = (
            result_table.values(points, "image", arm, f"category {k}|0")["value"].to_numpy() for k in (0, 1)
        )
        assert len(first) == 64 and abs(first - second).max() > 0


def test_thin_and_bold_are_the_outer_terciles_of_each_class():
    labels, ink = torch.tensor([0] * 9 + [1] * 9), torch.cat([torch.arange(9.0), 100 + torch.arange(9.0)])
    thin, bold = latent_arithmetic._terciles(ink, labels)
    assert thin.nonzero()[:, 0].tolist() == [0, 1, 2, 9, 10, 11]
    assert bold.nonzero()[:, 0].tolist() == [6, 7, 8, 15, 16, 17]


@pytest.mark.parametrize("side, n_growths", [(8, 1), (28, 3), (32, 3)])
def test_growth_ends_at_its_share_of_the_steps(side, n_growths):
    options = progressive_growing._growth(side, 1000, 0.6)
    growing = options["growing"]
    assert n_growths * (growing["stable_steps"] + growing["fade_steps"]) == pytest.approx(600, abs=6)
    assert options["full size"] == {"stable_steps": 1, "fade_steps": 0}


def test_growing_that_ends_worse_breaks_the_claim_and_not_that_of_its_time():
    parts = []
    for arm, frechet, seconds in (("growing", 3.0, 5.0), ("full size", 2.0, 9.0)):
        parts.append(result_table.points("frechet", [[9.0, frechet]] * 2, seeds=[0, 1], x=[1, 2], arm=arm))
        parts.append(result_table.points("seconds", [1.0, seconds], x=[1, 2], arm=arm))
    assert holds("progressive_growing", result_table.table(parts)) == ["no", "yes", "", ""]


def test_a_fall_by_exactly_the_decades_of_the_claim_is_enough_for_one_loss_and_too_much_for_the_other():
    curves = {"minimax": (1.0, 1e-3), "non_saturating": (1.0, 0.1)}
    parts = [result_table.points("gradient", [v], seeds=[0], x=[0, 1], item=loss) for loss, v in curves.items()]
    parts.append(result_table.points("accuracy", [[0.5, 0.99]], seeds=[0], x=[0, 1]))
    numbers = check_claims(result_table.table(parts))
    assert numbers["mean"].tolist() == [3, 1, 0.99] and numbers["holds"].tolist() == ["yes", "no", "yes"]


def test_the_classifier_of_infogan_sees_pixels_from_zero_to_one(monkeypatch):
    seen = []

    def predict(model, images):
        seen.append(images)
        return None, np.eye(3)[:2]

    monkeypatch.setattr(infogan_codes.classifier, "predict", predict)
    assert infogan_codes._predicted(None, torch.tensor([[[[-1.0, 1.0]]], [[[0.0, 0.5]]]])).tolist() == [0, 1]
    np.testing.assert_allclose(seen[0], [[0, 1], [0.5, 0.75]])
