"""A corrected file is the measured one but for what was corrected, whoever reads it."""

import importlib.util
import warnings
from pathlib import Path

import flowio
import numpy as np
import pytest
from anndata import AnnData
from fcs_bytes import VALUES, write, write_types
from fcs_readers import readers

from magan.cytometry import fcs_write
from magan.cytometry.fcs_channels import column
from magan.cytometry.fcs_read import open_fcs, read_fcs
from magan.cytometry.fcs_write import PLACES, NewChannel, add_channels, rewrite, write_corrected
from magan.cytometry.panel import annotate
from magan.errors import InputError

FOUND = importlib.util.find_spec("cytonormpy")
CYTONORM = Path(FOUND.origin).parent / "_resources" if FOUND else None


def halved(source: Path, markers=None) -> tuple[AnnData, list[int]]:
    """Some markers of a file at half their values, and their columns."""
    cells = annotate(read_fcs(source))
    places = [cells.var_names.get_loc(m) for m in markers] if markers else list(range(0, cells.n_vars, 2))
    corrected = cells[:, places].copy()
    corrected.X = corrected.X / 2
    return corrected, places


def assert_written(source: Path, path: Path) -> None:
    """Every reader finds the stored numbers in order, half of the channels halved, and the others as they came."""
    corrected, places = halved(source)
    write_corrected(source, corrected, path, provenance={"MAGAN_MODEL": "some/model", "MAGAN_REFERENCE": ""})
    measured, events = read_fcs(source), open_fcs(source)
    expected = events.stored(0, events.n).astype(np.float32)
    expected[:, places] /= 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, (values, channels, markers) in readers(path).items():
            np.testing.assert_array_equal(np.asarray(values, np.float32), expected, err_msg=name)
            assert [c.strip() for c in channels] == list(measured.var["channel"]), name
            assert [m.strip() for m in markers] == list(measured.var["marker"]), name
    text = flowio.FlowData(str(path)).text
    assert text["magan_model"] == "some/model" and "magan_reference" not in text
    for n, largest in enumerate(expected.max(axis=0), start=1):
        came = {key: events.keywords.get(f"p{n}{key}", "") for key in "bergn"}
        left = {key: text.get(f"p{n}{key}", "") for key in "bergn"}
        if n - 1 in places:
            assert float(left["r"]) >= max(largest, 1)
            came["r"] = left["r"]
        assert left == came


@pytest.mark.skipif(CYTONORM is None, reason="cytonormpy is not installed")
@pytest.mark.parametrize("name", ["Gates_PTLG021_Unstim_Control_1", "Gates_PTLG034_Unstim_Control_2"])
def test_three_readers_agree_on_a_corrected_file_of_counts(tmp_path, name):
    assert_written(CYTONORM / f"{name}.fcs", tmp_path / "out.fcs")


@pytest.mark.parametrize("name", ["wishbone/sample_masscyt", "huimm/downsample", "krieg_panel3/Data23_Panel3_base_HD1"])
def test_three_readers_agree_whatever_the_original_was_like(tmp_path, mirror, name):
    """The first is a file of doubles that flowio refuses, the last has left-over amplification."""
    assert_written(mirror / f"{name}.fcs", tmp_path / "out.fcs")


@pytest.mark.parametrize(
    "keywords",
    [
        {"$P1N": "L/D", "$P1S": "live/dead", "$FIL": "/data//a.fcs/"},
        {"$P1S": "", "$P2S": None},
        {"$P1S": "CD3/", "$P2S": "/CD4"},
        {"$P1S": "TCR\u00e9", "OPERATOR": "Zo\u00eb"},
        {"$P1R": "0", "$P2R": "1e30"},
        {"$P1R": "262144.0", "$P2R": "262144.0"},
        {"$P1G": "4", "$P1E": "3,1"},
    ],
)
def test_odd_keywords_do_not_break_a_corrected_file(tmp_path, keywords):
    assert_written(write(tmp_path / "in.fcs", keywords=keywords), tmp_path / "out.fcs")


