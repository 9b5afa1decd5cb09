from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from magan.correspondence import shared
from magan.correspondences import CORRESPONDENCES
from magan.domains.domain import Domain
from magan.errors import InputError
from magan.losses.correspondence import landmarks

SEEDS = [3, 5]
PANEL_1 = [("CD3", "CD4", "CD8", "CD19"), ("CD8", "CD19", "CD4", "CD3")]  # of replicate 0 and 1
PANEL_2 = [("CD8", "CD56", "CD3", "CD4"), ("CD56", "CD4", "CD8", "CD3")]


def domain(features=PANEL_1[0], name: str = "x1", n: int = 12, **parts) -> Domain:
    draw = torch.Generator().manual_seed(len(name) + n)
    return Domain(name, torch.randn(n, len(features), generator=draw), tuple(features), **parts)


def panels() -> tuple[list[Domain], list[Domain]]:
    return [domain(f, "x1") for f in PANEL_1], [domain(f, "x2") for f in PANEL_2]


def batch(n_1: int = 4, n_2: int = 4) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(0)
    sizes = {"x1": n_1, "x12": n_2, "x2": n_2, "x21": n_1}
    return {name: torch.randn(2, 6, n, generator=draw, dtype=torch.float64) for name, n in sizes.items()}


def loss_of(name: str, values=None, **options) -> np.ndarray:
    x1, x2 = panels()
    kept = CORRESPONDENCES[name](x1, x2, SEEDS, **options)
    return kept.loss(None, None, batch() if values is None else values).numpy()


def columns(values: dict[str, Tensor], r: int, marker: str) -> dict[str, np.ndarray]:
    """Each entry's column of a marker in replicate r."""
    panel = {"x1": PANEL_1[r], "x21": PANEL_1[r], "x2": PANEL_2[r], "x12": PANEL_2[r]}
    return {name: values[name][r, :, panel[name].index(marker)].numpy() for name in panel if marker in panel[name]}


def message(function, *args, **options) -> str:
    with pytest.raises(InputError) as error:
        function(*args, **options)
    return str(error.value)


def test_no_correspondence_is_no_loss_and_no_table():
    kept = CORRESPONDENCES["none"](*panels(), SEEDS)
    assert kept.loss is None and kept.tables == () and kept.labels == {}


@pytest.mark.parametrize("without", [(), ("CD4",)])
def test_shared_markers_are_tied_by_name_in_each_replicates_own_columns(without):
    values, free = batch(), set(without)
    expected = []
    for r in range(2):
        tied = [columns(values, r, marker) for marker in {"CD3", "CD4", "CD8"} - free]
        expected.append(
            np.mean([(c["x1"] - c["x12"]) ** 2 for c in tied] + [(c["x2"] - c["x21"]) ** 2 for c in tied]) * 2
        )
    np.testing.assert_allclose(loss_of("shared_markers", without=without), expected)


def test_a_sum_over_the_shared_markers_is_as_many_times_their_mean():
    tied = {"rebuild": 0.0, "shuffled": True}
    np.testing.assert_allclose(loss_of("shared_markers", summed=True, **tied), 3 * loss_of("shared_markers", **tied))
    np.testing.assert_allclose(
        loss_of("shared_markers", summed=True, without=["CD4"]), 2 * loss_of("shared_markers", without=["CD4"])
    )


def test_shuffled_markers_are_tied_to_the_next_ones_column():
    values, expected = batch(), []
    for r in range(2):
        names = [m for m in PANEL_1[r] if m in PANEL_2[r]]
        total = 0.0
        for marker, partner in zip(names, [*names[1:], names[0]]):
            a, b = columns(values, r, marker), columns(values, r, partner)
            total += np.mean((a["x1"] - b["x12"]) ** 2) + np.mean((b["x2"] - a["x21"]) ** 2)
        expected.append(total / len(names))
    np.testing.assert_allclose(loss_of("shared_markers", shuffled=True), expected)


