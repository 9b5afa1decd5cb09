"""What each model minimises, against its paper's formulas written in numpy, one replicate at a time."""

import itertools
from functools import partial

import numpy as np
import pytest
import torch

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.correspondence import shared_markers
from magan.models import ALIGNING
from magan.networks.replicate import Replicated
from magan.training.fit import Watch, fit

SHAPES = {"x1": (4,), "x2": (3,)}
WIDTHS = {"generator_hidden": (6, 5), "discriminator_hidden": (7, 5, 4)}
SIAMESE = {"siamese_hidden": (6, 5), "n_latent": 8}
SEEDS, B = (0, 1), 6
TWO_WAY = sorted(set(ALIGNING) - {"pix2pix"})


def column_kept(G12, G21, batch):  # noqa: N803
    """Column 0 of either domain must not change, as in the MAGAN authors' toy."""
    first = {name: batch[name][..., :1] for name in ("x1", "x12", "x2", "x21")}
    return shared_markers(first["x1"], first["x12"]) + shared_markers(first["x2"], first["x21"])


def setting(name: str, shapes=SHAPES, **options):
    """A recipe, its networks in double precision, and a batch."""
    recipe = ALIGNING[name](shapes, **WIDTHS, **(SIAMESE if name == "travelgan" else {}), **options)
    networks = {role: Replicated(make, SEEDS).double() for role, make in recipe.networks.items()}
    generator = torch.Generator().manual_seed(0)
    batch = {k: torch.randn(len(SEEDS), B, *shape, generator=generator).double() for k, shape in shapes.items()}
    return recipe, networks, batch


def terms(recipe, phase: str, networks, batch, step: int = 0) -> dict[str, np.ndarray]:
    objective = next(p.objective for p in recipe.phases if p.name == phase)
    carry = {**recipe.carry, "step": torch.full((1,), float(step))}
    return {name: value.detach().numpy() for name, value in objective(networks, batch, carry).items()}


def connected(state, r: int, x: np.ndarray, prefix: str = "", hidden: list | None = None) -> np.ndarray:
    """Replicate r of a fully connected network: relu between its layers."""
    n = sum(name.startswith(f"{prefix}layers.") and name.endswith("weight") for name in state)
    for i in range(n):
        x = x @ state[f"{prefix}layers.{i}.weight"][r].numpy()
        if f"{prefix}layers.{i}.bias" in state:
            x = x + state[f"{prefix}layers.{i}.bias"][r].numpy()
        if i < n - 1:
            x = np.maximum(x, 0)
            if hidden is not None:
                hidden.append(x)
    return x


def by_hand(networks, batch, r: int):
    """G12, G21, D1, D2, x1 and x2 of replicate r, in numpy."""
    maps = [
        partial(connected, networks[role].state(), r)
        for role in ("generator_12", "generator_21", "discriminator_1", "discriminator_2")
    ]
    return *maps, batch["x1"][r].numpy(), batch["x2"][r].numpy()


def cross_entropy(score: np.ndarray, label: int) -> float:
    belief = 1 / (1 + np.exp(-score))
    return float(-np.mean(np.log(belief if label else 1 - belief)))


def mse(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.mean((a - b) ** 2))


def mae(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.mean(np.abs(a - b)))


def test_magans_generators_minimise_the_authors_six_terms():
    recipe, networks, batch = setting("magan", correspondence=column_kept)
    found = terms(recipe, "generator", networks, batch)
    assert set(found) == {"adversarial", "cycle", "correspondence"}
    for r in range(len(SEEDS)):
        g12, g21, d1, d2, x1, x2 = by_hand(networks, batch, r)
        x12, x21 = g12(x1), g21(x2)
        games = [cross_entropy(d2(x12), 1), cross_entropy(d1(x21), 1)]
        cycles = [mse(x1, g21(x12)), mse(x2, g12(x21))]
        kept = [mse(x1[:, 0], x12[:, 0]), mse(x2[:, 0], x21[:, 0])]
        np.testing.assert_allclose(found["adversarial"][r], sum(games))
        np.testing.assert_allclose(found["cycle"][r], sum(cycles))
        np.testing.assert_allclose(found["correspondence"][r], sum(kept))
        # the authors' code averages what is summed here
        np.testing.assert_allclose(sum(v[r] for v in found.values()), 6 * np.mean([*games, *cycles, *kept]))


