"""Compensation against NumPy's inverse of a known matrix, and files that go back to the state they came in."""

import flowio
import numpy as np
import pytest
from fcs_bytes import write

from magan.cytometry.compensation import mixed, of_table, read_matrix
from magan.cytometry.fcs_read import FcsOptions, fcs_options, open_fcs, read_fcs
from magan.cytometry.fcs_write import rewrite
from magan.errors import InputError

DYES = [f"D{n}-A" for n in range(1, 7)]


@pytest.fixture
def matrix():
    """Six dyes, each up to 45 % in another's detector."""
    spill = np.random.default_rng(0).uniform(0, 0.3, (6, 6)) * (np.random.default_rng(1).random((6, 6)) < 0.5)
    np.fill_diagonal(spill, 1)
    spill[0, 1] = 0.45
    return np.round(spill, 4)


@pytest.fixture
def truth():
    """Light of each of six dyes in a hundred events, negatives as after a background is taken off."""
    return np.random.default_rng(2).normal(size=(100, 6)) * 50 + np.random.default_rng(3).exponential(2000, (100, 6))


def keyword(matrix, names=DYES):
    return ",".join([str(len(names)), *names, *(repr(float(value)) for value in matrix.ravel())])


def flow(path, truth, matrix, *, names=DYES, key="$SPILLOVER", **keywords):
    """A file of what six detectors see of ``truth``, after scatter and before Time."""
    n, times = len(truth), np.arange(len(truth))
    measured = np.column_stack([np.full(n, 5e4), truth @ matrix, times])
    channels = ["FSC-A", *names, "Time"]
    text = {f"$P{i}N": name for i, name in enumerate(channels, start=1)} | {f"$P{i}S": "" for i in range(1, 9)}
    text |= ({key: keyword(matrix)} if key else {}) | keywords
    return write(path, measured.tolist(), bits=(32,) * 8, keywords=text)


@pytest.mark.parametrize("key", ["$SPILLOVER", "SPILL", "$SPILL", "spillover"])
@pytest.mark.parametrize("asked", [None, "file"])
def test_the_matrix_of_the_file_gives_back_the_light_of_each_dye(tmp_path, truth, matrix, key, asked):
    file = flow(tmp_path / "a.fcs", truth, matrix, key=key)
    found = read_fcs(file, FcsOptions(asked))
    np.testing.assert_allclose(found.X[:, 1:7], truth, rtol=1e-4, atol=1e-2)
    np.testing.assert_array_equal(found.X[:, [0, 7]], np.column_stack([np.full(100, 5e4), np.arange(100)]))


@pytest.mark.parametrize("form", ["label {}", "Comp-D{}-A", "D{}-A :: label {}"])
@pytest.mark.parametrize("in_file", [True, False])
def test_a_matrix_may_call_its_channels_by_labels_or_as_flowjo_does(tmp_path, truth, matrix, form, in_file):
    names = [form.format(n, n) for n in range(1, 7)]
    text = {f"$P{n + 1}S": f"Label {n}" for n in range(1, 7)}
    text |= {"$SPILLOVER": keyword(matrix, names)} if in_file else {}
    file = flow(tmp_path / "a.fcs", truth, matrix, key="", **text)
    (tmp_path / "m.csv").write_text("\n".join(",".join(map(str, row)) for row in [names, *matrix]))
    found = read_fcs(file, FcsOptions(None if in_file else str(tmp_path / "m.csv")))
    np.testing.assert_allclose(found.X[:, 1:7], truth, rtol=1e-4, atol=1e-2)


