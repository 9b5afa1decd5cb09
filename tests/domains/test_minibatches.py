import itertools

import numpy as np
import pytest
import torch

from magan.domains import minibatches
from magan.domains.minibatches import CHUNK, Table, batches, noise_of, placed
from magan.recipe import Noise

NUMBERS = torch.arange(50.0)
FEW = CHUNK + 2  # minibatches, past the first that are drawn together


def take(tables, seeds, *, n: int = FEW, batch_size: int = 4, noise=()) -> list[dict[str, torch.Tensor]]:
    return list(itertools.islice(batches(tables, dict(noise), batch_size=batch_size, seeds=seeds), n))


def all_rows(n_replicates: int, n: int = 50) -> tuple[torch.Tensor, ...]:
    return (torch.arange(n),) * n_replicates


def test_entries_are_replicate_then_sample_then_the_rest():
    image = torch.zeros(50, 1, 2, 3)
    (batch,) = take([Table({"x1": image, "label1": NUMBERS}, all_rows(3))], [0, 1, 2], n=1)
    assert batch["x1"].shape == (3, 4, 1, 2, 3) and batch["label1"].shape == (3, 4)


def test_a_seed_sees_the_same_whatever_seeds_are_beside_it():
    def draws(seeds):
        tables = [Table({"x1": NUMBERS}, all_rows(len(seeds))), Table({"x2": -NUMBERS}, all_rows(len(seeds)))]
        return take(tables, seeds, noise={"z": Noise((2,)), "u": Noise((), "uniform")}.items())

    alone, among = draws([7]), draws([3, 7, 5])
    for a, b in zip(alone, among):
        assert set(a) == {"x1", "x2", "z", "u"}
        assert all(torch.equal(a[name][0], b[name][1]) for name in a)


def test_seeds_draw_differently_and_each_minibatch_anew():
    drawn = [batch["x1"] for batch in take([Table({"x1": NUMBERS}, all_rows(2))], [0, 1])]
    assert not torch.equal(drawn[0][0], drawn[0][1])
    assert len({tuple(batch[0].tolist()) for batch in drawn}) == FEW


def test_entries_of_one_table_stay_aligned_and_two_tables_do_not():
    one = Table({"a": NUMBERS, "b": 10 * NUMBERS}, all_rows(2))
    two = Table({"c": NUMBERS}, all_rows(2))
    drawn = take([one, two], [0, 1])
    assert all(torch.equal(batch["b"], 10 * batch["a"]) for batch in drawn)
    assert not all(torch.equal(batch["c"], batch["a"]) for batch in drawn)


def test_a_replicate_draws_only_its_own_rows_and_all_of_them():
    rows = (torch.arange(0, 20), torch.arange(20, 50))
    drawn = torch.stack([batch["x1"] for batch in take([Table({"x1": NUMBERS}, rows)], [0, 0])])
    for r in range(2):
        assert set(drawn[:, r].flatten().tolist()) == set(rows[r].tolist())


def test_rows_are_drawn_evenly_and_with_replacement():
    drawn = torch.stack([b["x1"][0] for b in take([Table({"x1": NUMBERS}, all_rows(1))], [0], n=2500, batch_size=20)])
    counts = drawn.long().flatten().bincount(minlength=50)
    # 50,000 draws of 50 rows: 1000 each, standard deviation 31
    assert ((counts - 1000).abs() < 5 * 31).all()
    assert any(len(set(batch.tolist())) < 20 for batch in drawn)


@pytest.mark.parametrize("n", [1, 3, 4])
def test_a_table_no_larger_than_a_minibatch_is_given_whole(n):
    for batch in take([Table({"p": NUMBERS}, all_rows(2, n)), Table({"x": NUMBERS}, all_rows(2))], [0, 1]):
        assert torch.equal(batch["p"], NUMBERS[:n].expand(2, -1))
        assert batch["x"].shape == (2, 4)


