"""FCS files written byte by byte here, so that the reader is checked against the standard, not against a library."""

import flowio
import numpy as np
import pytest
from fcs_bytes import VALUES, write

from magan.cytometry.fcs_read import extreme, open_fcs, read_fcs, survey
from magan.errors import InputError

NAN, HUGE = float("nan"), 1e300


@pytest.mark.parametrize("version", ["2.0", "3.0", "3.1"])
@pytest.mark.parametrize("byteord", ["1,2,3,4", "4,3,2,1"])
@pytest.mark.parametrize(("datatype", "bits"), [("F", (32, 32)), ("D", (64, 64))])
def test_floats_of_every_version_order_and_width_come_back(tmp_path, version, byteord, datatype, bits):
    file = write(tmp_path / "a.fcs", version=version, byteord=byteord, datatype=datatype, bits=bits)
    adata = read_fcs(file)
    np.testing.assert_array_equal(adata.X, np.float32(VALUES))
    assert adata.X.dtype == np.float32
    assert list(adata.var["channel"]) == ["C1", "C2"] == list(adata.var_names)
    assert list(adata.var["marker"]) == ["CD1", "CD2"]


@pytest.mark.parametrize("byteord", ["1,2,3,4", "4,3,2,1"])
@pytest.mark.parametrize("bits", [(16, 16), (32, 32), (16, 32)])
def test_integers_come_back(tmp_path, byteord, bits):
    rows = [[1, 1023], [512, 0]]
    file = write(tmp_path / "a.fcs", rows, datatype="I", bits=bits, byteord=byteord)
    np.testing.assert_array_equal(read_fcs(file).X, rows)


@pytest.mark.parametrize("byteord", ["1,2,3,4", "4,3,2,1"])
@pytest.mark.parametrize("bits", [(16, 16), (32, 32), (32, 16), (8, 8)])
def test_bits_above_the_range_are_left_out_as_other_parsers_do(tmp_path, byteord, bits):
    rows = [[255, 129], [3, 0], [131, 250]]
    keywords = {"$P1R": "128", "$P2R": "100"}
    file = write(tmp_path / "a.fcs", rows, datatype="I", bits=bits, byteord=byteord, keywords=keywords)
    expected = np.array(rows) % 128
    np.testing.assert_array_equal(read_fcs(file).X, expected)
    np.testing.assert_array_equal(np.reshape(flowio.FlowData(str(file)).events, (3, 2)), expected)


def test_a_range_of_a_quarter_of_the_bits_leaves_out_those_above_it(tmp_path):
    keywords = {"$P1R": "16", "$P2R": "65536"}
    file = write(tmp_path / "a.fcs", [[255, 65535]], datatype="I", bits=(16, 16), keywords=keywords)
    np.testing.assert_array_equal(read_fcs(file).X, [[15, 65535]])


@pytest.mark.parametrize(("byteord", "expected"), [("4,3,2,1", [0x010203, 70]), ("1,2,3,4", [0x030201, 70 << 16])])
def test_integers_of_three_bytes_come_back(tmp_path, byteord, expected):
    keywords = {"$PAR": "1", "$P1B": "24", "$P1R": "16777216"}
    rows = [[1, 2, 3], [0, 0, 70]]
    file = write(tmp_path / "a.fcs", rows, datatype="I", bits=(8, 8, 8), byteord=byteord, keywords=keywords)
    np.testing.assert_array_equal(read_fcs(file).X[:, 0], expected)


@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize(("datatype", "bits"), [("F", (32, 32)), ("D", (64, 64)), ("I", (16, 32)), ("I", (16, 16))])
def test_events_read_a_few_at_a_time_are_those_of_the_file(tmp_path, rows, datatype, bits):
    keywords = {"$P1G": "4", "$P2E": "2,1"}
    values = [[n, 10 * n] for n in range(7)]
    events = open_fcs(write(tmp_path / "a.fcs", values, datatype=datatype, bits=bits, keywords=keywords))
    parts = list(events.blocks(rows))
    assert [len(part) for part in parts[:-1]] == [rows] * (len(parts) - 1)
    np.testing.assert_array_equal(np.concatenate(parts), read_fcs(tmp_path / "a.fcs").X)
    told = survey(events, n_some=3, rows=rows)
    np.testing.assert_array_equal(told.lowest, np.concatenate(parts).min(axis=0))
    np.testing.assert_array_equal(told.highest, np.concatenate(parts).max(axis=0))
    np.testing.assert_array_equal(told.some, np.concatenate(parts)[[0, 3, 6]])


