"""Files of data sets are built from small originals as from the published originals."""

import dataclasses
import gzip
import io
import tarfile
import threading
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from magan.datasets import cells, content, images, originals
from magan.datasets.download import Build, File, download, verify
from magan.datasets.registry import DATASETS
from magan.errors import InputError

PACKED = (images.MNIST, images.FASHION, images.CIFAR, images.EMOJI)


def tar_of(path, files):
    with tarfile.open(path, "w:gz") as tar:
        for name, packed in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(packed)
            tar.addfile(member, io.BytesIO(packed))


def bytes_of(array, kind):
    stream = io.BytesIO()
    Image.fromarray(np.asarray(array, np.uint8)).save(stream, kind)
    return stream.getvalue()


def idx(array):
    axes = np.array(array.shape, ">u4").tobytes()
    return gzip.compress(b"\0\0\x08" + bytes([array.ndim]) + axes + array.tobytes())


def test_mnist_is_packed_from_its_four_files(tmp_path):
    rng, paths, expected = np.random.default_rng(3), {}, {}
    for part, key, n in (("train", "train", 3), ("t10k", "test", 2)):
        for what, axes in (("images-idx3", (n, 28, 28)), ("labels-idx1", (n,))):
            array = rng.integers(0, 256, axes, dtype=np.uint8)
            expected[f"{'x' if 'images' in what else 'y'}_{key}"] = array
            paths[f"{part}-{what}-ubyte.gz"] = tmp_path / f"{part}-{what}"
            paths[f"{part}-{what}-ubyte.gz"].write_bytes(idx(array))
    assert set(paths) == {file.path for file in images.MNIST.build.originals}
    originals.mnist(paths, tmp_path / "mnist.npz")
    with np.load(tmp_path / "mnist.npz") as built:
        assert set(built) == set(expected)
        for key, array in expected.items():
            np.testing.assert_array_equal(built[key], array)


def test_cifar_takes_the_first_images_of_its_classes_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(originals, "N_CIFAR", 2)
    listed = [
        f"repo-1/train/{name}/{i:04}.jpg" for i in (2, 1, 0) for name in ("truck", "dog", *originals.CIFAR_CLASSES)
    ]
    files = {name: name.encode() for name in listed} | {"repo-1/test/horse/0000.jpg": b"test"}
    tar_of(tmp_path / "a.tar.gz", files)
    originals.cifar({"a": tmp_path / "a.tar.gz"}, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as tar:
        found = {member.name: tar.extractfile(member).read() for member in tar}
    names = [f"train/{name}/{i:04}.jpg" for name in originals.CIFAR_CLASSES for i in (0, 1)]
    assert list(found) == names and all(found[name] == f"repo-1/{name}".encode() for name in names)
    del files["repo-1/train/deer/0001.jpg"]
    tar_of(tmp_path / "a.tar.gz", files)
    with pytest.raises(InputError, match="holds 7 of 8 images; delete it"):
        originals.cifar({"a": tmp_path / "a.tar.gz"}, tmp_path / "a.tar")


def test_fashion_is_cut_row_by_row_and_each_kind_has_three_rows(tmp_path):
    piece = np.arange(900).reshape(30, 30) % 251
    (tmp_path / "a.png").write_bytes(bytes_of(piece.repeat(28, axis=0).repeat(28, axis=1), "PNG"))
    originals.fashion({"a": tmp_path / "a.png"}, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as built:
        assert (built["x"] == piece.reshape(-1, 1, 1)).all() and built["x"].shape == (900, 28, 28)
        assert list(built["y"]) == [i // 90 for i in range(900)] and built["y"].dtype == np.uint8
    (tmp_path / "a.png").write_bytes(bytes_of(np.zeros((28, 56)), "PNG"))
    with pytest.raises(InputError, match="has 56 x 28 pixels, not 840 x 840; replace it"):
        originals.fashion({"a": tmp_path / "a.png"}, tmp_path / "a.npz")


@pytest.mark.parametrize("kind", [int, float])
def test_labels_of_huimm_are_decoded_from_numbers_of_r(tmp_path, kind):
    rdata = pytest.importorskip("rdata")
    rdata.write_rda(tmp_path / "a.Rdata", {"ref_label_downsample": np.array([15, 0, 20, 1], kind)})
    originals.huimm_labels({"a": tmp_path / "a.Rdata"}, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == b"label\nCD4 naive\nunknown\ngd T\nnaive B\n"
    rdata.write_rda(tmp_path / "a.Rdata", {"ref_label_downsample": np.array([15, 21], kind)})
    with pytest.raises(InputError, match="holds no numbers from 0 to 20"):
        originals.huimm_labels({"a": tmp_path / "a.Rdata"}, tmp_path / "a.csv")


def svg(colour, width=64):
    square = f'<rect width="{width}" height="64" fill="{colour}"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">{square}</svg>'


@pytest.fixture
def two_emoji(tmp_path, monkeypatch):
    """Originals of two code points, whose known brightness is that of a red and a blue half; and where they lie."""
    table = pd.DataFrame({"noto": [85.0, 255 * 2 / 3], "fx": [85.0, 255 * 2 / 3]}, index=["1f600", "2b50"])
    monkeypatch.setattr(originals, "EMOJI", table)
    half = np.zeros((128, 128, 4), np.uint8)
    half[:, :64] = (0, 0, 255, 255)
    (tmp_path / "emoji_u1f600.png").write_bytes(bytes_of(np.full((128, 128, 4), (255, 0, 0, 255)), "PNG"))
    (tmp_path / "emoji_u2b50.png").write_bytes(bytes_of(half, "PNG"))
    folder = "fx-1/svgs/FirefoxEmoji"
    files = {
        f"{folder}/u1F600-flag.svg": svg("white"),
        f"{folder}/u1F600-grin.svg": svg("red"),
        f"{folder}/u1F600.layer1.svg": svg("red"),
        f"{folder}/u2B50-star.svg": svg("blue", 32),
        f"{folder}/u2B55-circle.svg": svg("black"),
    }
    tar_of(tmp_path / "fx", {name: text.encode() for name, text in files.items()})
    names = [originals.noto_name(code) for code in table.index]
    return {"fxemoji.tar.gz": tmp_path / "fx"} | {name: tmp_path / name for name in names}


def test_emoji_are_drawn_on_white_and_the_known_drawing_of_a_code_point_is_taken(two_emoji, tmp_path):
    try:
        import cairosvg  # noqa: F401
    except (ImportError, OSError) as error:
        pytest.skip(f"no SVG can be drawn ({error})")
    path = tmp_path / "a.npz"
    originals.emoji(two_emoji, path)
    with np.load(path) as built:
        assert list(built["codepoints"]) == ["1f600", "2b50"]
        for maker in ("noto", "fx"):
            assert built[maker].shape == (2, 64, 64, 3) and (built[maker][0] == (255, 0, 0)).all()
            assert (built[maker][1, :, :28] == (0, 0, 255)).all() and (built[maker][1, :, 36:] == 255).all()
        arrays = dict(built)
    assert originals.compare_emoji(path) == ""
    np.savez(path, **arrays | {"fx": arrays["fx"][::-1]})
    assert originals.compare_emoji(path) == "2 emoji of fx that are brighter or darker, first 1f600"
    np.savez(path, **arrays | {"codepoints": arrays["codepoints"][::-1]})
    assert originals.compare_emoji(path) == "other code points"
    tar_of(two_emoji["fxemoji.tar.gz"], {"fx-1/svgs/FirefoxEmoji/u2B50-star.svg": svg("blue").encode()})
    with pytest.raises(InputError, match=r"holds no emoji of 1f600 \(1 in all\)"):
        originals.emoji(two_emoji, path)


def test_a_file_is_built_once_and_its_originals_are_deleted(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "a.png").write_bytes(bytes_of(np.ones((840, 840)), "PNG"))
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)

    server = HTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path / "site")))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        original = File("a.png", None, f"http://127.0.0.1:{server.server_port}/a.png")
        file = File("a.npz", "0" * 64, build=Build((original,), originals.fashion), compare=lambda path: "")
        for _ in range(2):
            assert download(file, "toy", None, tmp_path / "toy") == tmp_path / "toy" / "a.npz"
        assert len(asked) == 1 and not (tmp_path / "toy" / "originals").exists()
        changed = dataclasses.replace(file, compare=lambda path: "other arrays")
        with pytest.raises(InputError, match=r"a\.npz as built has other arrays; an original has changed"):
            download(changed, "toy", None, tmp_path / "new")
        assert not (tmp_path / "new" / "a.npz").exists()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_every_file_has_an_address_an_original_or_a_package():
    for name, dataset in DATASETS.items():
        for file in dataset.files:
            assert file.url or file.build or dataset.package, name
            for original in file.build.originals if file.build else ():
                assert original.url.startswith("https://")
                assert original.url.endswith(original.path) or "codeload" in original.url