def test_correlation_is_of_each_marker_with_itself():
    values, expected = batch(), []
    for r in range(2):
        tied = [columns(values, r, marker) for marker in ("CD3", "CD4", "CD8")]
        pairs = [(c["x1"], c["x12"]) for c in tied] + [(c["x2"], c["x21"]) for c in tied]
        expected.append(2 * np.mean([1 - np.corrcoef(a, b)[0, 1] for a, b in pairs]))
    np.testing.assert_allclose(loss_of("correlation"), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["shared_markers", "correlation"])
def test_unshared_columns_are_free(name):
    values = batch()
    moved = {key: value.clone() for key, value in values.items()}
    for r in range(2):
        moved["x21"][r, :, PANEL_1[r].index("CD19")] += 9
        moved["x12"][r, :, PANEL_2[r].index("CD56")] += 9
    np.testing.assert_array_equal(loss_of(name, moved), loss_of(name, values))


def test_shared_markers_follow_the_order_of_the_first_domain():
    x1, x2 = panels()
    assert shared(x1[1], x2[1]) == ["CD8", "CD4", "CD3"]
    assert shared(x1[0], x2[0], without=["CD4"]) == ["CD3", "CD8"]


def test_marker_correspondences_say_what_they_lack():
    x1, x2 = domain(("CD3", "CD4"), "x1"), domain(("CD5", "CD6"), "x2")
    assert message(CORRESPONDENCES["shared_markers"], [x1], [x2], [0]) == (
        "domains 'x1' and 'x2' share no marker; name them alike in the panel table, "
        "or use the correspondence pairs, labels or none"
    )
    assert message(CORRESPONDENCES["correlation"], *panels(), SEEDS, without=["CD33"]) == (
        "correspondence.without: 'CD33' is not a marker of both domains; there are CD3, CD4, CD8"
    )
    assert message(CORRESPONDENCES["correlation"], *panels(), SEEDS, without=["zzz"]) == (
        "correspondence.without: 'zzz' is not a marker of both domains; there are CD3, CD4, CD8"
    )
    assert "share no marker" in message(shared, *(x[0] for x in panels()), without=["CD3", "CD4", "CD8"])


def paired(n_each: int = 6) -> tuple[Domain, Domain]:
    """Pairs in another order on the other side, and rows that are no pair."""
    words = [f"p{i}" for i in range(2 * n_each)]
    labels = ["3", "7"] * n_each
    x1 = domain(("a", "b"), "x1", n=2 * n_each + 3, labels=(*labels, "3", "3", "7"), pairs=(*words, "", "nan", "alone"))
    x2 = domain(("c", "d", "e"), "x2", n=2 * n_each + 2, pairs=("", *reversed(words), "nan"))
    return x1, x2


def test_pairs_are_the_rows_with_the_same_word():
    x1, x2 = paired()
    kept = CORRESPONDENCES["pairs"]([x1, x1], [x2, x2], SEEDS)
    (table,) = kept.tables
    for rows in table.rows:
        assert len(rows) == 12
        for i, (p1, p2) in enumerate(zip(table.entries["pair1"][rows], table.entries["pair2"][rows])):
            assert torch.equal(p1, x1.values[i])
            assert torch.equal(p2, x2.values[x2.pairs.index(f"p{i}")])


def test_shuffled_pairs_tie_every_sample_to_another_ones_partner():
    x1, x2 = paired()
    (table,) = CORRESPONDENCES["pairs"]([x1], [x2], [0], shuffled=True).tables
    partners = [int((x2.values == row).all(1).nonzero()) for row in table.entries["pair2"]]
    words = [x2.pairs[i] for i in partners]
    assert sorted(words) == sorted(f"p{i}" for i in range(12)) and all(word != f"p{i}" for i, word in enumerate(words))


def test_the_pairs_loss_is_the_squared_error_of_both_maps():
    x1, x2 = paired()
    loss = CORRESPONDENCES["pairs"]([x1, x1], [x2, x2], SEEDS).loss
    p1, p2 = torch.randn(2, 5, 2), torch.randn(2, 5, 3)
    to_2, to_1 = torch.randn(2, 2, 3), torch.randn(2, 3, 2)
    paid = loss(lambda x: x @ to_2, lambda x: x @ to_1, {"pair1": p1, "pair2": p2})
    expected = [
        np.mean((a @ m - b) ** 2) + np.mean((b @ n - a) ** 2)
        for a, b, m, n in zip(*(t.numpy() for t in (p1, p2, to_2, to_1)))
    ]
    np.testing.assert_allclose(paid, expected, rtol=1e-5)


