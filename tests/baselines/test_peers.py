"""Peers over their own libraries: each undoes a shift that differs between populations, in the reference's units."""

import subprocess
import sys
from functools import partialmethod
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from magan import keys
from magan.baselines import BASELINES
from magan.baselines.cytonorm import CLUSTERS, cytonorm
from magan.baselines.harmony import harmony
from magan.baselines.scanorama import scanorama
from magan.errors import InputError
from magan.metrics.batch_distance import emd

MODULES = {"harmony": "harmonypy", "cytonorm": "cytonormpy", "scanorama": "scanorama", "cytovi": "scvi"}
MODULES |= {"cycombine": "cycombinepy"}
EXTRAS = {"harmony": "peers", "cytonorm": "peers", "scanorama": "scanorama", "cytovi": "cytovi"}
EXTRAS |= {"cycombine": "cycombine"}
OUT_OF_SAMPLE = ["cytonorm", "scanorama"]
MARKERS = [f"m{i}" for i in range(6)]
LEVELS = np.array([[5, 1, 1, 4, 2, 1], [1, 5, 1, 1, 4, 2], [1, 1, 5, 2, 1, 4.0]])
MOVES = np.array([[0.9, 0, 0, -0.6, 0, 0], [-0.6, 0.9, 0, 0, 0, 0], [0, -0.6, 0.9, 0, 0, 0.0]])

pytestmark = pytest.mark.filterwarnings("ignore")  # the libraries' own


@pytest.fixture(params=MODULES)
def name(request):
    installed(request.param)
    return request.param


def installed(name):
    if find_spec(MODULES[name]) is None:
        pytest.skip(f"{MODULES[name]} is not installed; pip install 'magan[{EXTRAS[name]}]'")


@pytest.fixture(scope="module")
def shifted(table):
    """Three populations, each moved another way in domain 1: ``x1, x2, query``, the query's truth and populations."""
    random = np.random.default_rng(0)

    def cells(n, parts):
        which = random.choice(3, size=n, p=parts)
        return LEVELS[which] + 0.3 * random.normal(size=(n, 6)), which

    (first, of_first), (second, _), (truth, of_query) = (
        cells(n, parts) for n, parts in ((400, [0.4, 0.4, 0.2]), (350, [0.3, 0.4, 0.3]), (150, [0.4, 0.3, 0.3]))
    )
    given = first + MOVES[of_first], second, truth + MOVES[of_query]
    return [table(values, MARKERS) for values in given], truth, of_query


def train_briefly(monkeypatch, epochs):
    """CytoVI may train for minutes."""
    from scvi.external import CYTOVI

    monkeypatch.setattr(CYTOVI, "train", partialmethod(CYTOVI.train, max_epochs=epochs))


def measured(x):
    return x.layers[keys.PREPROCESSED]


def off(mapped, truth, populations):
    """Largest distance of a population's mean in a marker from where it should be."""
    return max(np.abs((mapped - truth)[populations == k].mean(axis=0)).max() for k in range(3))


# Of the 0.9 that Harmony could undo, its ridge leaves a sixth.
@pytest.mark.parametrize("name, left", [("harmony", 0.2), ("cytonorm", 0.15)])
def test_shifts_that_differ_between_populations_are_undone_as_no_line_can(name, left, shifted):
    installed(name)
    given, truth, populations = shifted
    mapped = BASELINES[name](*given)
    assert mapped.shape == truth.shape and mapped.dtype == np.float32
    assert off(mapped, truth, populations) < left < 0.4 < off(BASELINES["zscore"](*given), truth, populations)


def test_runs_are_equal_quiet_and_leave_no_trace(name, shifted, tmp_path, monkeypatch, capfd):
    if name == "cytovi":
        train_briefly(monkeypatch, 2)
    monkeypatch.chdir(tmp_path)
    given = [x[:60].copy() for x in shifted[0]]
    before = [measured(x).copy() for x in given]
    state = np.random.get_state()[1].copy()
    first = BASELINES[name](*given)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    np.random.normal(size=3)
    np.testing.assert_array_equal(BASELINES[name](*given), first)
    for x, values in zip(given, before):
        np.testing.assert_array_equal(measured(x), values)
    assert list(tmp_path.iterdir()) == [] and capfd.readouterr().out == ""


@pytest.mark.parametrize("name", OUT_OF_SAMPLE)
def test_a_query_cell_is_mapped_the_same_alone_and_in_any_order(name, shifted):
    installed(name)
    (x1, x2, query), _, _ = shifted
    expected = BASELINES[name](x1, x2, query)
    np.testing.assert_allclose(BASELINES[name](x1, x2, query[[7]].copy())[0], expected[7], rtol=1e-5)
    np.testing.assert_allclose(BASELINES[name](x1, x2, query[::-1].copy()), expected[::-1], rtol=1e-5)