def test_noise_is_added_to_what_magans_cycle_maps_back_and_to_nothing_else():
    recipe, networks, batch = setting("magan", cycle_noise=0.5)
    assert {name: noise.shape for name, noise in recipe.noise.items()} == {"noise_12": (3,), "noise_21": (4,)}
    assert not ALIGNING["magan"](SHAPES).noise
    for name, like in (("noise_12", "x2"), ("noise_21", "x1")):
        batch[name] = torch.randn(batch[like].shape, generator=torch.Generator().manual_seed(1)).double()
    found, usual = terms(recipe, "generator", networks, batch), terms(setting("magan")[0], "generator", networks, batch)
    np.testing.assert_array_equal(found["adversarial"], usual["adversarial"])
    for r in range(len(SEEDS)):
        g12, g21, _, _, x1, x2 = by_hand(networks, batch, r)
        noise_12, noise_21 = (batch[name][r].numpy() / 2 for name in ("noise_12", "noise_21"))
        cycles = [mse(x1, g21(g12(x1) + noise_12)), mse(x2, g12(g21(x2) + noise_21))]
        np.testing.assert_allclose(found["cycle"][r], sum(cycles))


@pytest.mark.parametrize("paper", [False, True])
def test_magans_discriminators_minimise_four_cross_entropies_and_in_the_paper_two_more(paper):
    recipe, networks, batch = setting("magan", reconstructions_are_real=paper)
    found = terms(recipe, "discriminator", networks, batch)
    for r in range(len(SEEDS)):
        g12, g21, d1, d2, x1, x2 = by_hand(networks, batch, r)
        x12, x21 = g12(x1), g21(x2)
        real, fake = [cross_entropy(d1(x1), 1), cross_entropy(d2(x2), 1)], [d1(x21), d2(x12)]
        four = [*real, *(cross_entropy(score, 0) for score in fake)]
        more = [cross_entropy(d1(g21(x12)), 1), cross_entropy(d2(g12(x21)), 1)] if paper else []
        np.testing.assert_allclose(sum(v[r] for v in found.values()), 4 * np.mean(four) + sum(more))


REAL_COSTS = {  # of one score of a sample that counts as real
    "minimax": lambda s: np.log(1 + np.exp(-s)),
    "non_saturating": lambda s: np.log(1 + np.exp(-s)),
    "likelihood": lambda s: np.log(1 + np.exp(-s)),
    "least_squares": lambda s: (s - 1) ** 2 / 2,
    "wasserstein": lambda s: -s,
}


@pytest.mark.parametrize("game", ADVERSARIAL)
def test_magans_reconstructions_are_real_in_the_terms_of_the_game(game):
    recipe, networks, batch = setting("magan", reconstructions_are_real=True, adversarial=game)
    found = terms(recipe, "discriminator", networks, batch)
    for r in range(len(SEEDS)):
        g12, g21, d1, d2, x1, x2 = by_hand(networks, batch, r)
        paid = np.mean(REAL_COSTS[game](d1(g21(g12(x1))))) + np.mean(REAL_COSTS[game](d2(g12(g21(x2)))))
        np.testing.assert_allclose(found["reconstructions"][r], paid)


def test_magan_without_a_correspondence_has_no_such_term():
    recipe, networks, batch = setting("magan")
    assert set(terms(recipe, "generator", networks, batch)) == {"adversarial", "cycle"}


def test_cyclegan_minimises_least_squares_and_ten_times_an_absolute_cycle():
    shapes = {"x1": (3,), "x2": (3,)}
    recipe, networks, batch = setting("cyclegan", shapes, identity_weight=5.0)
    generators, discriminators = (terms(recipe, phase, networks, batch) for phase in ("generator", "discriminator"))
    for r in range(len(SEEDS)):
        g12, g21, d1, d2, x1, x2 = by_hand(networks, batch, r)
        x12, x21 = g12(x1), g21(x2)
        np.testing.assert_allclose(generators["adversarial"][r], np.mean((d2(x12) - 1) ** 2 + (d1(x21) - 1) ** 2))
        np.testing.assert_allclose(generators["cycle"][r], 10 * (mae(x1, g21(x12)) + mae(x2, g12(x21))))
        np.testing.assert_allclose(generators["identity"][r], 5 * (mae(g12(x2), x2) + mae(g21(x1), x1)))
        sides = {"discriminator_1": (d1(x1), d1(x21)), "discriminator_2": (d2(x2), d2(x12))}
        for role, (real, fake) in sides.items():
            np.testing.assert_allclose(discriminators[role][r], 0.5 * (np.mean((real - 1) ** 2) + np.mean(fake**2)))


