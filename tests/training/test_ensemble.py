"""Seeds by folds in one batched network: where each trained network is put, and what is recorded."""

import torch

from magan.networks.mlp import MLP
from magan.networks.replicate import Replicated, role_seed
from magan.recipe import Adam, Phase, Recipe
from magan.training.ensemble import Ensemble, Group, Inputs, Schedule
from magan.training.fit import Optimisation

FOLDS, SEEDS = 2, (3, 5, 9)


def build():
    return MLP((1,), (1,), ())


def recipe_of(loss) -> Recipe:
    return Recipe({"a": build}, (Phase("only", ("a",), loss),), Adam(0.1, (0.5, 0.9)))


def still(group: Group):
    """Every minibatch names the fold and the seed of its replicate."""
    names = torch.tensor([[fold, seed] for fold, seed in zip(group.folds, group.replicate_seeds)], dtype=torch.float32)
    while True:
        yield {"x": names[:, :1, None], "seed": names[:, 1:, None]}


def trained(at_once: int = 100, **changes):
    """An ensemble that is trained for two steps; its loss is 100 times the fold plus the seed, whatever the weights."""
    records, groups = [], []

    def target(networks, batch, carry):
        return {"target": (100 * batch["x"] + batch["seed"])[:, 0, 0] + 0 * networks["a"](batch["x"])[:, 0, 0]}

    def inputs(group: Group) -> Inputs:
        groups.append(group)
        return Inputs(recipe_of(changes.get("loss", target)), still(group))

    def record(step, seeds, terms):
        records.append((step, tuple(seeds), terms["only/target"].tolist()))

    ensemble = Ensemble({"a": build}, SEEDS, FOLDS, "cpu")
    ensemble.train(inputs, Schedule(2, Optimisation(), at_once, record=record))
    return ensemble, groups, records


def test_terms_are_recorded_as_means_over_folds():
    _, _, records = trained()
    assert records == [(step, SEEDS, [50.0 + seed for seed in SEEDS]) for step in (0, 1)]


def test_replicates_at_once_are_seeds_times_folds():
    _, groups, _ = trained(at_once=4)
    assert [group.seeds for group in groups] == [(3, 5), (9,)]
    assert groups[0].folds == [0, 0, 1, 1] and groups[0].replicate_seeds == [3, 5, 3, 5]
    assert [group.name for group in groups] == ["first_3_5", "first_9_9"]


def test_every_network_is_put_at_its_fold_and_seed_whatever_the_groups():
    """The loss of a replicate pulls its bias up where fold and seed say so: fold 1 of seed 5, and fold 0 of seed 9."""

    def chosen(networks, batch, carry):
        pulled = ((batch["x"] == 1) & (batch["seed"] == 5)) | ((batch["x"] == 0) & (batch["seed"] == 9))
        return {"target": -(networks["a"](0 * batch["x"]) * pulled)[:, 0, 0]}

    starts = Replicated(build, [role_seed(seed, "a") for _ in range(FOLDS) for seed in SEEDS]).state()
    for at_once in (100, 4, 1):
        ensemble, *_ = trained(at_once, loss=chosen)
        (bias,) = (name for name in starts if name.endswith("bias"))
        moved = ensemble.networks["a"].state()[bias] - starts[bias]
        assert moved[:, 0].gt(0.1).tolist() == [False, False, True, False, True, False]
    assert ensemble.replicates((9, 3), 1) == [5, 3]


def test_a_seed_that_breaks_in_a_fold_is_trained_again_in_all_folds():
    def breaks(networks, batch, carry):
        bad = (batch["x"] == 1) & (batch["seed"] == 5)
        return {"target": (networks["a"](batch["x"]) * torch.where(bad, torch.nan, 1.0))[:, 0, 0]}

    ensemble, groups, _ = trained(loss=breaks)
    assert [(group.seeds, group.attempt) for group in groups] == [(SEEDS, "first"), ((5,), "again")]
    assert groups[1].folds == [0, 1] and groups[1].rng_seeds != (5,)
    assert {seed: status for seed, (status, _) in ensemble.status.items()} == {3: "ok", 5: "retried", 9: "ok"}
    assert ensemble.good_seeds == [3, 5, 9]


def test_weights_and_status_of_a_file_are_taken_over():
    ensemble, *_ = trained()
    again = Ensemble({"a": build}, SEEDS, FOLDS, "cpu")
    again.restore({"a": ensemble.networks["a"].state()}, {**ensemble.status, 5: ("failed", "")})
    for name, value in ensemble.networks["a"].state().items():
        assert torch.equal(value, again.networks["a"].state()[name])
    assert again.good_seeds == [3, 9]