@pytest.mark.parametrize("name", ["harmony", "cycombine", *OUT_OF_SAMPLE])
def test_columns_follow_the_target_whatever_the_order_of_the_source(name, shifted):
    installed(name)
    (x1, x2, query), _, _ = shifted
    expected = BASELINES[name](x1, x2, query)
    np.testing.assert_allclose(BASELINES[name](x1[:, ::-1].copy(), x2, query[:, ::-1].copy()), expected, rtol=1e-5)


def test_a_marker_that_domain_1_lacks_is_refused_by_name(shifted):
    (x1, x2, query), _, _ = shifted
    for name in MODULES:
        with pytest.raises(InputError, match=f"baseline '{name}' cannot make marker 'm2'"):
            BASELINES[name](x1[:, ["m0", "m1"]].copy(), x2[:, ["m0", "m1", "m2"]].copy(), query)


@pytest.mark.parametrize("name", MODULES)
def test_a_missing_library_is_an_instruction(name, shifted, monkeypatch):
    monkeypatch.setitem(sys.modules, MODULES[name], None)
    with pytest.raises(InputError, match=rf"'{name}' needs .* not installed; pip install 'magan\[{EXTRAS[name]}\]'"):
        BASELINES[name](*shifted[0])


def test_no_library_of_a_peer_is_imported_with_the_baselines():
    script = f"import sys, magan.baselines; print([m for m in {list(MODULES.values())} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_cycombine_undoes_shifts_of_populations_where_its_nodes_hold_cells_of_both_batches(shifted, monkeypatch):
    installed("cycombine")
    given, truth, populations = shifted
    coarse = BASELINES["cycombine"](*given)  # of 64 nodes some hold cells of a single batch, which stay as measured
    assert (coarse == measured(given[2]).astype(np.float32)).all(axis=1).any()
    monkeypatch.setattr("magan.baselines.cycombine.NODES", 3)
    mapped = BASELINES["cycombine"](*given)
    assert off(mapped, truth, populations) < 0.15 < 0.4 < off(coarse, truth, populations)


def test_harmony_with_one_cluster_is_the_difference_of_means_shrunk_by_its_ridge(table):
    """44 cells make one cluster; its ridge of 0.2 times a batch's cells leaves a sixth of their difference."""
    installed("harmony")
    random = np.random.default_rng(1)
    x1, x2, query = (table(random.normal(3, 1, size=(n, 5)) + move, "abcde") for n, move in ((20, 1), (14, 0), (10, 1)))
    first, second, values = (measured(x) for x in (x1, x2, query))
    difference = second.mean(axis=0) - np.concatenate([first, values]).mean(axis=0)
    np.testing.assert_allclose(harmony(x1, x2, query), values + difference / 1.2, atol=1e-4)


def test_harmony_takes_a_table_with_as_many_cells_as_markers(table):
    installed("harmony")
    random = np.random.default_rng(2)
    x1, x2, query = (table(random.normal(3, 1, size=(n, 12)), [f"m{i}" for i in range(12)]) for n in (4, 5, 3))
    assert harmony(x1, x2, query).shape == (3, 12)


def test_cytonorm_leaves_cells_as_measured_where_training_cells_are_few(shifted, table):
    """20 cells of a population far away make a cluster of their own, too small to correct."""
    installed("cytonorm")
    (x1, x2, query), _, _ = shifted
    random = np.random.default_rng(3)
    rare = [9 + 0.1 * random.normal(size=(n, 6)) for n in (20, 20, 15)]
    given = [table(np.concatenate([measured(x), far]), MARKERS) for x, far in zip((x1, x2, query), rare)]
    mapped, values = cytonorm(*given), measured(given[2])
    np.testing.assert_array_equal(mapped[150:], values[150:])
    assert np.abs(mapped[:150] - values[:150]).mean() > 0.1


def test_cytonorm_leaves_a_query_cell_as_measured_whose_cluster_has_no_training_cell(shifted, monkeypatch):
    installed("cytonorm")
    import cytonormpy

    (x1, x2, query), _, _ = shifted
    expected = cytonorm(x1, x2, query)
    real = cytonormpy.FlowSOM.calculate_clusters

    def one_apart(self, X):  # noqa: N803
        clusters = np.array(real(self, X))
        clusters[4] = CLUSTERS if len(X) == query.n_obs else clusters[4]
        return clusters

    monkeypatch.setattr(cytonormpy.FlowSOM, "calculate_clusters", one_apart)
    mapped, rest = cytonorm(x1, x2, query), np.arange(query.n_obs) != 4
    np.testing.assert_array_equal(mapped[4], measured(query)[4])
    np.testing.assert_array_equal(mapped[rest], expected[rest])