@pytest.mark.parametrize(("bits", "byteord"), [((16, 16), "1,2,3,4"), ((16, 16), "4,3,2,1"), ((32, 16), "4,3,2,1")])
def test_integers_stay_integers_on_their_scale_and_what_they_cannot_hold_is_counted(tmp_path, bits, byteord):
    keywords = {"$P1E": "4,1", "$P2E": "0,0", "$P2G": "2"}
    rows = [[512, 1023], [1, 7], [700, 9]]
    source = write(tmp_path / "in.fcs", rows, datatype="I", bits=bits, byteord=byteord, keywords=keywords)
    events = open_fcs(source)

    def change(first, x):  # a tenth, and double: 1023 becomes more than 10 bits hold, the smallest less than a decade
        return np.column_stack([x[:, 0] / 10, x[:, 1] * 2])

    rewrite(events, tmp_path / "out.fcs", [0, 1], change, provenance={})
    written = open_fcs(tmp_path / "out.fcs")
    found = np.column_stack([column(written.stored(0, 3), i, written.channels[i]) for i in (0, 1)])
    np.testing.assert_array_equal(found, [[256, 1023], [0, 14], [444, 18]])  # a tenth is 256 of 1024 in four decades
    assert written.keywords["magan_off_scale"] == "C1 1, C2 1"
    assert [written.keywords[key] for key in ("p1e", "p2g", "p1r", "datatype")] == ["4,1", "2", "1024", "I"]
    rewrite(events, tmp_path / "same.fcs", [0, 1], lambda first, x: x, provenance={})
    same = open_fcs(tmp_path / "same.fcs")
    assert same.stored(0, 3).tobytes() == events.stored(0, 3).tobytes() and "magan_off_scale" not in same.keywords


@pytest.mark.parametrize("version", ["3.1", "3.2"])
def test_types_of_each_channel_stay_in_a_corrected_file(tmp_path, version):
    numbers = np.zeros(3, np.dtype([("C1", "<f4"), ("C2", "<u4"), ("C3", "<f8")]))
    numbers["C1"], numbers["C2"], numbers["C3"] = [1.5, 2, 3], [15, 2**31, 7], [0.1, -2, 1e6]
    source = write_types(tmp_path / "in.fcs", numbers, version)
    np.testing.assert_array_equal(read_fcs(source).X, np.float32([[1.5, 15, 0.1], [2, 2.0**31, -2], [3, 7, 1e6]]))
    rewrite(open_fcs(source), tmp_path / "out.fcs", [2], lambda first, x: x[:, 2:] * 2, provenance={})
    stored = open_fcs(tmp_path / "out.fcs").stored(0, 3)
    assert stored["c0"].tobytes() == numbers["C1"].tobytes() and stored["c1"].tobytes() == numbers["C2"].tobytes()
    np.testing.assert_allclose(stored["c2"], numbers["C3"] * 2, rtol=1e-7)
    assert (tmp_path / "out.fcs").read_bytes()[:6] == b"FCS3.2"


@pytest.mark.parametrize("length", [*range(8900, 9000, 7), *range(98900, 99000, 7)])
def test_keywords_of_any_length_leave_the_offsets_right(tmp_path, length):
    source = write(tmp_path / "in.fcs")
    corrected, _ = halved(source)
    write_corrected(source, corrected, tmp_path / "out.fcs", provenance={"MAGAN_NOTE": "x" * length})
    np.testing.assert_array_equal(read_fcs(tmp_path / "out.fcs").X, np.float32(VALUES) * np.float32([0.5, 1]))


def test_keywords_are_kept_and_those_no_longer_true_are_not(tmp_path):
    kept = {"$CYT": "DVSSCIENCES-CYTOF", "$DATE": "05-Jul-2016", "$FIL": "a.fcs", "GUID": "1.fcs", "$P1V": "500"}
    kept |= {"flowCore_$P2Rmax": "9", "Spaced Name": " x y "}
    stale = {"flowCore_$P1Rmax": "9", "$ORIGINALITY": "Original"}
    source = write(tmp_path / "in.fcs", keywords=kept | stale | {"$P2R": "200000", "$P1R": "3"})
    write_corrected(source, halved(source)[0], tmp_path / "out.fcs", provenance={"MAGAN_BATCH": "monday"})
    text = flowio.FlowData(str(tmp_path / "out.fcs")).text
    for key, value in {**kept, "MAGAN_BATCH": "monday"}.items():
        assert text[key.lower().replace("$", "")] == value
    assert text["originality"] == "DataModified" and "flowcore_p1rmax" not in text
    assert b"/Spaced Name/" in (tmp_path / "out.fcs").read_bytes()
    assert (text["p1r"], text["p2r"]) == ("4", "200000")  # 7.75 / 2, rounded up; as it was


@pytest.mark.skipif(CYTONORM is None, reason="cytonormpy is not installed")
def test_channels_that_are_not_corrected_are_measured_ones_to_the_last_bit(tmp_path):
    source = CYTONORM / "Gates_PTLG028_Unstim_Control_1.fcs"
    corrected, places = halved(source, ["CD4", "CD3"])  # in another order than the file's
    write_corrected(source, corrected, tmp_path / "out.fcs", provenance={})
    before, after = read_fcs(source), read_fcs(tmp_path / "out.fcs")
    changed = np.flatnonzero((before.X != after.X).any(axis=0))
    assert sorted(places) == list(changed) and "Time" in before.var["marker"].iloc[0]
    np.testing.assert_array_equal(after.X[:, places], before.X[:, places] / 2)