def test_cyclegans_discriminators_see_some_of_the_past_and_its_generators_none():
    """The pool of 4 is full after one step of 6: what was shown and kept, by the draws, one sample after another."""
    recipe, networks, batch = setting("cyclegan", n_pool=4)
    usual = setting("cyclegan")[0]
    assert {name: noise.shape for name, noise in recipe.noise.items()} == dict.fromkeys(
        ("coin_1", "coin_2", "place_1", "place_2"), ()
    )
    draw = torch.Generator().manual_seed(1)
    carry, phase = {**recipe.carry, "step": torch.zeros(1)}, recipe.phases[1]
    pools = {domain: [[None] * 4 for _ in SEEDS] for domain in (1, 2)}
    for step in range(3):
        batch |= {name: torch.rand(len(SEEDS), B, generator=draw) for name in recipe.noise}
        batch |= {name: torch.randn(x.shape, generator=draw).double() for name, x in batch.items() if name[0] == "x"}
        carry["step"] = torch.full((1,), float(step))
        found = phase.objective(networks, batch, carry)
        carry = phase.keep(networks, batch, carry)
        for r in range(len(SEEDS)):
            g12, g21, d1, d2, x1, x2 = by_hand(networks, batch, r)
            for domain, d, real, fake in ((1, d1, x1, g21(x2)), (2, d2, x2, g12(x1))):
                coins, places = (batch[f"{name}_{domain}"][r].tolist() for name in ("coin", "place"))
                shown = np.stack(list(shown_of(pools[domain][r], fake, step * B, coins, places)))
                expected = 0.5 * (np.mean((d(real) - 1) ** 2) + np.mean(d(shown) ** 2))
                np.testing.assert_allclose(found[f"discriminator_{domain}"][r].detach(), expected)
    assert terms(recipe, "generator", networks, batch).keys() == terms(usual, "generator", networks, batch).keys()
    for name, value in terms(usual, "generator", networks, batch).items():
        np.testing.assert_array_equal(terms(recipe, "generator", networks, batch)[name], value)


def shown_of(pool: list, fakes: np.ndarray, n_seen: int, coins: list, places: list):
    for i, fake in enumerate(fakes):
        at = n_seen + i if n_seen + i < len(pool) else int(places[i] * len(pool)) if coins[i] < 0.5 else None
        if at is None or pool[at] is None:
            yield fake
        else:
            yield pool[at]
        if at is not None:
            pool[at] = fake


def test_discogan_minimises_a_logistic_game_and_a_squared_reconstruction():
    recipe, networks, batch = setting("discogan")
    generators, discriminators = (terms(recipe, phase, networks, batch) for phase in ("generator", "discriminator"))
    assert set(generators) == {"adversarial", "reconstruction"}
    for r in range(len(SEEDS)):
        g12, g21, d1, d2, x1, x2 = by_hand(networks, batch, r)
        x12, x21 = g12(x1), g21(x2)
        np.testing.assert_allclose(generators["adversarial"][r], cross_entropy(d2(x12), 1) + cross_entropy(d1(x21), 1))
        np.testing.assert_allclose(generators["reconstruction"][r], mse(x1, g21(x12)) + mse(x2, g12(x21)))
        np.testing.assert_allclose(
            sum(value[r] for value in discriminators.values()),
            sum(cross_entropy(d, 1) for d in (d1(x1), d2(x2))) + sum(cross_entropy(d, 0) for d in (d1(x21), d2(x12))),
        )


@pytest.mark.parametrize("step, rate", [(0, 0.01), (4999, 0.01), (5000, 0.5), (9000, 0.5)])
def test_discogans_code_mixes_game_matching_and_reconstruction_by_a_rate_that_switches_after_warm_up(step, rate):
    recipe, networks, batch = setting("discogan", feature_matching=True)
    found = terms(recipe, "generator", networks, batch, step)
    for r in range(len(SEEDS)):
        g12, g21, d1, d2, x1, x2 = by_hand(networks, batch, r)
        x12, x21 = g12(x1), g21(x2)
        game = cross_entropy(d2(x12), 1) + cross_entropy(d1(x21), 1)
        matching = 0.0
        for role, real, fake in (("discriminator_2", x2, x12), ("discriminator_1", x1, x21)):
            of_real, of_fake = [], []
            connected(networks[role].state(), r, real, hidden=of_real)
            connected(networks[role].state(), r, fake, hidden=of_fake)
            matching += sum(mse(a.mean(0), b.mean(0)) for a, b in zip(of_real[1:], of_fake[1:]))
        np.testing.assert_allclose(found["adversarial"][r], 0.1 * (1 - rate) * game, rtol=1e-6)
        np.testing.assert_allclose(found["matching"][r], 0.9 * (1 - rate) * matching, rtol=1e-6)
        np.testing.assert_allclose(
            found["reconstruction"][r], rate * (mse(x1, g21(x12)) + mse(x2, g12(x21))), rtol=1e-6
        )


def test_discogan_counts_its_own_steps_to_the_switch():
    def rates(warm_up_steps: int) -> list[float]:
        recipe, _, batch = setting("discogan", feature_matching=True, warm_up_steps=warm_up_steps)
        batch, seen = {name: x.float() for name, x in batch.items()}, []
        fit(recipe, itertools.repeat(batch), seeds=SEEDS, steps=5, watch=Watch(lambda s, t: seen.append(t), every=1))
        return [t["generator/reconstruction"][0].item() for t in seen]

    early, late = rates(2), rates(100)
    assert early[:2] == late[:2]
    assert all(a > 10 * b for a, b in zip(early[2:], late[2:]))  # 0.5 against 0.01


