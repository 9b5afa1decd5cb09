import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from magan.errors import InputError
from magan.images.folders import Form, formed, read_folder, read_image


def grey(side=8, seed=0, width=None, kind=np.uint8):
    high = np.iinfo(kind).max + 1
    return np.random.default_rng(seed).integers(0, high, (side, width or side), dtype=kind)


def rgb(side=8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


@pytest.fixture
def save(tmp_path):
    """Write an array as an image file of a folder."""

    def write(place, values, **options):
        path = tmp_path / "A" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(path, **options)
        return path

    (tmp_path / "A").mkdir()
    return write


def read(tmp_path, **form):
    return read_folder(tmp_path / "A", Form(**form), "mine")


def message(tmp_path, **form):
    with pytest.raises(InputError) as error:
        read(tmp_path, **form)
    return str(error.value).replace(str(tmp_path), "")


def content(values, kind, **options):
    stream = io.BytesIO()
    (values if isinstance(values, Image.Image) else Image.fromarray(values)).save(stream, kind, **options)
    return stream.getvalue()


def tiff_of_words(values):
    """A little-endian TIFF of 16 bits and three channels, by the specification: Pillow writes none."""
    height, width, n = values.shape
    data = values.astype("<u2").tobytes()
    end = 8 + len(data)
    bits = end + 2 + 12 * 9 + 4  # where the three numbers of bits lie, behind the directory
    long, short = 4, 3
    tags = [(256, short, width), (257, short, height), (258, short, bits), (259, short, 1), (262, short, 2),
            (273, long, 8), (277, short, n), (278, short, height), (279, long, len(data))]  # fmt: skip
    directory = b"".join(struct.pack("<HHII", tag, kind, n if tag == 258 else 1, v) for tag, kind, v in tags)
    head = b"II*\0" + struct.pack("<I", end)
    return head + data + struct.pack("<H", 9) + directory + b"\0\0\0\0" + struct.pack("<HHH", 16, 16, 16)


def png_of_words(values):
    """A PNG of 16 bits and three channels, by the specification."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_a_folder_is_read_with_its_sub_folders_in_the_order_of_places(save, tmp_path):
    save("b.png", grey(seed=1))
    save("a/z.TIFF", grey(seed=2), format="TIFF")
    save("a/deep/c.png", grey(seed=3))
    folder = read(tmp_path)
    assert folder.places == ("a/deep/c.png", "a/z.TIFF", "b.png") and folder.left_out == ()
    np.testing.assert_array_equal(folder.images[:, 0], [grey(seed=3), grey(seed=2), grey(seed=1)])
    assert folder.images.dtype == np.uint8


def test_colours_are_channels_first_and_a_jpeg_is_close(save, tmp_path):
    save("a.png", rgb())
    np.testing.assert_array_equal(read(tmp_path).images[0], rgb().transpose(2, 0, 1))
    smooth = np.linspace(50, 200, 64).reshape(8, 8).astype(np.uint8)
    assert np.abs(read_image(content(smooth, "JPEG", quality=95), "a")[0, 0] - smooth.astype(float)).max() < 6


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_words_are_scaled_by_the_largest_of_16_bits(kind):
    words = grey(kind=np.uint16)
    words[0, :2] = 0, 65535
    image = read_image(content(words, kind), "a")
    assert image.dtype == np.float32 and image.min() == 0 and image.max() == 1
    np.testing.assert_allclose(image[0, 0], words / 65535, rtol=1e-6)


def test_among_words_bytes_are_scaled_by_255(save, tmp_path):
    save("a.png", grey())
    save("b.tif", grey(seed=1, kind=np.uint16))
    images = read(tmp_path).images
    np.testing.assert_allclose(images[0, 0], grey() / 255, rtol=1e-6)
    np.testing.assert_allclose(images[1, 0], grey(seed=1, kind=np.uint16) / 65535, rtol=1e-6)


@pytest.mark.parametrize("write", [tiff_of_words, png_of_words])
def test_colours_of_16_bits_would_lose_half_and_are_refused(write):
    words = np.random.default_rng(0).integers(0, 2**16, (8, 8, 3), dtype=np.uint16)
    with pytest.raises(InputError) as error:
        read_image(write(words), "A/x.tif")
    assert str(error.value) == (
        "A/x.tif has several channels of 16 bits, of which 8 would be read; save it with 8 bits each"
    )


def test_palettes_black_and_white_and_opaque_alpha_lose_nothing():
    few = np.random.default_rng(0).integers(0, 2, (8, 8, 3), dtype=np.uint8) * 255
    indexed = Image.fromarray(few).quantize(8)
    np.testing.assert_array_equal(read_image(content(indexed, "PNG"), "a")[0], few.transpose(2, 0, 1))
    black = Image.fromarray(few[..., 0]).convert("1")
    np.testing.assert_array_equal(read_image(content(black, "PNG"), "a")[0, 0], few[..., 0])
    opaque = np.dstack([rgb(), np.full((8, 8), 255, np.uint8)])
    np.testing.assert_array_equal(read_image(content(opaque, "PNG"), "a")[0], rgb().transpose(2, 0, 1))


def test_the_way_up_that_a_camera_notes_is_followed():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise by a quarter
    image = read_image(content(grey(8, width=4), "PNG", exif=exif), "a")
    np.testing.assert_array_equal(image[0, 0], np.rot90(grey(8, width=4), -1))


@pytest.mark.parametrize(
    "values, options, told",
    [
        (np.dstack([rgb(), grey()]), {}, "has transparent parts; lay it on a background"),
        (grey(), {"transparency": int(grey()[0, 0])}, "has transparent parts; lay it on a background"),
        (Image.fromarray(rgb()).convert("CMYK"), {"format": "TIFF"}, "has pixels of kind CMYK; save it as grey or RGB"),
        (
            np.full((4, 4), 1.5, np.float32),
            {"format": "TIFF"},
            "has pixels from 1.5 to 1.5; scale them to lie in 0 to 1",
        ),
        (np.full((4, 4), np.nan, np.float32), {"format": "TIFF"}, "has pixels from nan to nan; scale them"),
        (
            grey(),
            {"format": "TIFF", "save_all": True, "append_images": [Image.fromarray(grey(4, seed=1))]},
            "holds 2 pages of several sizes or kinds; save each page as a file",
        ),
        (
            grey(),
            {"save_all": True, "append_images": [Image.fromarray(grey(seed=1))]},
            "holds 2 pictures; save each as a file",
        ),
    ],
)
def test_what_would_be_read_in_part_is_refused(values, options, told):
    with pytest.raises(InputError) as error:
        read_image(
            content(values, options.get("format", "PNG"), **{k: options[k] for k in options if k != "format"}), "x"
        )
    assert str(error.value).startswith(f"x {told}")


def test_each_page_of_a_tiff_is_an_image_and_a_preview_is_none(tmp_path):
    pages = [Image.fromarray(grey(seed=seed)) for seed in range(3)]
    (tmp_path / "A/a").mkdir(parents=True)
    pages[0].save(tmp_path / "A/a/stack.tif", save_all=True, append_images=pages[1:])
    folder = read(tmp_path)
    assert folder.places == ("a/stack.tif#1", "a/stack.tif#2", "a/stack.tif#3")
    np.testing.assert_array_equal(folder.images[:, 0], [grey(seed=seed) for seed in range(3)])
    small = Image.fromarray(grey(4, seed=1))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    file = content(grey(), "TIFF", save_all=True, append_images=[small])
    np.testing.assert_array_equal(read_image(file, "x")[:, 0], [grey()])


def test_floats_of_a_tiff_are_taken_as_they_are():
    values = np.random.default_rng(0).random((8, 8)).astype(np.float32)
    np.testing.assert_array_equal(read_image(content(values, "TIFF"), "x")[0, 0], values)


def test_a_broken_jpeg_among_good_ones_is_named(save, tmp_path):
    for i in range(3):
        save(f"{i}.jpg", rgb(32, seed=i))
    broken = tmp_path / "A" / "1.jpg"
    broken.write_bytes(broken.read_bytes()[:500])
    assert message(tmp_path).startswith("/A/1.jpg cannot be read (")
    assert message(tmp_path).endswith("); replace it, or take it out of the folder")
    broken.write_bytes(b"no image")
    assert message(tmp_path) == (
        "/A/1.jpg cannot be read (cannot identify image file); replace it, or take it out of the folder"
    )


def test_an_empty_folder_is_named(tmp_path):
    (tmp_path / "A").mkdir()
    (tmp_path / "A" / "notes.txt").touch()
    assert message(tmp_path) == ("mine: folder /A holds no PNG, JPEG or TIFF file; correct path, or convert the images")


def test_mixed_channels_need_to_be_stated(save, tmp_path):
    save("a.png", grey())
    save("b.png", rgb())
    assert message(tmp_path) == "/A/b.png has 3 channels and /A/a.png 1 channel; state channels: 1 or channels: 3"
    assert read(tmp_path, channels=3).images.shape == (2, 3, 8, 8)
    alone = read(tmp_path, channels=1).images
    np.testing.assert_array_equal(alone[0, 0], grey())
    assert np.abs(alone[1, 0] - rgb() @ [0.299, 0.587, 0.114]).max() <= 0.51


def test_mixed_sizes_need_to_be_stated(save, tmp_path):
    save("a.png", grey(8))
    save("b.png", grey(12, width=16))
    assert message(tmp_path) == "/A/b.png is 12 x 16 pixels and /A/a.png 8 x 8; state the size that all are to have"
    images = read(tmp_path, size=4).images
    square = grey(12, width=16)[:, 2:14].reshape(4, 3, 4, 3).mean(axis=(1, 3))
    assert np.abs(images[1, 0] - square).max() <= 0.51
    whole = read(tmp_path, size=4, crop="none").images[1, 0]
    assert np.abs(whole - grey(12, width=16).reshape(4, 3, 4, 4).mean(axis=(1, 3))).max() <= 0.51


def test_nothing_is_enlarged(save, tmp_path):
    save("a.png", grey(8))
    save("b.png", grey(8, width=5))
    assert message(tmp_path, size=6) == ("/A/b.png is 8 x 5 pixels, too small for 6 x 6; lower size, or take it out")
    assert formed(grey(8)[None, None], Form(size=8), "a").shape == (1, 1, 8, 8)


def test_other_files_are_told_and_hidden_ones_are_not(save, tmp_path):
    save("a.png", grey())
    for name in ("notes.txt", "b.gif", ".DS_Store"):
        (tmp_path / "A" / name).touch()
    (tmp_path / "A" / ".hidden").mkdir()
    (tmp_path / "A" / ".hidden" / "c.png").touch()
    reason = "not a PNG, JPEG or TIFF file"
    assert read(tmp_path).left_out == (("b.gif", reason), ("notes.txt", reason))


def test_linked_folders_are_read(save, tmp_path):
    save("a.png", grey())
    (tmp_path / "B").mkdir()
    Image.fromarray(grey(seed=1)).save(tmp_path / "B" / "b.png")
    (tmp_path / "A" / "more").symlink_to(tmp_path / "B")
    assert read(tmp_path).places == ("a.png", "more/b.png")


def test_the_digest_knows_contents_and_names(save, tmp_path):
    path = save("a.png", grey())
    first = read(tmp_path).sha256
    assert read(tmp_path).sha256 == first
    path.rename(path.with_name("b.png"))
    renamed = read(tmp_path).sha256
    save("b.png", grey(seed=1))
    assert len({first, renamed, read(tmp_path).sha256}) == 3
