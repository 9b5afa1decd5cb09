"""What instruments and software write into FCS files, kind by kind, and every real file that is installed."""

import importlib.util
import os
import warnings
from pathlib import Path

import flowio
import numpy as np
import pytest
from fcs_bytes import VALUES, write, write_types

from magan.cytometry.fcs_channels import _mask, column
from magan.cytometry.fcs_header import as_keywords, split_text
from magan.cytometry.fcs_read import FcsOptions, open_fcs, read_fcs
from magan.cytometry.fcs_write import rewrite
from magan.cytometry.read_cells import read
from magan.errors import InputError

CASES = Path(__file__).parents[3] / "shared" / "cases"
MOST = 4_000_000  # bytes of a real file that is read here


@pytest.mark.parametrize(
    ("largest", "width", "mask"),
    [("1024", 2, 1023), ("1025", 2, 2047), ("2", 1, 1), ("1", 1, 0), ("256", 1, 0), ("65537", 2, 0), ("3e2", 4, 511)],
)
def test_a_whole_number_has_the_bits_below_the_power_of_two_that_holds_its_range(largest, width, mask):
    """0 stands for all bits of the type."""
    assert _mask(Path("a.fcs"), {"p3r": largest}, 3, width) == mask


def installed() -> list[Path]:
    """FCS files that fcsparser and cytonormpy ship, and those of the cases, where they are there."""
    found = [importlib.util.find_spec(name) for name in ("fcsparser", "cytonormpy")]
    folders = [Path(spec.origin).parent for spec in found if spec] + [CASES]
    return sorted(file for folder in folders for file in folder.rglob("*.[fF][cC][sS]"))