def test_travelgan_minimises_the_three_siamese_terms_and_no_cycle():
    recipe, networks, batch = setting("travelgan")
    generators, discriminators = (terms(recipe, phase, networks, batch) for phase in ("generator", "discriminator"))
    assert set(generators) == {"adversarial", "margin_violation", "travel", "travel_cosine"}
    state = networks["siamese"].state()
    for r in range(len(SEEDS)):
        g12, g21, d1, d2, x1, x2 = by_hand(networks, batch, r)
        x12, x21 = g12(x1), g21(x2)
        s1, s2, s12, s21 = (
            connected(state, r, np.maximum(connected(state, r, x, f"first_{domain}."), 0), "shared.")
            for x, domain in ((x1, 1), (x2, 2), (x12, 2), (x21, 1))
        )
        margin = gap = cosine = 0.0
        pairs = list(itertools.permutations(range(B), 2))
        for s, t in ((s1, s12), (s2, s21)):
            vectors = [(s[i] - s[j], t[i] - t[j]) for i, j in pairs]
            margin += np.mean([max(0, 10 - v @ v) for v, _ in vectors])
            gap += np.mean([np.mean((v - w) ** 2) for v, w in vectors])
            cosine += np.mean([v @ w / np.sqrt((v @ v) * (w @ w)) for v, w in vectors])
        np.testing.assert_allclose(generators["margin_violation"][r], 10 * margin)
        np.testing.assert_allclose(generators["travel"][r], 10 * gap)
        np.testing.assert_allclose(generators["travel_cosine"][r], -10 * cosine)
        np.testing.assert_allclose(generators["adversarial"][r], cross_entropy(d2(x12), 1) + cross_entropy(d1(x21), 1))
        np.testing.assert_allclose(
            discriminators["discriminator_1"][r], 0.5 * (cross_entropy(d1(x1), 1) + cross_entropy(d1(x21), 0))
        )


@pytest.mark.parametrize("name", TWO_WAY)
def test_a_correspondence_counts_with_its_weight_in_every_model(name):
    recipe, networks, batch = setting(name, correspondence=column_kept, correspondence_weight=3.0)
    found = terms(recipe, "generator", networks, batch)["correspondence"]
    for r in range(len(SEEDS)):
        g12, g21, _, _, x1, x2 = by_hand(networks, batch, r)
        kept = mse(g12(x1)[:, 0], x1[:, 0]) + mse(g21(x2)[:, 0], x2[:, 0])
        np.testing.assert_allclose(found[r], 3 * kept)


@pytest.mark.parametrize("name", TWO_WAY)
def test_discriminators_send_no_gradient_to_the_generators(name):
    recipe, networks, batch = setting(name)
    objective = next(p.objective for p in recipe.phases if p.name == "discriminator")
    torch.stack(list(objective(networks, batch, {"step": torch.zeros(1)}).values())).sum().backward()
    for role, network in networks.items():
        reached = any(p.grad is not None and p.grad.any() for p in network.parameters())
        assert reached == role.startswith("discriminator")


@pytest.mark.parametrize("architecture", ["resnet", "unet", "encoder_decoder"])
@pytest.mark.parametrize("name, share", [("magan", 1.0), ("cyclegan", 1.0), ("discogan", 1.0), ("travelgan", 0.5)])
def test_convolutional_discriminators_see_real_and_generated_samples_apart(name, share, architecture):
    """Each normalised by its own statistics, and what is blind pays what the recipe says."""
    shapes = {"x1": (1, 16, 16), "x2": (2, 16, 16)}
    options = {"architecture": architecture, "width": 2, "depth": 1, "adversarial": "least_squares"}
    recipe, networks, batch = setting(name, shapes, **options)
    found = terms(recipe, "discriminator", networks, batch)
    for domain, source, way in ((1, 2, "21"), (2, 1, "12")):
        fake = networks[f"generator_{way}"](batch[f"x{source}"])
        real, fake = (networks[f"discriminator_{domain}"](x) for x in (batch[f"x{domain}"], fake))
        real, fake = (s[0] if name == "discogan" else s for s in (real, fake))
        expected = share / 2 * ((real - 1) ** 2 + fake**2).flatten(1).mean(1)
        np.testing.assert_allclose(found[f"discriminator_{domain}"], expected.detach().numpy(), rtol=1e-6)
        assert (
            recipe.uninformed_loss[f"discriminator/discriminator_{domain}"] == share / 4
        )  # of scores that are all a half
