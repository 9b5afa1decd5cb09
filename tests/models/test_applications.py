"""Models that make images from something: from a coarser image, a caption, or the frames before."""

import numpy as np
import pytest
import torch

from magan.losses.adversarial import ADVERSARIAL
from magan.models.lapgan import lapgan
from magan.models.next_frame import next_frame
from magan.models.srgan import srgan
from magan.models.stackgan import stackgan, words
from magan.networks.enlarging import Enlarging, doublings
from magan.networks.replicate import Replicated
from magan.networks.resizing import collapsed, enlarged, pyramid, shrunk
from magan.networks.scales import Multiscale

GAME = ADVERSARIAL["non_saturating"]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def made(builder, shape=(1, 8, 8), n_classes: int = 6, n: int = 5, **options):
    """A small recipe, two replicates of its untrained networks, and a minibatch."""
    recipe = builder({"x": shape, "label": (n_classes,)}, width=2, **options)
    networks = {role: Replicated(build, [0, 1]) for role, build in recipe.networks.items()}
    draws = {"normal": torch.randn, "uniform": torch.rand, "signed": lambda *s: 2 * torch.rand(*s) - 1}
    batch = {key: draws[noise.kind](2, n, *noise.shape) for key, noise in recipe.noise.items()}
    return (
        recipe,
        networks,
        {**batch, "x": torch.rand(2, n, *shape) * 2 - 1, "label": (torch.arange(n) % n_classes).expand(2, n)},
    )


def terms(recipe, phase: str, networks, batch):
    return next(one for one in recipe.phases if one.name == phase).objective(networks, batch, {})


def test_a_pyramids_generators_learn_on_real_coarse_images_and_sample_on_their_own():
    recipe, networks, batch = made(lapgan, n_noise=3)
    assert {role.split("_")[1] for role in networks} == {"2", "4", "8"}
    seen = {}

    def watched(role):
        def call(*inputs):
            seen.setdefault(role, []).append(inputs)
            return networks[role](*inputs)

        return call

    within = {role: watched(role) for role in networks}
    terms(recipe, "generator", within, batch)
    blurred = enlarged(shrunk(batch["x"]), smooth=True)
    torch.testing.assert_close(seen["generator_8"][0][1], blurred)
    torch.testing.assert_close(seen["generator_4"][0][1], enlarged(shrunk(batch["x"], 4), smooth=True))
    detail = networks["generator_8"](*seen["generator_8"][0])
    torch.testing.assert_close(seen["discriminator_8"][0][0], blurred + detail)
    seen.clear()
    terms(recipe, "discriminator", within, batch)
    torch.testing.assert_close(seen["discriminator_8"][0][0], batch["x"])
    torch.testing.assert_close(seen["discriminator_4"][0][0], shrunk(batch["x"]))
    seen.clear()
    sample = recipe.sample(within, batch)
    coarsest = networks["generator_2"](batch["z"])
    details = [networks[f"generator_{side}"](*seen[f"generator_{side}"][0]) for side in (8, 4)]
    torch.testing.assert_close(sample, collapsed(coarsest, details).clamp(-1, 1))


def test_planes_of_noise_are_signed_and_differ_between_sizes():
    recipe, networks, batch = made(lapgan, n_noise=3, n=200)
    seen = {}
    within = dict(networks)
    for side in (4, 8):
        role = f"generator_{side}"
        within[role] = lambda plane, blurred, role=role: seen.setdefault(role, plane) * 0 + blurred
    recipe.sample(within, batch)
    for plane in seen.values():
        assert -1 < plane.min() < -0.95 and 0.95 < plane.max() < 1 and abs(plane.mean().item()) < 0.05
    fine, coarse = (seen[role].flatten(2) for role in ("generator_8", "generator_4"))
    # The numbers of a plane come from a counter, so planes of the same stream have the same first numbers.
    assert (fine[..., : coarse.shape[-1]] - coarse).abs().min() > 0
    together = np.corrcoef(fine[..., : coarse.shape[-1]].flatten(), coarse.flatten())[0, 1]
    assert abs(together) < 0.08  # 6400 numbers: six standard deviations


def test_super_resolution_knows_only_the_means():
    recipe, networks, batch = made(srgan, n_blocks=1, factor=4)
    sample = recipe.sample(networks, batch)
    _, details = pyramid(batch["x"], 2)
    other = enlarged(shrunk(batch["x"], 4), 4)
    assert not torch.allclose(other, batch["x"]) and details
    torch.testing.assert_close(recipe.sample(networks, {**batch, "x": other}), sample)
    assert not torch.allclose(recipe.sample(networks, {**batch, "x": batch["x"].flip(1)}), sample)


def test_super_resolution_pays_for_content_and_the_game():
    recipe, networks, batch = made(srgan, n_blocks=1, factor=2, adversarial_weight=0.5)
    large = networks["generator"](shrunk(batch["x"], 2))
    paid = terms(recipe, "generator", networks, batch)
    np.testing.assert_allclose(
        paid["content"].detach(), ((large - batch["x"]).detach().numpy() ** 2).mean((1, 2, 3, 4)), rtol=1e-5
    )
    torch.testing.assert_close(paid["adversarial"], 0.5 * GAME.generator(networks["discriminator"](large)))


def test_an_enlarging_network_starts_as_the_enlarged_image_and_sees_conditions():
    network, x, c = Enlarging(1, 2, 8, 2, n_condition=3), torch.rand(4, 1, 7, 7), torch.randn(4, 3)
    out = network(x, c)
    assert out.shape == (4, 1, 28, 28)
    assert torch.equal(out, enlarged(x, 4, smooth=True))
    torch.nn.init.normal_(network.last.weight)
    out = network(x, c)
    assert not torch.allclose(network(x, c + 1), out)
    torch.testing.assert_close(network(x[:2], c[:2]), out[:2], rtol=1e-4, atol=1e-5)