def test_a_survey_names_what_is_not_finite_as_reading_does(tmp_path):
    events = open_fcs(write(tmp_path / "a.fcs", [[1.0, NAN], [2.0, NAN], [3.0, 1.0]]))
    with pytest.raises(InputError, match=r"channel 'C2' \(CD2\) is not finite in 2 of 3 cells \(1 channels"):
        survey(events, rows=1)


@pytest.mark.parametrize("n", [1, 16, 49])
def test_extremes_are_those_of_each_column(n):
    x = np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)
    np.testing.assert_array_equal(extreme(np.maximum, x), x.max(axis=0))
    x[n // 2, 1] = NAN
    np.testing.assert_array_equal(np.isnan(extreme(np.minimum, x)), [False, True, False])


def test_a_file_that_is_cut_behind_a_header_without_offsets_is_refused(tmp_path):
    file = write(tmp_path / "a.fcs", header_offsets=(0, 0), keep=2060)
    with pytest.raises(InputError, match=r"is cut short: \$TOT promises 2072 bytes, it has 2060"):
        read_fcs(file)


def test_what_flowio_writes_comes_back(tmp_path):
    with (tmp_path / "a.fcs").open("wb") as file:
        flowio.create_fcs(file, np.ravel(VALUES).tolist(), ["Nd142Di", "Time"], ["CD19", ""]).close()
    adata = read_fcs(tmp_path / "a.fcs")
    np.testing.assert_array_equal(adata.X, np.float32(VALUES))
    assert list(adata.var["marker"]) == ["CD19", "Time"]  # $PnN stands in for an empty $PnS


def test_integers_on_a_logarithmic_scale_become_linear_and_floats_are_already(tmp_path):
    log = {"$P1E": "4,1", "$P2E": "3,0"}
    adata = read_fcs(write(tmp_path / "a.fcs", [[512, 1023]], datatype="I", bits=(16, 16), keywords=log))
    np.testing.assert_allclose(adata.X, [[10**2, 10 ** (3 * 1023 / 1024)]], rtol=1e-6)  # an offset of 0 is read as 1
    np.testing.assert_array_equal(read_fcs(write(tmp_path / "b.fcs", keywords=log)).X, np.float32(VALUES))


def test_a_gain_divides(tmp_path):
    adata = read_fcs(write(tmp_path / "a.fcs", keywords={"$P2G": "4"}))
    np.testing.assert_array_equal(adata.X, np.float32(VALUES) / np.float32([1, 4]))


def test_a_file_without_begindata_is_read_from_its_header(tmp_path):
    file = write(tmp_path / "a.fcs", datatype="D", bits=(64, 64), keywords={"$BEGINDATA": None, "$ENDDATA": None})
    np.testing.assert_array_equal(read_fcs(file).X, np.float32(VALUES))


def test_an_end_one_too_far_is_harmless(tmp_path):
    file = write(tmp_path / "a.fcs", header_offsets=(2048, 2048 + 24), keywords={"$ENDDATA": str(2048 + 24)})
    np.testing.assert_array_equal(read_fcs(file).X, np.float32(VALUES))


@pytest.mark.parametrize("offsets", [{}, {"$BEGINDATA": None, "$ENDDATA": None}])
def test_latin_1_names_come_back(tmp_path, offsets):
    adata = read_fcs(write(tmp_path / "a.fcs", keywords={"$P1S": "TCR\u00e9"} | offsets))
    assert list(adata.var["marker"]) == ["TCR\u00e9", "CD2"]


@pytest.mark.parametrize("delimiter", ["|", "/", "\f", "!", "\\"])
def test_an_empty_name_costs_no_other_name(tmp_path, delimiter):
    adata = read_fcs(write(tmp_path / "a.fcs", keywords={"$P1S": ""}, delimiter=delimiter))
    assert list(adata.var["marker"]) == ["C1", "CD2"]


def test_two_channels_may_share_a_marker_until_a_panel_chooses(tmp_path):
    assert list(read_fcs(write(tmp_path / "a.fcs", keywords={"$P1S": "CD2"})).var["marker"]) == ["CD2", "CD2"]


REFUSED = {
    "cut in the data": (dict(keep=2060), "is cut short: its header promises 2072 bytes, it has 2060"),
    "cut by a byte": (dict(keep=2071), "copy or export it again"),
    "cut in the header": (dict(keep=30), "has a damaged header"),
    "cut in the text": (dict(keep=100), "is cut short"),
    "fewer events than $TOT": (dict(keywords={"$TOT": "4"}), "says 4 events of 2 channels .* holds 6 values, not 8"),
    "more events than $TOT": (dict(keywords={"$TOT": "2"}), "says 2 events of 2 channels .* holds 6 values, not 4"),
    "header and text disagree": (
        dict(header_offsets=(2044, 2067)),
        "contradicts itself about its data: header bytes 20",
    ),
    "wrong header alone": (
        dict(header_offsets=(2040, 2071), keywords={"$BEGINDATA": None, "$ENDDATA": None}),
        "contradicts itself",
    ),
    "data inside the text": (dict(header_offsets=(70, 93)), "damaged header"),
    "no $TOT": (dict(keywords={"$TOT": None}), r"no usable \$TOT"),
    "no channel name": (dict(keywords={"$P2N": None}), r"gives channel 2 no name \(\$P2N\)"),
    "a channel name twice": (dict(keywords={"$P2N": "C1"}), "uses the channel name 'C1' 2 times"),
    "two data sets": (dict(keywords={"$NEXTDATA": "1000"}), "no data set begins where"),
    "odd byte order": (dict(keywords={"$BYTEORD": "3,4,1,2"}), "cannot be read .*byte order"),
    "histogram mode": (dict(keywords={"$MODE": "C"}), r"holds histograms \(\$MODE C\), not events"),
    "text as data": (dict(keywords={"$DATATYPE": "A"}), "cannot be read"),
    "an offset that is no number": (dict(keywords={"$BEGINDATA": "2Z48"}), r"has no usable \$BEGINDATA \('2Z48'\)"),
    "bad gain": (dict(keywords={"$P2G": "loud"}), r"amplification of channel 2 .* is missing or no number"),
    "nan": (
        dict(rows=[[1.0, NAN], [2.0, NAN], [3.0, 1.0]]),
        r"channel 'C2' \(CD2\) is not finite in 2 of 3 cells \(1 ",
    ),
    "too large": (
        dict(rows=[[HUGE, 1.0]], datatype="D", bits=(64, 64)),
        r"channel 'C1' \(CD1\) is not finite in 1 of 1",
    ),
    "no events": (
        dict(rows=[], header_offsets=(0, 0), keywords={"$BEGINDATA": "0", "$ENDDATA": "0"}),
        "holds no events",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_would_be_read_wrongly_is_refused_by_name(tmp_path, case):
    arguments, message = REFUSED[case]
    file = write(tmp_path / "sample.fcs", **arguments)
    with pytest.raises(InputError, match=message) as error:
        read_fcs(file)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_fcs_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist; check the path"):
        read_fcs(tmp_path / "absent.fcs")
    (tmp_path / "empty.fcs").touch()
    with pytest.raises(InputError, match=r"is empty \(0 bytes\)"):
        read_fcs(tmp_path / "empty.fcs")
    (tmp_path / "table.fcs").write_text("CD3,CD4\n1,2\n")
    with pytest.raises(InputError, match=r"is not an FCS file .*it begins with b'CD3,CD'"):
        read_fcs(tmp_path / "table.fcs")


def test_a_real_file_without_begindata_and_of_doubles_is_read_right(mirror):
    adata = read_fcs(mirror / "wishbone" / "sample_masscyt.fcs")
    # Independent: the header's offsets are 1024 to 2601023, little-endian doubles.
    raw = np.fromfile(mirror / "wishbone" / "sample_masscyt.fcs", dtype="<f8", offset=1024).reshape(25000, 13)
    np.testing.assert_array_equal(adata.X, raw.astype(np.float32))
    assert adata.X.min() == 0 and 6.5 < adata.X.max() < 7
    assert {"CD4", "CD8", "TCRb"} <= set(adata.var["marker"])


def test_a_real_float_file_with_leftover_amplification_stays_in_counts(mirror):
    adata = read_fcs(mirror / "krieg_panel3" / "Data23_Panel3_base_HD1.fcs")  # $P2E is 5.57918,0.0316228
    raw = np.fromfile(mirror / "krieg_panel3" / "Data23_Panel3_base_HD1.fcs", dtype=">f4", offset=5317, count=30)
    np.testing.assert_array_equal(adata.X[0], raw.astype(np.float32))


def test_a_channel_that_is_not_used_may_hold_what_is_not_finite(tmp_path):
    file = write(tmp_path / "a.fcs", [[1.0, NAN], [2.0, 3.0]])
    assert np.isnan(read_fcs(file, finite=False).X[0, 1])
    told = survey(open_fcs(file), used=[0])
    assert told.highest[0] == 2 and np.isnan(told.highest[1])
    with pytest.raises(InputError, match=r"channel 'C2' \(CD2\) is not finite in 1 of 2 cells \(1 channels"):
        survey(open_fcs(file), used=[1])