def test_bytes_are_drawn_as_the_pixels_that_the_same_floats_would_give_bit_by_bit():
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (50, 1, 3, 3), dtype=np.uint8))
    floats = 2 * torch.from_numpy(images.numpy() / np.float32(255)) - 1
    kept = take([Table({"x1": images, "label1": NUMBERS}, all_rows(2))], [0, 1])
    expected = take([Table({"x1": floats, "label1": NUMBERS}, all_rows(2))], [0, 1])
    for a, b in zip(kept, expected):
        assert a["x1"].dtype == torch.float32
        assert torch.equal(a["x1"], b["x1"]) and torch.equal(a["label1"], b["label1"])


def test_of_a_set_too_large_for_the_device_only_minibatches_reach_it(monkeypatch):
    images = torch.zeros(50, 2, dtype=torch.uint8)
    table = Table({"x1": images, "label1": NUMBERS}, all_rows(1))
    monkeypatch.setattr(minibatches, "LARGE", 4 * 50 * 2 - 1)
    drawn = batches([table], {"z": Noise((3,))}, batch_size=4, seeds=[0], device="meta")  # stands in for a GPU
    (held,) = drawn.tables
    assert held.entries["x1"] is images and held.entries["label1"].is_meta
    assert all(x.is_meta for x in next(drawn).values())
    monkeypatch.setattr(minibatches, "LARGE", 4 * 50 * 2)
    assert placed(images, "meta").is_meta


def test_where_a_set_is_kept_changes_nothing(monkeypatch):
    tables = [Table({"x1": NUMBERS}, all_rows(2))]
    expected = take(tables, [0, 1])
    monkeypatch.setattr(minibatches, "LARGE", 0)
    assert all(torch.equal(a["x1"], b["x1"]) for a, b in zip(take(tables, [0, 1]), expected))


def test_noise_is_of_the_kind_asked_for():
    noise = {"z": Noise((3,)), "u": Noise((2, 2), "uniform")}
    drawn = take([Table({"x": NUMBERS}, all_rows(2))], [0, 1], batch_size=8, noise=noise.items())
    z, u = (torch.stack([batch[name] for batch in drawn]) for name in ("z", "u"))
    assert z.shape == (FEW, 2, 8, 3) and u.shape == (FEW, 2, 8, 2, 2)
    assert z.mean().abs() < 0.1 and abs(z.std() - 1) < 0.1 and z.min() < -2
    assert u.min() >= 0 and u.max() < 1 and abs(u.mean() - 0.5) < 0.05


def test_drawing_leaves_the_global_random_state_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    take([Table({"x": NUMBERS}, all_rows(2))], [0, 1], n=1, noise={"z": Noise((3,))}.items())
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("n", [0, 1, CHUNK - 1, CHUNK, CHUNK + 5])
def test_minibatches_can_be_taken_up_where_they_were_left(n):
    def anew():
        return batches([Table({"x": NUMBERS}, all_rows(2))], {"z": Noise((3,))}, batch_size=4, seeds=[0, 1])

    one, two = anew(), anew()
    for _ in range(n):
        next(one)
    state = one.state()
    following = list(itertools.islice(one, FEW))
    two.restore(state)
    for a, b in zip(following, itertools.islice(two, FEW)):
        assert all(torch.equal(a[name], b[name]) for name in ("x", "z"))


def test_signed_noise_is_even_on_both_sides_of_zero():
    (batch,) = take(
        [Table({"x": NUMBERS}, all_rows(1))], [0], n=1, batch_size=5000, noise=[("s", Noise((2,), "signed"))]
    )
    assert batch["s"].min() >= -1 and batch["s"].max() < 1
    assert abs(batch["s"].mean()) < 0.05 and abs(batch["s"].var() - 1 / 3) < 0.02


def test_noise_of_samples_is_each_seeds_own():
    alone, among = noise_of(Noise((2,)), 6, [7]), noise_of(Noise((2,)), 6, [3, 7])
    assert among.shape == (2, 6, 2) and torch.equal(among[1], alone[0]) and not torch.equal(among[0], among[1])