def test_factors_that_do_not_fit_are_refused():
    assert [doublings((1, 16, 16), factor) for factor in (2, 4, 8)] == [1, 2, 3]
    for factor in (0, 1, 3, 6):
        with pytest.raises(ValueError, match=rf"factor {factor} is not 2, 4, 8, \.\.\.; use one of these"):
            doublings((1, 24, 24), factor)
    with pytest.raises(ValueError, match=r"factor 8 does not divide an image of \(1, 28, 28\); use a smaller one"):
        doublings((1, 28, 28), 8)


def test_prediction_knows_only_the_first_frames_and_keeps_them():
    recipe, networks, batch = made(next_frame, shape=(4, 8, 8), n_predicted=2)
    sample = recipe.sample(networks, batch)
    assert torch.equal(sample[:, :, :2], batch["x"][:, :, :2])
    other = batch["x"].clone()
    other[:, :, 2:] = 0
    assert torch.equal(recipe.sample(networks, {**batch, "x": other}), sample)
    other[:, :, 0] = 0
    assert not torch.allclose(recipe.sample(networks, {**batch, "x": other})[:, :, 2:], sample[:, :, 2:])


def test_a_predictor_pays_for_errors_in_the_predicted_frames_alone():
    recipe, networks, batch = made(next_frame, shape=(4, 8, 8), error_weight=2.0, gradient_weight=3.0)
    last = networks["generator"](batch["x"][:, :, :3]).detach().numpy()[:, :, 0]
    true = batch["x"].numpy()[:, :, 3]
    paid = terms(recipe, "generator", networks, batch)
    np.testing.assert_allclose(paid["error"].detach(), 2 * np.abs(last - true).mean((1, 2, 3)), rtol=1e-5)
    steps = [np.abs(np.abs(np.diff(last, axis=a)) - np.abs(np.diff(true, axis=a))).mean((1, 2, 3)) for a in (2, 3)]
    np.testing.assert_allclose(paid["gradient"].detach(), 3 * sum(steps), rtol=1e-5)


def test_a_predictor_that_adds_nothing_repeats_a_flat_last_frame():
    network, x = Multiscale((3, 8, 8), 1, 4), torch.full((2, 3, 8, 8), 0.5)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    x[:, :2] = 0
    torch.testing.assert_close(network(x), torch.full((2, 1, 8, 8), 0.5))


@pytest.mark.parametrize("shape, n", [((4,), 1), ((1, 8, 8), 1), ((3, 8, 8), 3), ((3, 8, 8), 0)])
def test_a_prediction_from_nothing_is_refused(shape, n):
    with pytest.raises(ValueError, match=r"leaves none to see; give sequences of images as \(frames, H, W\)"):
        next_frame({"x": shape}, n_predicted=n)


def test_captions_are_bags_of_words():
    captions = sorted(f"{colour} {digit}" for colour in ("blue", "green", "red") for digit in range(4))
    bags = words(torch.arange(12)[None], (3, 4))[0]
    for caption, bag in zip(captions, bags):
        colour, digit = caption.split()
        expected = [word == colour for word in ("blue", "green", "red")] + [str(i) == digit for i in range(4)]
        assert bag.tolist() == [float(x) for x in expected]


def test_both_stages_are_judged_with_their_words_and_real_images_under_other_words_are_false():
    recipe, networks, batch = made(stackgan, n=50, n_words=(2, 3), n_noise=3, n_condition=4, n_blocks=1)
    said = {}

    def watched(role):
        def call(x, y):
            said.setdefault(role, []).append((x, y))
            return networks[role](x, y)

        return call

    within = {**networks, **{role: watched(role) for role in ("discriminator_1", "discriminator_2")}}
    paid = terms(recipe, "discriminator", within, batch)
    own = words(batch["label"], (2, 3))
    for stage, real in ((1, shrunk(batch["x"])), (2, batch["x"])):
        (x, y), (wrong, other), (fake, asked) = said[f"discriminator_{stage}"]
        torch.testing.assert_close(x, real)
        assert torch.equal(wrong, x) and torch.equal(y, own) and torch.equal(asked, own)
        assert (other != own).any(-1).all() and fake.shape == x.shape and not fake.requires_grad
        judge = networks[f"discriminator_{stage}"]
        expected = (2 * GAME.real(judge(x, y)) + GAME.fake(judge(wrong, other)) + GAME.fake(judge(fake, asked))).mean(
            (1, 2)
        ) / 2
        torch.testing.assert_close(paid[f"adversarial_{stage}"], expected)


def test_the_second_stage_does_not_train_the_first():
    recipe, networks, batch = made(stackgan, n_noise=3, n_condition=4, n_blocks=1)
    paid = terms(recipe, "generator", networks, batch)
    (paid["adversarial_2"] + paid["divergence_2"]).sum().backward()
    for role in ("generator", "condition"):
        assert all(p.grad is None for p in networks[f"{role}_1"].parameters())
        assert all(p.grad is not None for p in networks[f"{role}_2"].parameters())


def test_captions_must_number_as_their_words_say():
    with pytest.raises(ValueError, match=r"n_words \(2, 4\) make 8 captions, not 6; change it"):
        stackgan({"x": (3, 8, 8), "label": (6,)}, n_words=(2, 4))
    with pytest.raises(ValueError, match="stackgan needs images with classes, which are its captions"):
        stackgan({"x": (3, 8, 8)})


@pytest.mark.parametrize("builder", [lapgan, srgan])
def test_a_table_is_refused(builder):
    with pytest.raises(ValueError, match=r"needs images, not samples of shape \(4,\)"):
        builder({"x": (4,)})