def test_the_content_of_the_real_files_is_the_known_content_however_they_are_packed(mirror, tmp_path):
    for file in PACKED:
        (path,) = mirror.glob(f"*/{file.path}")
        assert file.compare(path) == "", file.path
    with np.load(mirror / "fashion_sprite" / images.FASHION.path) as packed:
        arrays = dict(packed)
    np.savez(tmp_path / "a.npz", **dict(reversed(arrays.items())))
    verify(tmp_path / "a.npz", images.FASHION, "")
    arrays["x"][17, 3, 4] ^= 1
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=r"a\.npz has content with sha256 .*, expected b031.*; replace it"):
        verify(tmp_path / "a.npz", images.FASHION, "replace it")


def test_the_real_sprite_and_the_real_archive_build_what_is_known(mirror, tmp_path):
    with np.load(mirror / "fashion_sprite" / images.FASHION.path) as packed:
        sprite = packed["x"].reshape(30, 30, 28, 28).swapaxes(1, 2).reshape(840, 840)
    (tmp_path / "a.png").write_bytes(bytes_of(sprite, "PNG"))
    originals.fashion({"a": tmp_path / "a.png"}, tmp_path / "a.npz")
    verify(tmp_path / "a.npz", images.FASHION, "")
    with tarfile.open(mirror / "cifar10" / images.CIFAR.path) as tar:
        files = {f"repo/{member.name}": tar.extractfile(member).read() for member in tar}
    tar_of(tmp_path / "a.tar.gz", dict(reversed(files.items())))
    originals.cifar({"a": tmp_path / "a.tar.gz"}, tmp_path / "a.tar")
    verify(tmp_path / "a.tar", images.CIFAR, "")
    assert content.members(tmp_path / "a.tar", "") != ""


def test_real_labels_of_huimm_come_back_from_their_numbers(mirror, tmp_path):
    rdata = pytest.importorskip("rdata")
    known = (mirror / "huimm" / "labels.csv").read_text().splitlines()[1:]
    numbers = np.array([originals.HUIMM_LABELS.index(label) for label in known])
    rdata.write_rda(tmp_path / "a.Rdata", {"ref_label_downsample": numbers})
    originals.huimm_labels({"a": tmp_path / "a.Rdata"}, tmp_path / "labels.csv")
    (labels,) = [file for file in cells.CELLS["huimm"].files if file.build]
    verify(tmp_path / "labels.csv", labels, "")