def stored_by_flowio(path: Path) -> np.ndarray | None:
    """Numbers as flowio finds them, ``(n, M)``; None where it refuses the file or is known to be wrong."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            flow = flowio.FlowData(str(path))
        return np.reshape(flow.events, (-1, flow.channel_count))
    except Exception:  # flowio raises anything
        return None


@pytest.mark.parametrize("path", [pytest.param(p, id=f"{p.parent.name}-{p.name}") for p in installed()])
def test_every_file_is_refused_in_a_sentence_or_given_back_by_an_identity_to_the_last_bit(path, tmp_path):
    try:
        events = open_fcs(path)
        if os.path.getsize(path) > MOST:
            pytest.skip("a large file")
        x = events.read(0, events.n)
    except InputError as error:
        assert str(path) in str(error) and "\n" not in str(error)
        return
    mixed = any(key.endswith("datatype") and key != "datatype" for key in events.keywords)
    theirs = None if mixed else stored_by_flowio(path)
    stored = events.stored(0, events.n)
    if theirs is not None:
        ours = np.stack([column(stored, i, channel) for i, channel in enumerate(events.channels)], axis=1)
        np.testing.assert_array_equal(ours.astype(np.float64), theirs)
    places = list(range(0, len(events.channels), 2))
    rewrite(events, tmp_path / "out.fcs", places, lambda first, x: x[:, places], provenance={"MAGAN_MODEL": "m"})
    again = open_fcs(tmp_path / "out.fcs", FcsOptions("none"))
    assert again.stored(0, again.n).tobytes() == stored.tobytes()
    np.testing.assert_array_equal(open_fcs(tmp_path / "out.fcs").read(0, events.n), x)
    for n in range(1, len(events.channels) + 1):  # an identity leaves corrected channels' keywords too
        for key in "begns":
            assert again.keywords.get(f"p{n}{key}", "").strip() == events.keywords.get(f"p{n}{key}", "").strip()
    for key in ("timestep", "cyt", "date", "btim", "etim", "spillover", "spill"):
        assert again.keywords.get(key, "").strip() == events.keywords.get(key, "").strip()
    if theirs is not None and (left := stored_by_flowio(tmp_path / "out.fcs")) is not None:
        np.testing.assert_array_equal(left, theirs)


@pytest.mark.parametrize("name", ["Time", "TIME", "time", "HDR-T"])
def test_a_clock_has_no_amplifier(tmp_path, name):
    keywords = {"$P2N": name, "$P2G": "0.01", "$P1G": "2", "$TIMESTEP": "0.01"}
    file = write(tmp_path / "a.fcs", keywords=keywords)
    np.testing.assert_array_equal(read_fcs(file).X, np.float32(VALUES) / [2, 1])
    rewrite(open_fcs(file), tmp_path / "b.fcs", [0], lambda first, x: x[:, :1] * 3, provenance={})
    text = flowio.FlowData(str(tmp_path / "b.fcs")).text
    assert (text["p2g"], text["timestep"], text["p2n"]) == ("0.01", "0.01", name)


@pytest.mark.parametrize("gain", ["NA", "0", "0.0", "", "nan", "N/A"])
def test_a_gain_that_is_no_number_is_none(tmp_path, gain):
    file = write(tmp_path / "a.fcs", keywords={"$P1G": gain, "$P2G": gain})
    np.testing.assert_array_equal(read_fcs(file).X, np.float32(VALUES))


def test_a_gain_may_have_a_decimal_comma(tmp_path):
    file = write(tmp_path / "a.fcs", keywords={"$P1G": "2,5", "$P2G": " 0.5"})
    np.testing.assert_allclose(open_fcs(file).read(0, 3), np.array(VALUES) / [2.5, 0.5], rtol=1e-6)


@pytest.mark.parametrize("gain", ["inf", "-inf", "-2", "1e999"])
def test_a_gain_that_no_amplifier_has_is_refused(tmp_path, gain):
    with pytest.raises(InputError, match=rf"\$P1G of channel 'C1' is '{gain}', which is no amplification"):
        read_fcs(write(tmp_path / "a.fcs", keywords={"$P1G": gain}))


@pytest.mark.parametrize("par", ["0", "1000000000", "9" * 30])
@pytest.mark.parametrize("datatype", ["F", "I"])
def test_a_number_of_channels_that_the_file_cannot_hold_is_refused_at_once(tmp_path, par, datatype):
    file = write(tmp_path / "a.fcs", [[1, 2]], datatype=datatype, bits=(32, 32), keywords={"$PAR": par})
    with pytest.raises(InputError, match=r"promises \d+ channels \(\$PAR\)|no usable \$PAR"):
        read_fcs(file)


def test_a_number_of_events_that_the_file_cannot_hold_is_refused_at_once(tmp_path):
    with pytest.raises(InputError, match="says 999999999999 events of 2 channels"):
        read_fcs(write(tmp_path / "a.fcs", keywords={"$TOT": "999999999999"}))


def test_the_last_keyword_needs_no_delimiter(tmp_path):
    """Without it, parsers take the last letter: CD45 would be CD4."""
    words = write(tmp_path / "a.fcs", keywords={"ZZZ": "CD45"}).read_bytes()
    start, stop = int(words[10:18]), int(words[18:26])
    assert words[start : stop + 1].endswith(b"|CD45|")
    cut = words[:18] + f"{stop - 1:>8}".encode() + words[26:stop] + b" " + words[stop + 1 :]
    (tmp_path / "b.fcs").write_bytes(cut)
    assert open_fcs(tmp_path / "b.fcs").keywords["zzz"] == "CD45"


@pytest.mark.parametrize("stale", [False, True])
def test_names_in_supplemental_text_are_read(tmp_path, stale):
    more = b"|$P2S|CD99|$P1S|not this|"
    at = 2048 + 24  # behind the data
    keywords = {"$P2S": None, "$BEGINSTEXT": str(at - stale), "$ENDSTEXT": str(at + len(more) - 1)}
    file = write(tmp_path / "a.fcs", keywords=keywords)
    file.write_bytes(file.read_bytes() + more)
    assert list(read_fcs(file).var["marker"]) == ["CD1", "C2" if stale else "CD99"]  # what TEXT says counts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"/$A/1/$B/2/", {"$A": "1", "$B": "2"}),
        (b"/$A/1/$B/2/   \0", {"$A": "1", "$B": "2"}),
        (b"/$A/1/$B/2", {"$A": "1", "$B": "2"}),
        (b"/$A/x//y///$B/2/", {"$A": "x/y/", "$B": "2"}),
        (b"/$A//$B/2/", {"$A": "", "$B": "2"}),
        (b"/$A//$B//$C/3/", {"$A": "", "$B": "", "$C": "3"}),
        (b"/$A/1/$B//", {"$A": "1", "$B": ""}),
        (b"^$A^$100^B^2^", {"$A": "$100", "B": "2"}),
        (b"\\$A\\C:\\\\x\\B\\2\\", {"$A": "C:\\x", "B": "2"}),
        (b"/$A///x//y/$B/2/", {"$A": "/x/y", "$B": "2"}),
        (b"", {}),
        (b"/", {}),
        (b"////", {}),
    ],
)
def test_keywords_are_taken_apart_whatever_the_delimiter(text, expected):
    assert split_text(text) == expected


def test_of_two_keywords_that_differ_by_a_dollar_the_standards_counts():
    assert as_keywords({"$P1N": "a", "P1N": "b", "Other": "c"}) == {"p1n": "a", "other": "c"}


def test_a_value_that_begins_with_the_delimiter_gains_no_space(tmp_path):
    kept = {"$FIL": "/data/a.fcs", "NOTE": "|!/#~"}
    source = open_fcs(write(tmp_path / "a.fcs", keywords=kept, delimiter="\f"))
    rewrite(source, tmp_path / "b.fcs", [0], lambda first, x: x[:, :1], provenance={})
    found = open_fcs(tmp_path / "b.fcs").words
    assert {key: found[key] for key in kept} == kept


def test_where_header_and_keywords_disagree_the_header_may_be_trusted(tmp_path):
    file = write(tmp_path / "a.fcs", keywords={"$BEGINDATA": "2049", "$ENDDATA": "2072"})
    with pytest.raises(InputError, match=r"contradicts itself about its data.*say trust: header, or export"):
        read_fcs(file)
    np.testing.assert_array_equal(read_fcs(file, FcsOptions(trust="header")).X, np.float32(VALUES))
    file = write(tmp_path / "b.fcs", header_offsets=(2049, 2072))
    with pytest.raises(InputError, match="is cut short"):
        read_fcs(file, FcsOptions(trust="header"))


@pytest.mark.parametrize("bits", [0, 65, 7])
def test_a_type_that_cannot_be_read_is_named(tmp_path, bits):
    numbers = np.zeros(2, np.dtype([("C1", "<f4"), ("C2", "<u2")]))
    with pytest.raises(InputError, match=f"cannot be read .an integer of {bits} bits"):
        read_fcs(write_types(tmp_path / "a.fcs", numbers, keywords={"$P2B": str(bits)}))
    with pytest.raises(InputError, match="data type 'A' of channel 2"):
        read_fcs(write_types(tmp_path / "b.fcs", numbers, keywords={"$P2DATATYPE": "A"}))


def test_a_type_of_each_channel_without_one_of_all_is_written_with_one(tmp_path):
    numbers = np.zeros(3, np.dtype([("C1", "<f4"), ("C2", "<u2")]))
    source = open_fcs(write_types(tmp_path / "a.fcs", numbers, keywords={"$DATATYPE": None}))
    rewrite(source, tmp_path / "b.fcs", [0], lambda _, x: x[:, :1] + 1, provenance={})
    written = open_fcs(tmp_path / "b.fcs")
    assert written.channels == source.channels and written.keywords["datatype"] == "F"


def several(path, second=((5, 6), (7, 8))):
    """Two data sets in one file, as Beckman Coulter's .LMD has them: 10 bits in 2.0, then whole numbers in 3.0."""
    first = [[1, 1023], [2, 3], [4, 5]]
    bits = {"$P1B": "10", "$P2B": "10", "$NEXTDATA": "4096"}
    write(path, first, version="2.0", datatype="I", bits=(16, 16), keywords=bits)
    start = path.read_bytes().ljust(4096, b"\0")
    write(path, second, version="3.0", datatype="I", bits=(32, 32), keywords={"$P1R": "1048576", "$P2R": "1048576"})
    path.write_bytes(start + path.read_bytes())
    return np.float32(first), np.float32(second)