def test_values_that_are_not_finite_are_refused_by_channel_and_count(tmp_path):
    source = write(tmp_path / "in.fcs")
    corrected, _ = halved(source, ["CD1", "CD2"])
    corrected.X = corrected.X.astype(np.float64)
    corrected.X[:2, 1] = np.nan, 1e39
    with pytest.raises(InputError, match=r"channel 'C2' \(CD2\) is not finite in 2 of 3 events \(1 channels"):
        write_corrected(source, corrected, tmp_path / "out.fcs", provenance={})
    assert not (tmp_path / "out.fcs").exists()


def test_another_number_of_events_is_refused(tmp_path):
    source = write(tmp_path / "in.fcs")
    with pytest.raises(InputError, match="has 3 events, not 2"):
        write_corrected(source, halved(source)[0][:2].copy(), tmp_path / "out.fcs", provenance={})


def test_slashes_at_the_edge_of_a_keyword_cost_no_other_keyword(tmp_path):
    kept = {"$FIL": "/data//a.fcs/", "NOTE": "/", "$CYT": "CyTOF", "LAST": "yes"}
    source = write(tmp_path / "in.fcs", keywords=kept)
    write_corrected(source, halved(source)[0], tmp_path / "out.fcs", provenance={"MAGAN_BATCH": "/a"})
    by_flowio = flowio.FlowData(str(tmp_path / "out.fcs")).text
    for key, value in {**kept, "MAGAN_BATCH": "/a"}.items():
        assert by_flowio[key.lower().lstrip("$")] == value


@pytest.mark.parametrize("wrong", ["text", "data"])
def test_a_file_that_does_not_read_back_as_meant_is_refused(tmp_path, monkeypatch, wrong):
    source, text = write(tmp_path / "in.fcs"), fcs_write._text

    def damaged(*arguments):
        a, b = (b"/C1/", b"/C3/") if wrong == "text" else (b"1,2,3,4", b"4,3,2,1")
        return text(*arguments).replace(a, b)

    monkeypatch.setattr(fcs_write, "_text", damaged)
    with pytest.raises(InputError, match=r"in\.fcs: the corrected file would not read back the same"):
        write_corrected(source, halved(source)[0], tmp_path / "out.fcs", provenance={})
    assert not (tmp_path / "out.fcs").exists()


@pytest.mark.parametrize(
    ("start", "data"), [(256, (256, 279)), (99_999_976, (99_999_976, 99_999_999)), (99_999_977, (0, 0))]
)
def test_the_header_says_where_text_and_data_lie_and_zero_for_data_that_end_too_far_off(tmp_path, start, data):
    events = open_fcs(write(tmp_path / "a.fcs"))  # 3 events of 2 channels of 4 bytes
    header = fcs_write._header(events, 100, start)
    offsets = [int(header[at : at + 8]) for at in range(10, 58, 8)]
    assert header[:10] == b"FCS3.1    " and offsets == [256, 355, *data, 0, 0]


