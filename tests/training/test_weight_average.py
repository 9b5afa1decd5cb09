from functools import partial

import pytest
import torch
from torch import nn

from magan.networks.mlp import MLP
from magan.recipe import Adam, Phase, Recipe
from magan.training.fit import fit
from magan.training.weight_average import averaged, means

SEEDS = [3, 5]
BATCH = {"x": torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0))}


class Stream:
    """The same minibatch for ever."""

    def __iter__(self):
        return self

    def __next__(self):
        return BATCH


class Weight(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x + self.w


def slope(networks, batch, carry):
    """A slope that never changes: Adam moves each weight by its learning rate."""
    return {"slope": -networks["generator"](batch["x"]).flatten(1).mean(1)}


def counting(**parts) -> Recipe:
    """After step t the generator's weight is t + 1."""
    return Recipe({"generator": Weight}, (Phase("only", ("generator",), slope),), Adam(1.0, (0.5, 0.9)), **parts)


def test_a_running_mean_starts_at_the_first_weights_and_keeps_its_share():
    networks = fit(averaged(counting(), 0.75), Stream(), seeds=SEEDS, steps=3)
    mean = 0.75 * (0.75 * 1 + 0.25 * 2) + 0.25 * 3
    torch.testing.assert_close(networks["generator"].state()["w"], torch.full((2, 1), 3.0))
    torch.testing.assert_close(networks["generator_average"].state()["w"], torch.full((2, 1), mean))


def test_means_take_the_place_of_their_networks():
    networks = fit(averaged(counting(), 0.5), Stream(), seeds=SEEDS, steps=3)
    assert means(networks) == {"generator": networks["generator_average"]}
    assert means({"generator": 1, "discriminator": 2, "generator_average": 3}) == {"generator": 3, "discriminator": 2}


def test_samples_are_made_with_the_means():
    recipe = averaged(counting(sample=lambda networks, batch: networks["generator"](batch["x"])), 0.5)
    networks = fit(recipe, Stream(), seeds=SEEDS, steps=2)
    torch.testing.assert_close(recipe.sample(networks, BATCH), BATCH["x"] + 1.5)


def test_averaging_changes_no_training():
    build = {"generator": partial(MLP, (3,), (3,), (4,)), "discriminator": partial(MLP, (3,), (1,), (4,))}

    def game(networks, batch, carry):
        return {"score": networks["discriminator"](networks["generator"](batch["x"])).flatten(1).mean(1)}

    phases = (Phase("one", ("generator",), game), Phase("two", ("discriminator",), game))
    recipe = Recipe(build, phases, Adam(0.01, (0.5, 0.9)))
    with_means = averaged(recipe, 0.9)
    assert set(with_means.networks) == {"generator", "discriminator", "generator_average"}  # not the discriminator's
    alone, beside = (fit(one, Stream(), seeds=SEEDS, steps=5) for one in (recipe, with_means))
    for role in build:
        assert all(torch.equal(x, beside[role].state()[key]) for key, x in alone[role].state().items())


def test_without_a_share_to_keep_the_recipe_is_as_it_was():
    recipe = counting()
    assert averaged(recipe, 0.0) is recipe


def test_what_follows_an_update_comes_before_the_mean():
    def halve(networks, step):
        networks["generator"].state()["w"].mul_(0.5)

    recipe = Recipe({"generator": Weight}, (Phase("only", ("generator",), slope, after=halve),), Adam(1.0, (0.5, 0.9)))
    networks = fit(averaged(recipe, 0.5), Stream(), seeds=SEEDS, steps=1)
    torch.testing.assert_close(networks["generator_average"].state()["w"], torch.full((2, 1), 0.5))


def test_a_model_with_a_mean_of_its_own_is_refused():
    recipe = Recipe({"generator": Weight, "generator_average": Weight}, (), Adam(1.0, (0.5, 0.9)))
    with pytest.raises(ValueError, match="'generator_average' is already a running mean in this model"):
        averaged(recipe, 0.9)