@pytest.mark.parametrize("name", ["a.LMD", "a.001", "a.B08", "a b{1}.fcs"])
def test_each_of_several_data_sets_is_read_as_flowio_reads_it(tmp_path, name):
    file = tmp_path / name
    both = several(file)
    flow = flowio.FlowData(str(file), nextdata_offset=4096)
    np.testing.assert_array_equal(np.reshape(flow.events, (-1, 2)), both[1])
    for number, values in enumerate(both, start=1):
        cells = read(file, fcs=FcsOptions(data_set=str(number)))
        np.testing.assert_array_equal(cells.X, values)
        assert list(cells.obs["sample"]) == [name.rsplit(".", 1)[0]] * len(values)


def test_which_of_several_data_sets_is_asked_for(tmp_path):
    several(tmp_path / "a.lmd")
    held = "holds 2 data sets .1: 3 events of 2 channels; 2: 2 events of 2 channels.; say which with data_set"
    with pytest.raises(InputError, match=f"a.lmd {held}"):
        read_fcs(tmp_path / "a.lmd")
    with pytest.raises(InputError, match=f"has no data set 3: it {held}"):
        read_fcs(tmp_path / "a.lmd", FcsOptions(data_set="3"))
    with pytest.raises(InputError, match="data_set is '0'; write the number"):
        FcsOptions(data_set="0")
    np.testing.assert_array_equal(read_fcs(write(tmp_path / "b.fcs"), FcsOptions(data_set="1")).X, np.float32(VALUES))