@pytest.mark.slow
def test_every_reader_finds_data_that_end_beyond_what_the_header_can_say(tmp_path):
    n = 2_000_000  # of 14 channels: 112 MB
    block = np.random.default_rng(0).random((n // 10, 14), dtype=np.float32)
    end = 2048 + 10 * block.nbytes - 1
    told = {"$TOT": str(n), "$ENDDATA": str(end)}
    source = write(tmp_path / "in.fcs", [], bits=(32,) * 14, keywords=told, header_offsets=(0, 0))
    with source.open("ab") as file:
        file.write(block.tobytes() * 10)
    rewrite(open_fcs(source), tmp_path / "out.fcs", [0], lambda first, x: x[:, :1] * 2, provenance={})
    assert (tmp_path / "out.fcs").read_bytes()[26:42].split() == [b"0", b"0"]
    for name, (values, _, _) in readers(tmp_path / "out.fcs").items():
        values = np.asarray(values, np.float32)
        np.testing.assert_array_equal(values[n // 2 :: n // 10], values[:: n // 10][5:], err_msg=name)
        np.testing.assert_array_equal(values[:: n // 10, 0], block[0, 0] * 2 * np.ones(10, np.float32), err_msg=name)
        np.testing.assert_array_equal(values[-1, 1:], block[-1, 1:], err_msg=name)


@pytest.mark.parametrize("rows", [1, 2])
def test_events_written_a_few_at_a_time_are_the_same_bytes(tmp_path, rows):
    source = open_fcs(write(tmp_path / "in.fcs", VALUES[::-1], keywords={"$P1G": "4"}))
    asked = []

    def change(first, x):
        asked.append((first, len(x)))
        return x[:, 1:] - 4

    for name, n in (("whole", 99), ("parts", rows)):
        rewrite(source, tmp_path / name, [0], change, provenance={"A": "b"}, rows=n)
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "parts").read_bytes()
    assert asked[:2] == [(0, 3), (0, rows)] and sum(n for _, n in asked) == 6
    np.testing.assert_array_equal(read_fcs(tmp_path / "parts").X[:, 0], [89996, -1, 196.25])
    assert open_fcs(tmp_path / "parts").keywords["p1r"] == "359984"  # as it is stored: times the gain


@pytest.mark.parametrize("kind", ["float", "double", "whole", "types"])
def test_a_channel_of_flags_is_added_and_all_else_stays(tmp_path, kind):
    file, flags = tmp_path / "a.fcs", np.array([0, 1, 7], np.uint8)
    if kind == "types":
        numbers = np.zeros(3, np.dtype([("C1", "<f4"), ("C2", "<u2"), ("C3", "<f8")]))
        numbers["C2"], numbers["C3"] = [1, 2, 3], [0.1, 0.2, 0.3]
        write_types(file, numbers)
    elif kind == "whole":
        write(file, [[1, 70_000], [2, 3], [1023, 9]], datatype="I", bits=(16, 32), keywords={"$P1E": "4,1"})
    else:
        write(file, datatype="D" if kind == "double" else "F", bits=(64, 64) if kind == "double" else (32, 32))
    events = open_fcs(file)
    flag = [NewChannel("magan_acquisition", "", 8)]
    add_channels(events, tmp_path / "b.fcs", flag, flags[:, None], rows=2)
    after = open_fcs(tmp_path / "b.fcs")
    assert after.channels[:-1] == events.channels and after.n == 3
    x, y = events.stored(0, 3), after.stored(0, 3)
    for i, channel in enumerate(events.channels):
        np.testing.assert_array_equal(column(x, i, channel), column(y, i, channel))
    np.testing.assert_array_equal(after.read(0, 3)[:, -1], flags)
    same = events.keywords.keys() - {"par", "begindata", "enddata", "originality", *PLACES}
    assert {key: after.keywords.get(key) for key in same} == {key: events.keywords[key] for key in same}
    if kind != "types":
        flow = flowio.FlowData(str(tmp_path / "b.fcs"))
        assert flow.text[f"p{flow.channel_count}n"] == "magan_acquisition" and flow.event_count == 3
        np.testing.assert_array_equal(np.reshape(flow.events, (3, -1))[:, -1], flags)
    with pytest.raises(InputError, match="has a channel 'magan_acquisition' already"):
        add_channels(after, tmp_path / "c.fcs", flag, flags[:, None])


def test_new_channels_hold_any_number_in_files_of_floats_and_are_refused_in_files_of_whole_numbers(tmp_path):
    events = open_fcs(write(tmp_path / "a.fcs", keywords={"$P3S": "stale", "$P13S": "kept"}))
    values = np.array([[-1.5, 2.25], [0.0, 1e6], [3.0, -7.0]], np.float32)
    channels = [NewChannel("imputed_CD4", "CD4 imputed", 5), NewChannel("imputed_CD8", "", 2_000_000)]
    add_channels(events, tmp_path / "b.fcs", channels, values, provenance={"MAGAN_PANEL": "T"})
    for name, (numbers, names, labels) in readers(tmp_path / "b.fcs").items():
        np.testing.assert_array_equal(numbers, np.column_stack([events.read(0, 3), values]), err_msg=name)
        assert names[2:] == ["imputed_CD4", "imputed_CD8"] and labels[2:] == ["CD4 imputed", "imputed_CD8"], name
    words = open_fcs(tmp_path / "b.fcs").keywords
    assert (words["p3r"], words["p4r"], words["magan_panel"]) == ("5", "2000000", "T") and words["p13s"] == "kept"
    with pytest.raises(InputError, match="has 3 events, not 2; give a value for each"):
        add_channels(events, tmp_path / "c.fcs", channels, values[:2])
    with pytest.raises(InputError, match="'imputed_CD8' is not finite"):
        add_channels(events, tmp_path / "c.fcs", channels, np.where(values == 1e6, np.inf, values))
    whole = open_fcs(write(tmp_path / "d.fcs", [[1, 2]], datatype="I", bits=(16, 16)))
    for wrong in (0.5, -1.0, 5.0):
        with pytest.raises(InputError, match="whole numbers, which cannot hold the new channel 'imputed_CD4'"):
            add_channels(whole, tmp_path / "c.fcs", channels[:1], np.array([[wrong]]))
    assert not (tmp_path / "c.fcs").exists()
