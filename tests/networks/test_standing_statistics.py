"""Standing statistics of batch normalisation."""

from functools import partial

import pytest
import torch
from torch import nn

from magan.models import GENERATING
from magan.networks.convolution import Generator
from magan.networks.replicate import Replicated
from magan.networks.standing_statistics import standing

SEEDS = (3, 5)


def drawn(networks, batch):
    return networks["generator"](batch["z"])


def test_the_first_minibatch_is_normalised_by_itself_and_every_other_as_the_first():
    torch.manual_seed(0)
    networks = {"generator": Replicated(lambda: nn.BatchNorm1d(4, track_running_stats=False), SEEDS)}
    company, other = (torch.randn(1, n, 4) * 3 + 2 for n in (50, 7))
    own = standing(networks, 0, drawn, {"z": company})
    mean, deviation = company[0].mean(0), company[0].std(0, correction=0)
    for z in (company, other):
        torch.testing.assert_close(own["generator"](z)[0], (z[0] - mean) / deviation, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("row", [0, 1])
def test_a_copy_makes_of_its_company_what_it_makes_in_training(row):
    build = partial(Generator, 6, (1, 8, 8), 2)
    networks, z = {"generator": Replicated(build, SEEDS)}, torch.randn(2, 40, 6)
    own = standing(networks, row, drawn, {"z": z[row : row + 1]})
    whole = networks["generator"](z)[row]
    torch.testing.assert_close(own["generator"](z[row : row + 1])[0], whole, rtol=1e-4, atol=1e-5)
    alone = torch.cat([own["generator"](one[None, None])[0] for one in z[row]])
    torch.testing.assert_close(alone, whole, rtol=1e-4, atol=1e-5)


def test_networks_that_do_not_normalise_are_as_they_were():
    recipe = GENERATING["gan"]({"x": (3,)}, width=2)
    networks = {role: Replicated(build, SEEDS) for role, build in recipe.networks.items()}
    z = torch.randn(1, 9, *recipe.noise["z"].shape)
    own = standing(networks, 1, recipe.sample, {"z": z})
    made = recipe.sample({role: network.select([1]) for role, network in networks.items()}, {"z": z})
    assert torch.equal(recipe.sample(own, {"z": z}), made)