def test_cytonorm_keeps_the_brightest_cells_within_reach(shifted):
    installed("cytonorm")
    (x1, x2, query), _, _ = shifted
    top = measured(x1).max()
    bright = query.copy()
    bright.layers[keys.PREPROCESSED][:, 0] = np.where(measured(query)[:, 0] > 4, top, 1)
    assert cytonorm(x1, x2, bright)[:, 0].max() == pytest.approx(top, abs=1e-4)


def test_cytonorm_needs_fifty_cells_a_side(shifted):
    installed("cytonorm")
    (x1, x2, query), _, _ = shifted
    with pytest.raises(InputError, match="needs 50 cells in each domain, not 400 and 49"):
        cytonorm(x1, x2[:49].copy(), query)


def test_scanorama_looks_at_directions_and_gives_each_cell_its_length_back(shifted, table):
    installed("scanorama")
    (x1, x2, query), _, _ = shifted
    longer = table(3 * measured(query), MARKERS)
    np.testing.assert_allclose(scanorama(x1, x2, longer), 3 * scanorama(x1, x2, query), rtol=1e-5)
    dark = table(np.zeros((2, 6)), MARKERS)
    np.testing.assert_array_equal(scanorama(x1, x2, dark), np.zeros((2, 6)))


def test_scanorama_turns_cells_of_each_population_to_where_they_should_point(shifted):
    installed("scanorama")
    given, truth, populations = shifted
    mapped = scanorama(*given)
    assert mapped.shape == truth.shape and mapped.dtype == np.float32
    turned, wanted, before = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (mapped, truth, measured(given[2])))
    assert off(turned, wanted, populations) < 0.5 * off(before, wanted, populations)


def test_scanorama_declines_aloud_where_it_finds_the_domains_unlike(shifted, monkeypatch):
    installed("scanorama")
    monkeypatch.setattr("scanorama.find_alignments", lambda cells, verbose: ([], {}))
    with pytest.warns(UserWarning, match="leaves the cells as measured"):
        mapped = scanorama(*shifted[0])
    np.testing.assert_array_equal(mapped, measured(shifted[0][2]))


def test_cytovi_answers_in_the_units_of_the_reference_whatever_those_of_the_source(shifted, table, monkeypatch):
    installed("cytovi")
    train_briefly(monkeypatch, 2)
    (x1, x2, query), _, _ = shifted
    mapped = BASELINES["cytovi"](x1, x2, query)
    assert mapped.shape == query.shape and mapped.dtype == np.float32
    gained = {name: table(2 * measured(x) + 1, MARKERS) for name, x in zip(("x1", "x2", "query"), (x1, x2, query))}
    np.testing.assert_allclose(BASELINES["cytovi"](x1, gained["x2"], query), 2 * mapped + 1, atol=1e-2)
    np.testing.assert_allclose(BASELINES["cytovi"](gained["x1"], x2, gained["query"]), mapped, atol=1e-2)


def test_cytovi_needs_cells_to_train_on(shifted):
    installed("cytovi")
    (x1, x2, query), _, _ = shifted
    with pytest.raises(InputError, match="needs 20 training cells, not 19"):
        BASELINES["cytovi"](x1[:9].copy(), x2[:10].copy(), query)


@pytest.mark.parametrize(
    "name, low, high",
    [("harmony", 0.2, 0.4), ("cytonorm", 0.3, 0.55), ("scanorama", 0.35, 0.55), ("cytovi", 0.25, 0.5)],
)
def test_two_days_of_one_person_are_brought_nearer(name, low, high, mirror, table, monkeypatch):
    installed(name)
    if name == "cytovi":
        train_briefly(monkeypatch, 50)
    folder = mirror / "shaham_p1"
    markers = (folder / "markers.txt").read_text().split()
    days = [pd.read_csv(folder / f"Person1Day{day}_baseline.csv", header=None).to_numpy() for day in (1, 2)]
    days = [np.arcsinh(day / 5)[np.random.default_rng(0).permutation(len(day))] for day in days]
    (x1, query), (x2, target) = ([table(part, markers) for part in np.split(day, [len(day) * 7 // 10])] for day in days)
    goal = measured(target)
    assert low < emd(BASELINES[name](x1, x2, query)[None], goal).mean() < high < 0.57
