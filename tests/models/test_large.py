"""The networks of the papers at the size of the papers: they run."""

import torch

from magan.models import ALIGNING
from magan.networks.architectures import Sizes, architecture_of
from magan.networks.replicate import Replicated
from magan.training.fit import optimiser_of, update

SHAPE = (3, 256, 256)
SHAPES = {"x1": SHAPE, "x2": SHAPE}


def step(name: str, batch_size: int, **options) -> dict[str, torch.Tensor]:
    """Terms of one update of every phase; all weights are as finite after it."""
    recipe = ALIGNING[name](SHAPES, **options)
    networks = {role: Replicated(make, [0]) for role, make in recipe.networks.items()}
    images = [torch.rand(1, batch_size, *SHAPE, generator=torch.Generator().manual_seed(i)) * 2 - 1 for i in range(2)]
    batch = dict(zip(("x1", "x2"), images)) | dict(zip(("pair1", "pair2"), images))
    batch |= {key: torch.rand(1, batch_size, *noise.shape) for key, noise in recipe.noise.items()}
    carry, terms = {**recipe.carry, "step": torch.zeros(1)}, {}
    for phase in recipe.phases:
        terms |= update(phase, networks, optimiser_of(phase, networks, recipe.optimiser), batch, carry)
        carry = phase.keep(networks, batch, carry)
    assert all(value.isfinite().all() for network in networks.values() for value in network.state().values())
    return terms


def test_cyclegans_nine_blocks_and_patches_of_70_pixels_go_forward_and_back():
    """One way, at full width: the generator against its discriminator."""
    kind = architecture_of("resnet", Sizes())
    generator, discriminator = (
        Replicated(make, [0]) for make in (kind.generator(SHAPE, SHAPE), kind.discriminator(SHAPE))
    )
    x = torch.rand(1, 1, *SHAPE) * 2 - 1
    scores = discriminator(generator(x))
    assert scores.shape == (1, 1, 1, 30, 30)
    (scores - 1).square().mean().backward()
    for network in (generator, discriminator):
        assert all(p.grad.isfinite().all() and p.grad.any() for p in network.parameters())


def test_cyclegan_takes_a_step_at_256_pixels_with_its_pool_of_50():
    terms = step("cyclegan", 1, architecture="resnet", width=4, n_pool=50, identity_weight=5.0)
    assert set(terms) == {
        *("generator/adversarial", "generator/cycle", "generator/identity"),
        *("discriminator/discriminator_1", "discriminator/discriminator_2"),
    }


def test_travelgan_takes_a_step_at_256_pixels():
    terms = step("travelgan", 2, architecture="unet", width=32)
    assert {"generator/travel", "generator/travel_cosine", "generator/margin_violation"} < set(terms)


def test_discogan_and_pix2pix_take_a_step_at_256_pixels():
    assert "generator/reconstruction" in step("discogan", 2, architecture="encoder_decoder", width=16)
    assert "generator/absolute_error" in step("pix2pix", 1, width=16)