def test_landmarks_add_the_distances_of_both_domains_to_the_known_pairs():
    x1, x2 = domain(pairs=tuple("ab") + ("",) * 10), domain(PANEL_2[0], "x2", pairs=tuple("ba") + ("",) * 10)
    values = batch() | {"pair1": torch.randn(2, 2, 4).double(), "pair2": torch.randn(2, 2, 4).double()}
    plain, held = (
        CORRESPONDENCES["pairs"]([x1, x1], [x2, x2], SEEDS, landmarks=weight).loss(torch.neg, torch.neg, values)
        for weight in (0.0, 3.0)
    )
    there = landmarks(values["x1"], values["pair1"], values["x12"], values["pair2"])
    back = landmarks(values["x2"], values["pair2"], values["x21"], values["pair1"])
    torch.testing.assert_close(held - plain, 3 * (there + back))


def test_each_seed_is_told_so_many_pairs_of_each_label_by_its_own_draw():
    x1, x2 = paired()
    told = {}
    for seed in range(5):
        kept = CORRESPONDENCES["pairs"]([x1, x1], [x2, x2], [seed, seed], per_label=2)
        (table,) = kept.tables
        mine, twin = (table.entries["pair1"][rows] for rows in table.rows)
        assert torch.equal(mine, twin)
        where = [int((x1.values == row).all(1).nonzero()) for row in mine]
        assert sorted(x1.labels[i] for i in where) == ["3", "3", "7", "7"] and len(set(where)) == 4
        told[seed] = frozenset(where)
    assert len(set(told.values())) > 1


def test_the_pairs_a_seed_is_told_do_not_depend_on_the_seeds_beside_it():
    x1, x2 = paired()
    (alone,) = CORRESPONDENCES["pairs"]([x1], [x2], [5], per_label=2).tables
    (among,) = CORRESPONDENCES["pairs"]([x1, x1], [x2, x2], SEEDS, per_label=2).tables
    assert torch.equal(alone.entries["pair2"][alone.rows[0]], among.entries["pair2"][among.rows[1]])


def test_pairs_say_what_they_lack():
    x1, x2 = paired()
    assert message(CORRESPONDENCES["pairs"], [domain()], [x2], [0]) == (
        "domains 'x1' and 'x2' have no known pair; give rows of both the same word in obs['pair']"
    )
    assert message(CORRESPONDENCES["pairs"], [x1], [x2], [0], per_label=7) == (
        "domain 'x1': label 3 has 6 known pairs, not 7; lower correspondence.per_label"
    )
    unlabelled = Domain("x1", x1.values, x1.features, None, x1.pairs)
    assert message(CORRESPONDENCES["pairs"], [unlabelled], [x2], [0], per_label=1) == (
        "domain 'x1' has no obs['cell_type'], which pairs.per_label counts by; leave it out"
    )


def test_labels_tie_the_mean_of_each_class_of_both_maps():
    x1, x2 = domain(labels=("T", "B") * 6), domain(PANEL_2[0], "x2", labels=("B", "NK") * 6)
    x1 = Domain("x1", x1.values, x1.features, ("T", "B", "NK") * 4)
    kept = CORRESPONDENCES["labels"]([x1, x1], [x2, x2], SEEDS)
    assert kept.labels == {"B": 0, "NK": 1}
    values = {
        **batch(),
        "label1": torch.tensor([[0, 0, 1, 1, -1, -1]] * 2),
        "label2": torch.tensor([[1, 0, 1, 0, 1, -1]] * 2),
    }
    expected = []
    for r in range(2):
        arrays = {name: value[r].numpy() for name, value in values.items()}
        means = {
            name: [arrays[name][arrays[f"label{side}"] == label].mean(0) for label in range(2)]
            for name, side in (("x1", 1), ("x12", 1), ("x2", 2), ("x21", 2))
        }
        expected.append(
            sum(
                np.mean([np.mean((a - b) ** 2) for a, b in zip(means[m], means[t])])
                for m, t in (("x12", "x2"), ("x21", "x1"))
            )
        )
    np.testing.assert_allclose(kept.loss(None, None, values), expected)


