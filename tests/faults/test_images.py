"""Folders of images that never end, and files of images that claim more than they hold."""

import gzip
import io
import os
import shutil
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from magan.errors import InputError
from magan.images.folders import NO_FILE, READ_ELSEWHERE, Form, files_in, read_folder
from magan.images.load import own_images

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases" / "faults"


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two images of each of two classes."""
    for place in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        path = tmp_path / "images" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4), len(place) + sum(place.encode()) % 200, np.uint8)).save(path)
    return tmp_path / "images"


PLACES = ("a/1.png", "a/2.png", "b/1.png", "b/2.png")


@pytest.mark.parametrize("target", [".", "..", "../..", "/", "../b", "../a/1.png"])
def test_a_link_back_into_the_folder_or_above_it_gives_no_image_twice(folder, target):
    (folder / "a" / "loop.png").symlink_to(target)
    read = read_folder(folder, Form(), "mine")
    assert read.places == PLACES and read.left_out == (("a/loop.png", READ_ELSEWHERE),)


def test_two_links_to_a_folder_or_a_file_elsewhere_are_read_once(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "elsewhere")
    for name in ("c", "d"):
        (folder / name).symlink_to(tmp_path / "elsewhere" / "a")
    (folder / "e.png").symlink_to(tmp_path / "elsewhere" / "b" / "1.png")
    (folder / "f.png").symlink_to(tmp_path / "elsewhere" / "b" / "1.png")
    read = read_folder(folder, Form(), "mine")
    assert read.places == (*PLACES, "c/1.png", "c/2.png", "e.png")
    assert [place for place, _ in read.left_out] == ["d", "f.png"]


def test_linked_folders_that_link_to_each_other_end(folder, tmp_path):
    for name, other in (("x", "y"), ("y", "x")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "more").symlink_to(tmp_path / other)
    (folder / "x").symlink_to(tmp_path / "x")
    assert read_folder(folder, Form(), "mine").places == PLACES


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_a_pipe_and_a_device_are_not_opened(folder, kind):
    if kind == "fifo":
        os.mkfifo(folder / "a" / "3.png")
    else:
        (folder / "a" / "3.png").symlink_to("/dev/zero")
    read = read_folder(folder, Form(), "mine")
    assert read.places == PLACES and read.left_out == (("a/3.png", NO_FILE),)


def test_a_link_that_leads_nowhere_is_named(folder):
    (folder / "a" / "3.png").symlink_to("nowhere.png")
    with pytest.raises(InputError, match=r"a/3\.png leads nowhere .*; mend the link"):
        list(files_in(folder))


def png_of(width: int, height: int) -> bytes:
    """The header of a PNG of any size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_000, 30_000])
def test_a_decompression_bomb_is_an_error_and_no_warning(folder, side):
    """Pillow only warns of the smaller."""
    (folder / "a" / "bomb.png").write_bytes(png_of(side, side))
    with pytest.raises(InputError, match=r"bomb\.png cannot be read \(Image size"):
        read_folder(folder, Form(), "mine")


@pytest.mark.parametrize(("name", "sentence"), [("axes255.idx", "claims 255 axes"), ("overflow.idx", "cannot hold")])
def test_the_shared_idx_files_are_refused_in_a_sentence(name, sentence):
    if not (CASES / name).is_file():
        pytest.skip("the shared cases are not beside the checkout")
    with pytest.raises(InputError, match=sentence):
        own_images(CASES / name)


def idx(shape: tuple[int, ...], content: bytes) -> bytes:
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + content


WHOLE = idx((2, 2, 2), bytes(range(8)))
WRONG = {
    "cut header": (WHOLE[:9], "is cut off within its header"),
    "cut": (WHOLE[:-1], "has 7 bytes for 2 x 2 x 2"),
    "too long": (WHOLE + b"\0", "has more bytes for 2 x 2 x 2"),
    "no axis": (idx((), b"\0"), "claims 0 axes"),
    "overflow": (idx((2**31, 2**31, 4), b""), "cannot hold 2147483648 x"),
    "packed overflow": (gzip.compress(idx((2**31, 2**31, 4), b"")), "cannot hold 2147483648 x"),
    "packed and cut": (gzip.compress(WHOLE)[:-9], "cannot be unpacked"),
    "packed and longer": (gzip.compress(WHOLE + bytes(10**7)), "has more bytes"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_idx_file_that_claims_what_it_does_not_hold_is_refused(case, tmp_path):
    content, sentence = WRONG[case]
    (tmp_path / "images.idx").write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        own_images(tmp_path / "images.idx")


def test_the_intact_idx_file_is_read_packed_or_not(tmp_path):
    for content in (WHOLE, gzip.compress(WHOLE)):
        (tmp_path / "images.idx").write_bytes(content)
        assert own_images(tmp_path / "images.idx").X.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def npz(path: Path, header: str, content: bytes = b"") -> Path:
    inner = io.BytesIO()
    inner.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + content)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("images.npy", inner.getvalue())
    return path


@pytest.mark.parametrize(
    "shape", ["(1000000, 1000, 1000)", "(9223372036854775807, 9, 9)", "(-1, 4, 4)", "(1, 4)", "(True, 4, 4)"]
)
def test_an_npz_array_that_cannot_be_in_the_file_is_refused(shape, tmp_path):
    header = "{'descr': '|u1', 'fortran_order': False, 'shape': %s}\n" % shape  # noqa: UP031
    with pytest.raises(InputError):
        own_images(npz(tmp_path / "images.npz", header, bytes(8)))


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + bytes(100)])
def test_an_npz_file_that_is_none_is_refused(content, tmp_path):
    (tmp_path / "images.npz").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        own_images(tmp_path / "images.npz")


def test_a_download_without_end_is_given_up(tmp_path, monkeypatch):
    from magan.datasets import download

    sent = []

    def endless(url, file, pooch):
        while len(sent) < 1000:
            sent.append(file.write(bytes(1000)))

    monkeypatch.setattr(download, "LARGEST", 5000)
    monkeypatch.setattr(download.pooch, "HTTPDownloader", lambda progressbar: endless)
    with pytest.raises(InputError, match="sends more than 5000 bytes"):
        download.download(download.File("a.fcs", "0" * 64, "http://host/a.fcs"), "mine", None, tmp_path)
    assert len(sent) == 5 and list(tmp_path.iterdir()) == []
