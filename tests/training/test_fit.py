import itertools
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from magan.models import ALIGNING
from magan.networks.mlp import MLP
from magan.networks.replicate import Replicated, role_seed
from magan.recipe import Adam, Phase, Recipe, RMSprop
from magan.training.fit import Optimisation, Watch, fit, nonfinite_replicates

SEEDS = [3, 5]
X = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0))


class Weight(nn.Module):
    """One number that starts at zero."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x + self.w


def pull(networks, batch, carry):
    """(w - 1)^2 of network a."""
    return {"pull": (networks["a"](batch["x"]) - 1).pow(2).flatten(1).mean(1)}


def one_weight(*phases: Phase, learning_rate: float = 0.1, **parts) -> Recipe:
    return Recipe({"a": Weight}, phases, Adam(learning_rate, (0.5, 0.99)), **parts)


def still():
    return itertools.repeat({"x": torch.zeros(2, 1, 1)})


def numbered():
    """Batches that say the how-manieth they are."""
    return ({"x": torch.full((2, 1, 1), float(i))} for i in itertools.count())


@pytest.mark.parametrize("steps, every, recorded", [(25, 10, [0, 10, 20, 24]), (21, 10, [0, 10, 20]), (3, 100, [0, 2])])
def test_terms_are_recorded_every_so_many_steps_and_after_the_last(steps, every, recorded):
    seen = []
    recipe = one_weight(Phase("only", ("a",), pull))
    fit(
        recipe,
        still(),
        seeds=SEEDS,
        steps=steps,
        watch=Watch(lambda step, terms: seen.append((step, terms)), every=every),
    )
    assert [step for step, _ in seen] == recorded
    for _, terms in seen:
        assert list(terms) == ["only/pull"] and terms["only/pull"].shape == (2,)
        assert not terms["only/pull"].requires_grad


def test_the_recorded_loss_is_that_before_the_update():
    seen = []
    fit(
        one_weight(Phase("only", ("a",), pull)), still(), seeds=SEEDS, steps=1, watch=Watch(lambda s, t: seen.append(t))
    )
    torch.testing.assert_close(seen[0]["only/pull"], torch.ones(2))


def test_adams_first_step_is_the_learning_rate_whatever_the_gradient():
    networks = fit(one_weight(Phase("only", ("a",), pull)), still(), seeds=SEEDS, steps=1)
    torch.testing.assert_close(networks["a"].state()["w"], torch.full((2, 1), 0.1))


def test_a_learning_rate_that_decays_falls_in_a_straight_line():
    """Under a slope that never changes Adam moves by the learning rate: 0.1 and 0.2 times (1 + 3/4 + 2/4 + 1/4).

    Falling over the last half, 0.2 times (1 + 1 + 1 + 1/2).
    """
    slope = Phase("only", ("a",), lambda networks, batch, _: {"slope": -networks["a"](batch["x"]).flatten(1).mean(1)})
    for rate, share, total in ((None, 1.0, 0.25), (0.2, 1.0, 0.5), (0.2, 0.5, 0.7)):
        networks = fit(
            one_weight(slope), still(), seeds=SEEDS, steps=4, optimisation=Optimisation(learning_rate=rate, decay=share)
        )
        torch.testing.assert_close(networks["a"].state()["w"], torch.full((2, 1), total))


def test_a_study_may_replace_the_recipes_optimiser():
    networks = fit(
        one_weight(Phase("only", ("a",), pull)),
        still(),
        seeds=SEEDS,
        steps=1,
        optimisation=Optimisation(learning_rate=0.25),
    )
    torch.testing.assert_close(networks["a"].state()["w"], torch.full((2, 1), 0.25))


def test_betas_reach_the_optimiser():
    """Adam's second step, by hand: gradients 2 (w + x - 1) at w = 0, x = 0 and then at w = 0.1, x = 3."""
    b1, b2, rate = 0.3, 0.6, 0.1
    batches = iter([{"x": torch.zeros(2, 1, 1)}, {"x": torch.full((2, 1, 1), 3.0)}])
    networks = fit(
        one_weight(Phase("only", ("a",), pull)),
        batches,
        seeds=SEEDS,
        steps=2,
        optimisation=Optimisation(betas=(b1, b2)),
    )
    g1 = -2.0
    g2 = 2 * (3 + rate - 1)
    m, v = b1 * (1 - b1) * g1 + (1 - b1) * g2, b2 * (1 - b2) * g1**2 + (1 - b2) * g2**2
    w = rate - rate * (m / (1 - b1**2)) / (v / (1 - b2**2)) ** 0.5
    torch.testing.assert_close(networks["a"].state()["w"], torch.full((2, 1), w))