def test_words_that_name_no_label_are_no_label():
    words = ("T", "B", "Unknown", "nan", "", "unlabelled") * 2
    x1, x2 = domain(labels=words), domain(PANEL_2[0], "x2", labels=words)
    assert CORRESPONDENCES["labels"]([x1], [x2], [0]).labels == {"B": 0, "T": 1}


def test_a_fold_keeps_a_label_that_its_neighbour_lacks():
    with_nk, without = domain(labels=("T", "NK") * 6), domain(labels=("T", "B") * 6)
    x2 = domain(PANEL_2[0], "x2", labels=("T", "NK", "B") * 4)
    assert CORRESPONDENCES["labels"]([without, with_nk], [x2, x2], SEEDS).labels == {"B": 0, "NK": 1, "T": 2}


def test_labels_say_what_they_lack():
    x1, x2 = domain(labels=("T",) * 12), domain(PANEL_2[0], "x2", labels=("B",) * 12)
    assert message(CORRESPONDENCES["labels"], [x1], [domain(name="x2")], [0]) == (
        "domain 'x2' has no obs['cell_type']; give labels or another correspondence"
    )
    assert message(CORRESPONDENCES["labels"], [x1], [x2], [0]) == (
        "domains 'x1' and 'x2' share no label; use another correspondence"
    )


def test_every_loss_is_one_value_per_replicate():
    x1, x2 = paired()
    x1 = Domain("x1", x1.values, ("a", "b"), x1.labels, x1.pairs)
    x2 = Domain("x2", x2.values[:, :2], ("b", "a"), ("3", "7") * 7, x2.pairs)
    values = {name: torch.randn(2, 6, 2) for name in ("x1", "x2", "x12", "x21", "pair1", "pair2")}
    values |= {name: torch.zeros(2, 6, dtype=torch.int64) for name in ("label1", "label2")}
    for name in sorted(set(CORRESPONDENCES) - {"none", "transformation", "feature"}):
        kept = CORRESPONDENCES[name]([x1, x1], [x2, x2], SEEDS)
        assert kept.loss(lambda x: x, lambda x: x, values).shape == (2,)


def test_rebuilding_costs_what_a_cell_of_ones_own_panel_loses_when_only_shared_markers_are_seen():
    a = Domain("x1", torch.randn(5, 3), ("CD3", "CD19", "CD4"))
    b = Domain("x2", torch.randn(5, 3), ("CD4", "CD8", "CD3"))
    batch = {"x1": a.values[None], "x2": b.values[None], "x12": b.values[None], "x21": a.values[None]}
    seen = []

    def remember(x):
        seen.append(x)
        return torch.zeros_like(x)

    shared_markers = CORRESPONDENCES["shared_markers"]
    plain = shared_markers([a], [b], [0]).loss(remember, remember, batch)
    assert not seen
    more = shared_markers([a], [b], [0], rebuild=2.0).loss(remember, remember, batch)
    expected = 2 * ((b.values**2).mean() + (a.values**2).mean())
    torch.testing.assert_close(more - plain, expected[None])
    nothing = torch.zeros(5)
    torch.testing.assert_close(seen[0][0], torch.stack([b.values[:, 2], nothing, b.values[:, 0]], 1))
    torch.testing.assert_close(seen[1][0], torch.stack([a.values[:, 2], nothing, a.values[:, 0]], 1))


def test_folds_with_different_numbers_of_pairs_are_refused():
    words = [("p", "q", "", "", ""), ("p", "", "", "", "")]
    domains = [Domain("x", torch.randn(5, 2), ("CD3", "CD4"), pairs=own) for own in words]
    with pytest.raises(InputError, match=r"folds have different numbers of known pairs, \[1, 2\]; give correspondence"):
        CORRESPONDENCES["pairs"](domains, domains, [0, 0])