def test_columns_of_the_matrix_are_found_by_name_in_any_order(tmp_path, truth, matrix):
    order = [3, 0, 5, 1, 4, 2]
    turned = keyword(matrix[np.ix_(order, order)], [DYES[i] for i in order])
    file = flow(tmp_path / "a.fcs", truth, matrix, **{"$SPILLOVER": turned})
    np.testing.assert_allclose(read_fcs(file).X[:, 1:7], truth, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("rows_named", [False, True])
def test_a_table_replaces_the_matrix_of_the_file(tmp_path, truth, matrix, rows_named):
    file = flow(tmp_path / "a.fcs", truth, matrix, **{"$SPILLOVER": keyword(np.eye(6))})
    rows = [",".join(([name] if rows_named else []) + [str(x) for x in row]) for name, row in zip(DYES, matrix)]
    table = tmp_path / "m.csv"
    table.write_text("\n".join([",".join(([""] if rows_named else []) + DYES), *rows]))
    found = open_fcs(file, FcsOptions(str(table)))
    np.testing.assert_allclose(found.read(0, 100)[:, 1:7], truth, rtol=1e-4, atol=1e-2)
    assert found.compensation.state == "compensated" and "m.csv" in found.compensation.sentence
    assert read_matrix(table)[0] == tuple(DYES)


def test_none_and_an_identity_leave_values_as_measured(tmp_path, truth, matrix):
    file = flow(tmp_path / "a.fcs", truth, matrix)
    np.testing.assert_array_equal(read_fcs(file, FcsOptions("none")).X[:, 1:7], np.float32(truth @ matrix))
    assert "not applied" in open_fcs(file, FcsOptions("none")).compensation.sentence
    same = open_fcs(flow(tmp_path / "b.fcs", truth, np.eye(6)))
    assert (same.compensation.sentence, same.spillover, same.compensation.largest) == ("", None, 0.0)
    bare = open_fcs(flow(tmp_path / "c.fcs", truth, matrix, key=""))
    assert (bare.compensation.sentence, bare.compensation.state) == ("", "")


def test_a_user_who_said_nothing_is_told_what_is_done(tmp_path, truth, matrix):
    found = open_fcs(flow(tmp_path / "a.fcs", truth, matrix)).compensation
    assert found.largest == 0.45 and found.n_channels == 6 and found.state == "compensated"
    assert found.sentence == (
        "holds a spillover matrix ($SPILLOVER, 6 channels, largest off-diagonal 0.45), which is applied; "
        "say compensation: none if its values are compensated already"
    )


@pytest.mark.parametrize("prefix", ["Comp-", "FJComp-"])
def test_channels_that_say_they_are_compensated_are_not_compensated_again(tmp_path, truth, matrix, prefix):
    names = [prefix + name for name in DYES]
    file = flow(tmp_path / "a.fcs", truth, matrix, names=names, **{"$SPILLOVER": keyword(matrix, names)})
    found = open_fcs(file)
    assert found.spillover is None and found.compensation.state == "compensated"
    assert f"compensated already, as 6 channels say ({prefix}D1-A)" in found.compensation.sentence
    with pytest.raises(InputError, match="compensated already; say compensation: none"):
        open_fcs(file, FcsOptions("file"))


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"$SPILLOVER": "2,D1-A,XX-A,1,0.1,0,1"}, r"\$SPILLOVER of .*a\.fcs is about channel 'XX-A'"),
        ({"$SPILLOVER": "2,D1-A,D2-A,1,0.1,0"}, "cannot be read .*5 fields for 2 channels"),
        ({"$SPILLOVER": "two"}, "cannot be read"),
        ({"$SPILLOVER": "2,D1-A,D2-A,1,1,1,1"}, "no usable inverse"),
        ({"$SPILLOVER": "2,D1-A,D1-A,1,0.2,0,1"}, "lists channel 'D1-A' 2 times"),
    ],
)
def test_a_matrix_that_cannot_be_used_is_refused_when_asked_for_and_else_told(tmp_path, truth, keywords, message):
    file = flow(tmp_path / "a.fcs", truth, np.eye(6), **keywords)
    with pytest.raises(InputError, match=message) as error:
        open_fcs(file, FcsOptions("file"))
    assert "give compensation as none" in str(error.value) or "lists" in str(error.value)
    found = open_fcs(file)
    assert found.spillover is None and "not applied" in found.compensation.sentence
    assert open_fcs(file, FcsOptions("none")).compensation.sentence == ""


def test_a_matrix_without_names_is_applied_only_when_asked_for(tmp_path, truth, matrix):
    numbers = ",".join(["6", *map(str, matrix.ravel())])
    file = flow(tmp_path / "a.fcs", truth, matrix, key="", **{"$COMP": numbers})
    assert "$COMP may hold a matrix or its inverse" in open_fcs(file).compensation.sentence
    np.testing.assert_allclose(read_fcs(file, FcsOptions("file")).X[:, 1:7], truth, rtol=1e-4, atol=1e-2)


def test_a_path_that_is_none_is_refused(tmp_path, truth, matrix):
    file = flow(tmp_path / "a.fcs", truth, matrix)
    with pytest.raises(InputError, match=r"compensation is 'nowhere\.csv', which is no file; write file, none"):
        open_fcs(file, FcsOptions("nowhere.csv"))
    (tmp_path / "m.csv").write_text("D1-A,D2-A\n1,0\n")
    with pytest.raises(InputError, match="1 rows for 2 channels; make it square"):
        open_fcs(file, FcsOptions(str(tmp_path / "m.csv")))