def test_weight_decay_pulls_towards_zero():
    def nothing(networks, batch, carry):
        return {"zero": 0 * networks["a"](batch["x"]).flatten(1).mean(1)}

    recipe = Recipe({"a": partial(MLP, (3,), (2,), ())}, (Phase("only", ("a",), nothing),), Adam(0.01, (0.5, 0.9)))
    decaying = replace(recipe, optimiser=Adam(0.01, (0.5, 0.9), weight_decay=0.1))
    start = fit(recipe, itertools.repeat({"x": X}), seeds=SEEDS, steps=1)["a"].state()["layers.0.weight"]
    decayed = fit(decaying, itertools.repeat({"x": X}), seeds=SEEDS, steps=1)
    torch.testing.assert_close(decayed["a"].state()["layers.0.weight"], start - 0.01 * start.sign(), rtol=0, atol=1e-5)


def test_a_phase_may_have_an_optimiser_of_its_own():
    """RMSprop's first step is the rate over the root of the share that a new square has in its mean, 0.01."""
    own = Phase("only", ("a",), pull, optimiser=RMSprop(0.02))
    networks = fit(one_weight(own), still(), seeds=SEEDS, steps=1)
    torch.testing.assert_close(networks["a"].state()["w"], torch.full((2, 1), 0.02 / 0.01**0.5))


def test_repeats_may_depend_on_the_step():
    seen = []
    phase = Phase("only", ("a",), pull, repeats=lambda step: 3 if step == 0 else 1, after=lambda n, s: seen.append(s))
    fit(one_weight(phase), still(), seeds=SEEDS, steps=3)
    assert seen == [0, 0, 0, 1, 2]


def test_what_a_phase_keeps_reaches_its_next_update():
    seen = []

    def objective(networks, batch, carry):
        seen.append(carry["n"].tolist())
        return pull(networks, batch, carry)

    phase = Phase("only", ("a",), objective, repeats=2, keep=lambda n, b, carry: {**carry, "n": carry["n"] + 1})
    fit(replace(one_weight(phase), carry={"n": torch.zeros(1)}), still(), seeds=SEEDS, steps=2)
    assert seen == [[0.0], [1.0], [2.0], [3.0]]


def test_repeats_are_consecutive_updates_on_fresh_batches():
    seen = []

    def look(name, networks, batch, carry):
        seen.append((name, batch["x"][0, 0, 0].item()))
        return {"pull": networks["a"](batch["x"]).flatten(1).mean(1)}

    phases = (Phase("one", ("a",), partial(look, "one"), repeats=3), Phase("two", ("a",), partial(look, "two")))
    fit(one_weight(*phases), numbered(), seeds=SEEDS, steps=2)
    assert seen == [(name, float(i)) for i, name in enumerate(["one", "one", "one", "two"] * 2)]


def test_a_phase_may_run_only_every_so_many_steps():
    steps = []
    phase = Phase("lazy", ("a",), pull, every=3, after=lambda networks, step: steps.append(step))
    fit(one_weight(Phase("usual", ("a",), pull), phase), still(), seeds=SEEDS, steps=8)
    assert steps == [0, 3, 6]


def test_after_each_update_a_phase_may_move_the_weights():
    clipped = []

    def clip(networks, step):
        clipped.append(step)
        with torch.no_grad():
            for p in networks["a"].parameters():
                p.clamp_(-0.05, 0.05)

    networks = fit(one_weight(Phase("only", ("a",), pull, repeats=2, after=clip)), still(), seeds=SEEDS, steps=3)
    torch.testing.assert_close(networks["a"].state()["w"], torch.full((2, 1), 0.05))
    assert clipped == [0, 0, 1, 1, 2, 2]


def test_the_carry_advances_once_a_step_with_the_terms_of_that_step():
    seen = []

    def look(networks, batch, carry):
        seen.append(carry["total"].tolist())
        return pull(networks, batch, carry)

    recipe = one_weight(
        Phase("only", ("a",), look, repeats=2),
        learning_rate=1e-12,  # the loss stays 1
        carry={"total": torch.zeros(2)},
        advance=lambda carry, terms: {"total": carry["total"] + terms["only/pull"]},
    )
    fit(recipe, still(), seeds=SEEDS, steps=3)
    assert seen == [[0, 0], [0, 0], [1, 1], [1, 1], [2, 2], [2, 2]]
    assert recipe.carry["total"].tolist() == [0, 0]


def test_networks_that_a_phase_does_not_train_get_no_gradient_and_can_train_again():
    def both(networks, batch, carry):
        return {"sum": (networks["a"](batch["x"]) + networks["b"](batch["x"]) - 1).pow(2).flatten(1).mean(1)}

    recipe = Recipe({"a": Weight, "b": Weight}, (Phase("only", ("a",), both),), Adam(0.1, (0.5, 0.99)))
    networks = fit(recipe, still(), seeds=SEEDS, steps=2)
    assert networks["a"].state()["w"].all() and not networks["b"].state()["w"].any()
    assert all(p.grad is None and p.requires_grad for p in networks["b"].parameters())