def test_a_data_set_that_is_chosen_is_written_alone_and_keeps_its_numbers(tmp_path):
    first, _ = several(tmp_path / "a.LMD")
    events = open_fcs(tmp_path / "a.LMD", FcsOptions(data_set="1"))
    rewrite(events, tmp_path / "b.LMD", [1], lambda _, x: x[:, 1:] + 1, provenance={})
    values, flow = read_fcs(tmp_path / "b.LMD").X, flowio.FlowData(str(tmp_path / "b.LMD"))
    np.testing.assert_array_equal(values, [[1, 1023], [2, 4], [4, 6]])  # 1024 is off the scale of 10 bits
    np.testing.assert_array_equal(np.reshape(flow.events, (-1, 2)), values)
    np.testing.assert_array_equal(values[:, 0], first[:, 0])
    assert (flow.text["p1b"], flow.text["magan_off_scale"], flow.text["nextdata"]) == ("16", "C2 1", "0")


def test_a_place_of_further_data_that_holds_none(tmp_path):
    file = write(tmp_path / "a.fcs", keywords={"$NEXTDATA": "999999"})  # behind the end: the length of the file
    np.testing.assert_array_equal(read_fcs(file).X, np.float32(VALUES))
    for number in ("1000", "-5", "3"):
        with pytest.raises(InputError, match=f"no data set begins where .NEXTDATA says, {number} bytes on"):
            read_fcs(write(tmp_path / "a.fcs", keywords={"$NEXTDATA": number}))


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not beside the checkout")
def test_the_cases_of_values_are_right():
    folder = CASES / "cytometry"
    assert read_fcs(folder / "01_time_gain/a.fcs")[5].to_df()["Time"].item() == 5
    for name, channel, event, value in (
        ("time_is_integer", "Time", 5, 15),
        ("marker_is_integer", "CD3", 1, 6),
    ):
        cells = read_fcs(folder / f"06_fcs32_types/{name}.fcs")
        assert cells.X[event, list(cells.var["marker"]).index(channel)] == value
    assert read_fcs(folder / "06_fcs32_types/marker_is_double.fcs").n_obs == 300
    assert read_fcs(folder / "12_offset_differs_by_one/a.fcs", FcsOptions(trust="header")).n_obs == 300
    assert read_fcs(folder / "20_gain_not_a_number/a.fcs").n_obs == 300
    assert open_fcs(folder / "02_spillover/a.fcs").compensation.largest == 0.4
    for name in ("par_0", "par_1e9", "gain_inf"):
        with pytest.raises(InputError):
            open_fcs(CASES / f"faults/{name}.fcs")