def pictures(channels: int = 1, name: str = "x1") -> Domain:
    draw = torch.Generator().manual_seed(len(name) + channels)
    return Domain(name, torch.rand(6, channels, 8, 8, generator=draw) * 2 - 1)


def of_pictures(channels_1: int = 1, channels_2: int = 1) -> dict[str, Tensor]:
    draw, channels = torch.Generator().manual_seed(0), {"x1": channels_1, "x12": channels_2}
    channels |= {"x2": channels_2, "x21": channels_1}
    return {k: torch.rand(2, 5, n, 8, 8, generator=draw, dtype=torch.float64) * 2 - 1 for k, n in channels.items()}


@pytest.mark.parametrize("size", [None, 4])
def test_a_known_transformation_costs_nothing_where_it_was_learned_and_else_the_squared_error(size):
    x1, x2, values = [pictures()] * 2, [pictures(name="x2")] * 2, of_pictures()
    build = partial(CORRESPONDENCES["transformation"], x1, x2, SEEDS, degrees=90, size=size)
    learned = values | {"x12": torch.rot90(values["x1"], 1, (3, 4)), "x21": torch.rot90(values["x2"], -1, (3, 4))}
    np.testing.assert_allclose(build().loss(None, None, learned), 0, atol=1e-12)
    n = size or 8
    gaps = [values[mapped] - learned[mapped] for mapped in ("x12", "x21")]
    fields = [gap.numpy().reshape(2, 5, n, 8 // n, n, 8 // n).mean((3, 5)) for gap in gaps]
    expected = sum((field**2).mean((1, 2, 3)) for field in fields)
    np.testing.assert_allclose(build().loss(None, None, values), expected)
    assert (build(degrees=270).loss(None, None, learned) > 0.05).all()
    assert (build(mirrored=True).loss(None, None, learned) > 0.05).all()


def test_a_frozen_feature_costs_nothing_where_it_stays_and_else_the_squared_error():
    x1, x2, values = [pictures()] * 2, [pictures(name="x2")] * 2, of_pictures()
    loss = CORRESPONDENCES["feature"](x1, x2, SEEDS, feature="colour").loss
    turned = values | {"x12": values["x1"].flip(3), "x21": values["x2"].flip(4)}
    np.testing.assert_allclose(loss(None, None, turned), 0, atol=1e-12)
    gaps = [values[a].numpy().mean((3, 4)) - values[b].numpy().mean((3, 4)) for a, b in (("x1", "x12"), ("x2", "x21"))]
    np.testing.assert_allclose(loss(None, None, values), sum((gap**2).mean((1, 2)) for gap in gaps))


def test_lightness_ties_images_of_other_numbers_of_channels():
    x1, x2, values = [pictures()] * 2, [pictures(3, "x2")] * 2, of_pictures(1, 3)
    values["x12"], values["x21"] = values["x1"].expand(-1, -1, 3, -1, -1), values["x2"].mean(2, keepdim=True)
    loss = CORRESPONDENCES["feature"](x1, x2, SEEDS, feature="lightness", size=2).loss
    np.testing.assert_allclose(loss(None, None, values), 0, atol=1e-12)


def test_what_of_images_cannot_be_compared_is_refused():
    x1, x2 = [pictures()], [pictures(3, "x2")]
    for name in ("transformation", "feature"):
        assert message(CORRESPONDENCES[name], x1, [domain(name="x2")], [0]) == (
            f"domain 'x2' is not of images, which '{name}' compares; use another correspondence"
        )
        assert message(CORRESPONDENCES[name], x1, x2, [0]) == (
            "domains 'x1' and 'x2' have 1 and 3 channels; read them alike, or use the correspondence feature: lightness"
        )
    assert message(CORRESPONDENCES["feature"], x1, x1, [0], feature="color") == (
        "correspondence.feature: 'color' is unknown (did you mean 'colour'?)"
    )
