from datetime import datetime

import openpyxl
import pytest

from magan.cytometry.sample_sheet import read_sheet
from magan.errors import InputError

HEADER = "sample,path,batch"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two files beside the sheet and one in the working directory."""
    (tmp_path / "study").mkdir()
    (tmp_path / "work").mkdir()
    for name in ("study/a.fcs", "study/b.fcs", "study/labels.txt", "work/c.fcs"):
        (tmp_path / name).write_text("x")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "study"


def put(folder, *lines, name="samples.csv"):
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return folder / name


@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_a_sheet_is_rows_of_files_with_what_is_known_of_them(folder, separator):
    lines = [
        "# of March", f"{HEADER},panel,donor,is_control,cell_type,visit", "",
        "s1,a.fcs,one,A,d1,yes,gate,first", "s2,c.fcs,two,B,,,labels.txt,",
    ]  # fmt: skip
    rows = read_sheet(put(folder, *(line.replace(",", separator) for line in lines)))
    assert rows == [
        {"sample": "s1", "path": str(folder / "a.fcs"), "batch": "one", "panel": "A", "donor": "d1", "is_control": True,
         "cell_type": "gate", "visit": "first"},
        {"sample": "s2", "path": "c.fcs", "batch": "two", "panel": "B", "donor": "unknown", "is_control": False,
         "cell_type": str(folder / "labels.txt"), "visit": "unknown"},
    ]  # fmt: skip


def test_a_file_beside_the_sheet_comes_before_one_of_the_working_directory(folder):
    (folder / "c.fcs").write_text("x")
    assert read_sheet(put(folder, HEADER, "s,c.fcs,1"))[0]["path"] == str(folder / "c.fcs")


WRONG = {
    "a column missing": (["sample,path,bacth", "s,a.fcs,1"], "line 1 has no column 'batch' (did you mean 'bacth'?)"),
    "another one misspelt": ([f"{HEADER},grup", "s,a.fcs,1,x"], "unknown column 'grup' (did you mean 'group'?)"),
    "a column twice": ([f"{HEADER},batch", "s,a.fcs,1,1"], "line 1: column 'batch' is there 2 times"),
    "a column without name": ([f"{HEADER},", "s,a.fcs,1,x"], "line 1: column 4 has no name"),
    "too many fields": ([HEADER, "", "s,a.fcs,1,2"], "line 3 has 4 fields but the header 3"),
    "a blank": ([HEADER, "s,a.fcs,"], "line 2 has no batch; fill it in"),
    "a panel left blank": ([f"{HEADER},panel", "s,a.fcs,1,"], "line 2 has no panel; fill it in"),
    "a sample twice": ([HEADER, "s,a.fcs,1", "s,b.fcs,1"], "line 3: sample 's' is on line 2 already; list each once"),
    "a file twice": ([HEADER, "s,a.fcs,1", "t,a.fcs,1"], "a.fcs' is on line 2 already; list each once"),
    "no such file": ([HEADER, "s,a.fcs,1", "t,z.fcs,1"], "line 3: file z.fcs does not exist from "),
    "no such labels": ([f"{HEADER},cell_type", "s,a.fcs,1,z.csv"], "line 2: file z.csv does not exist"),
    "a flag": ([f"{HEADER},is_control", "s,a.fcs,1,perhaps"], "line 2: is_control is 'perhaps'; write true or false"),
    "a name of folders": ([HEADER, "s,a.fcs,1/2"], "line 2: batch is '1/2'; leave slashes out"),
    "no row": ([HEADER], "lists no sample; add one row per file"),
    "nothing": ([""], "is empty; write the columns sample, path, batch and a row per file"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_with_its_line(folder, case):
    lines, sentence = WRONG[case]
    with pytest.raises(InputError) as error:
        read_sheet(put(folder, *lines))
    assert sentence in str(error.value) and "samples.csv" in str(error.value) and "\n" not in str(error.value)


def test_a_sheet_that_is_not_there_or_no_text_is_named(folder):
    with pytest.raises(InputError, match=r"sample sheet .*none\.tsv does not exist; check the path"):
        read_sheet(folder / "none.tsv")
    (folder / "a.xlsx").write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(InputError, match=r"a\.xlsx cannot be read as an Excel file .*; save it as \.xlsx or CSV"):
        read_sheet(folder / "a.xlsx")


def test_empty_rows_and_columns_of_excel_say_nothing_and_a_sample_may_be_called_by_a_sign(folder):
    lines = [f"{HEADER},,", "# left out, on purpose", "#2,a.fcs,1,,", ",,,,", "b,b.fcs,2,,", "#note", ",,,,"]
    rows = read_sheet(put(folder, *lines))
    assert [(row["sample"], row["batch"]) for row in rows] == [("#2", "1"), ("b", "2")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_sheet_may_be_in_any_encoding_that_excel_writes(folder, encoding):
    (folder / "s.csv").write_bytes("sample;path;batch\nMüller;a.fcs;früh\n".encode(encoding))
    assert read_sheet(folder / "s.csv")[0]["sample"] == "Müller" and read_sheet(folder / "s.csv")[0]["batch"] == "früh"


def test_a_sheet_may_be_an_excel_file(folder):
    book = openpyxl.Workbook()
    for row in (
        ["sample", "path", "batch", "is_control", None],
        [],
        [1, "a.fcs", 2.0, True],
        ["two", "b.fcs", datetime(2024, 3, 1), None],
    ):
        book.active.append(row)
    book.save(folder / "s.xlsx")
    rows = read_sheet(folder / "s.xlsx")
    assert [(row["sample"], row["batch"], row["is_control"]) for row in rows] == [
        ("1", "2", True),
        ("two", "2024-03-01", False),
    ]
    book.active["B4"] = "z.fcs"
    book.save(folder / "s.xlsx")
    with pytest.raises(InputError, match=r"s\.xlsx, line 4: file z\.fcs does not exist"):
        read_sheet(folder / "s.xlsx")