def test_a_corrected_file_goes_back_to_the_state_it_came_in(tmp_path, truth, matrix):
    source = open_fcs(flow(tmp_path / "a.fcs", truth, matrix))
    rewrite(source, tmp_path / "same.fcs", [1, 2], lambda first, x: x[:, 1:3], provenance={})
    same = open_fcs(tmp_path / "same.fcs")
    assert same.stored(0, 100).tobytes() == source.stored(0, 100).tobytes()
    assert same.keywords["spillover"] == source.keywords["spillover"]
    rewrite(source, tmp_path / "out.fcs", [1], lambda first, x: x[:, 1:2] + 100, provenance={})
    moved = truth.copy()
    moved[:, 0] += 100
    found = np.reshape(flowio.FlowData(str(tmp_path / "out.fcs")).events, (100, 8))  # no reader of ours
    np.testing.assert_allclose(found[:, 1:7], moved @ matrix, rtol=1e-5, atol=1e-2)
    np.testing.assert_array_equal(found[:, [0, 7]], source.stored(0, 100)[:, [0, 7]])
    np.testing.assert_allclose(read_fcs(tmp_path / "out.fcs").X[:, 1:7], moved, rtol=1e-4, atol=1e-2)


def test_a_corrected_file_may_stay_compensated_and_says_so(tmp_path, truth, matrix):
    source = open_fcs(flow(tmp_path / "a.fcs", truth, matrix))
    half = lambda first, x: x[:, 1:2] / 2  # noqa: E731
    rewrite(source, tmp_path / "out.fcs", [1], half, provenance={}, stay_compensated=True)
    found = open_fcs(tmp_path / "out.fcs")
    np.testing.assert_allclose(found.read(0, 100)[:, 1:7], truth * [0.5, 1, 1, 1, 1, 1], rtol=1e-4, atol=1e-2)
    assert found.compensation.largest == 0 and found.keywords["spillover"].startswith("6,D1-A")
    assert found.keywords["magan_compensated"] == "by $SPILLOVER of the measured file"


def test_whole_numbers_cannot_stay_compensated(tmp_path):
    text = {"$SPILLOVER": "2,C1,C2,1,0.5,0,1"}
    source = open_fcs(write(tmp_path / "a.fcs", [[10, 20]], datatype="I", bits=(16, 16), keywords=text))
    np.testing.assert_array_equal(source.read(0, 1), [[10, 15]])
    with pytest.raises(InputError, match="stores whole numbers, which cannot hold compensated values"):
        rewrite(source, tmp_path / "b", [0], lambda first, x: x[:, :1], provenance={}, stay_compensated=True)


def test_files_that_are_compensated_and_files_that_are_not_do_not_mix(tmp_path, truth, matrix):
    states = {
        "a": open_fcs(flow(tmp_path / "a.fcs", truth, matrix)).compensation,
        "b": open_fcs(flow(tmp_path / "b.fcs", truth, matrix)).compensation,
        "c": open_fcs(flow(tmp_path / "c.fcs", truth, matrix, key="")).compensation,
    }
    assert mixed({"a": states["a"], "b": states["b"]}, {}) == []
    (sentence,) = mixed(states, {"a": "1", "b": "2", "c": "2"})
    assert sentence.startswith(
        "2 files are compensated (first: a) and 1 file is not (first: c) in one batch; give comp"
    )
    assert "together" in mixed(states, {"a": "1", "b": "1", "c": "2"})[0]
    raw = {name: open_fcs(tmp_path / f"{name}.fcs", FcsOptions("none")).compensation for name in "abc"}
    assert mixed(raw, {}) == []
    table = {"t": of_table(["FSC-A", "Comp-D1-A :: CD3"])}
    assert mixed(table | {"c": states["c"]}, {}) == mixed(table | {"a": states["a"]}, {}) == []
    (sentence,) = mixed(table | {"a": raw["a"]}, {"t": "1", "a": "2"})
    assert sentence.startswith("1 file is compensated (first: t) and 1 file is not (first: a) together")
    assert mixed({"t": of_table(["CD3"]), "a": raw["a"]}, {}) == []


def test_options_come_from_a_row_and_unknown_ones_are_refused():
    assert fcs_options({"path": "a.fcs", "compensation": "none", "trust": ""}) == FcsOptions("none")
    with pytest.raises(InputError, match="trust is 'text'; write header"):
        fcs_options({"trust": "text"})