def test_two_roles_of_one_shape_do_not_start_as_twins():
    build = partial(MLP, (3,), (1,), (4,))
    recipe = Recipe({"one": build, "two": build}, (), Adam(0.1, (0.5, 0.99)))
    networks = fit(recipe, still(), seeds=SEEDS, steps=0)
    one, two = (networks[role].state()["layers.0.weight"] for role in ("one", "two"))
    assert not torch.equal(one, two)
    torch.manual_seed(role_seed(SEEDS[1], "two"))
    assert torch.equal(two[1], build().state_dict()["layers.0.weight"])


@pytest.mark.parametrize("name", sorted(set(ALIGNING) - {"pix2pix"}))
def test_training_equals_a_loop_with_an_optimiser_that_is_not_fused(name):
    options = {"generator_hidden": (6,), "discriminator_hidden": (5,)}
    options |= {"siamese_hidden": (6,), "n_latent": 4} if name == "travelgan" else {}
    recipe, batch = ALIGNING[name]({"x1": (3,), "x2": (3,)}, **options), {"x1": X, "x2": X.flip(1) + 1}
    fitted = fit(recipe, itertools.repeat(batch), seeds=SEEDS, steps=5)

    networks = {role: Replicated(make, [role_seed(s, role) for s in SEEDS]) for role, make in recipe.networks.items()}
    own = recipe.optimiser
    optimisers = {
        phase.name: torch.optim.Adam(
            [p for role in phase.trains for p in networks[role].parameters()],
            own.learning_rate,
            own.betas,
            weight_decay=own.weight_decay,
            fused=False,
        )
        for phase in recipe.phases
    }
    for _ in range(5):
        for phase in recipe.phases:
            for _ in range(phase.repeats):
                for network in networks.values():
                    network.zero_grad()
                sum(phase.objective(networks, batch, {"step": torch.zeros(1)}).values()).sum().backward()
                optimisers[phase.name].step()
    for role, network in networks.items():
        torch.testing.assert_close(fitted[role].state(), network.state(), rtol=1e-4, atol=1e-5)


def test_a_replicate_is_broken_by_any_weight_that_is_not_finite():
    networks = {role: Replicated(partial(MLP, (3,), (1,), (4,)), [0, 1, 2]) for role in ("one", "two")}
    assert nonfinite_replicates(networks).tolist() == [False, False, False]
    networks["one"].state()["layers.0.bias"][1, 2] = torch.nan
    networks["two"].state()["layers.1.weight"][2] = torch.inf
    assert nonfinite_replicates(networks).tolist() == [False, True, True]


def test_what_a_look_tells_is_recorded_with_the_terms_and_sees_the_networks_of_that_step():
    seen = []

    def look(step, networks):
        return {"health/w": networks["a"].state()["w"][:, 0] + step}

    recipe = one_weight(Phase("only", ("a",), pull))
    fit(recipe, still(), seeds=SEEDS, steps=2, watch=Watch(lambda step, terms: seen.append(terms), look, every=1))
    assert [list(terms) for terms in seen] == [["only/pull", "health/w"]] * 2
    torch.testing.assert_close(seen[0]["health/w"], torch.full((2,), 0.1))


def test_mixed_precision_computes_in_bfloat16_and_learns_in_single():
    kinds, networks = {}, {}

    def objective(nets, batch, carry):
        made = nets["a"](batch["x"])
        kinds["made"] = made.dtype
        return {"square": made.pow(2).flatten(1).mean(1)}

    recipe = Recipe({"a": partial(MLP, (3,), (1,), (8,))}, (Phase("only", ("a",), objective),), Adam(0.01, (0.5, 0.9)))
    for precision, kind in (("single", torch.float32), ("mixed", torch.bfloat16)):
        networks[precision] = fit(
            recipe, itertools.repeat({"x": X}), seeds=SEEDS, steps=20, optimisation=Optimisation(precision=precision)
        )["a"].state()
        assert kinds["made"] == kind
    for name, value in networks["mixed"].items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, networks["single"][name], rtol=0, atol=0.05)
    assert not torch.equal(networks["mixed"]["layers.0.weight"], networks["single"]["layers.0.weight"])


def test_mixed_precision_keeps_the_gradient_of_a_weight_that_was_first_used_without_one():
    def objective(nets, batch, carry):
        with torch.no_grad():
            nets["a"](batch["x"])
        return {"square": nets["a"](batch["x"]).pow(2).flatten(1).mean(1)}

    recipe = Recipe({"a": partial(MLP, (3,), (1,), (8,))}, (Phase("only", ("a",), objective),), Adam(0.01, (0.5, 0.9)))
    first, last = (
        fit(recipe, itertools.repeat({"x": X}), seeds=SEEDS, steps=steps, optimisation=Optimisation(precision="mixed"))[
            "a"
        ].state()
        for steps in (0, 1)
    )
    assert not torch.equal(first["layers.0.weight"], last["layers.0.weight"])
