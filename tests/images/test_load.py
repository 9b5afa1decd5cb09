import gzip
import struct

import anndata
import numpy as np
import pytest
from PIL import Image

from magan.errors import InputError
from magan.images.arrays import images_of, pixels
from magan.images.folders import Form
from magan.images.load import own_images

GREY = np.random.default_rng(0).integers(0, 256, (6, 8, 8), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)


def message(path, **asked):
    with pytest.raises(InputError) as error:
        own_images(path, name="mine", **asked)
    return str(error.value).replace(str(path.parent), "")


def idx(values):
    head = b"\0\0\x08" + bytes([values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return head + values.tobytes()


@pytest.fixture
def folder(tmp_path):
    for place, image in zip(("cat/a.png", "cat/b.jpg", "dog/old/a.tif"), GREY):
        path = tmp_path / "pets" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return tmp_path / "pets"


def test_a_folder_becomes_rows_named_by_their_places(folder, tmp_path):
    (folder / "notes.txt").touch()
    adata = own_images(folder, labels="folder", paired=True, name="pets")
    assert list(adata.obs_names) == ["cat/a.png", "cat/b.jpg", "dog/old/a.tif"]
    assert list(adata.obs["cell_type"]) == ["cat", "cat", "dog"]
    assert list(adata.obs["pair"]) == ["cat/a", "cat/b", "dog/old/a"]
    np.testing.assert_array_equal(images_of(adata)[0, 0], GREY[0])
    assert adata.uns["left_out"].to_numpy().tolist() == [
        ["file", str(folder / "notes.txt"), "not a PNG, JPEG or TIFF file"]
    ]
    assert list(adata.uns["source"]["files"]) == ["pets"] and len(adata.uns["source"]["files"]["pets"]) == 64
    adata.write_h5ad(tmp_path / "pets.h5ad")
    again = anndata.read_h5ad(tmp_path / "pets.h5ad")
    assert again.X.dtype == np.uint8 and list(again.obs_names) == list(adata.obs_names)


def test_without_being_told_so_images_are_no_pairs_and_have_no_class(folder):
    assert list(own_images(folder).obs) == []


OPAQUE = np.concatenate([COLOUR, np.full((6, 8, 8, 1), 255, np.uint8)], axis=3)


@pytest.mark.parametrize("values", [GREY, COLOUR, COLOUR.transpose(0, 3, 1, 2), GREY[..., None], OPAQUE])
def test_arrays_of_the_usual_layouts_are_read(tmp_path, values):
    np.savez(tmp_path / "a.npz", x=values, y=np.arange(6) % 2)
    adata = own_images(tmp_path / "a.npz", labels="y", paired=True)
    shown = COLOUR.transpose(0, 3, 1, 2) if {3, 4} & {*values.shape} else GREY[:, None]
    np.testing.assert_array_equal(images_of(adata), shown)
    assert list(adata.obs["cell_type"]) == list("010101") and list(adata.obs["pair"]) == list("012345")


@pytest.mark.parametrize("values", [GREY / 255, GREY.astype(np.uint16) * 257, GREY / np.float32(255)])
def test_arrays_of_other_kinds_are_scaled_to_one(tmp_path, values):
    np.savez(tmp_path / "a.npz", values)
    adata = own_images(tmp_path / "a.npz")
    assert adata.X.dtype == np.float32
    np.testing.assert_allclose(adata.X, GREY.reshape(6, -1) / 255, rtol=1e-6)


def test_arrays_have_the_form_asked_for(tmp_path):
    np.savez(tmp_path / "a.npz", images=COLOUR, other=COLOUR)
    adata = own_images(tmp_path / "a.npz", array="images", form=Form(size=4, channels=1))
    assert adata.uns["image"]["shape"] == [1, 4, 4]
    grey = (COLOUR @ [0.299, 0.587, 0.114]).reshape(6, 4, 2, 4, 2).mean(axis=(2, 4)) / 255
    np.testing.assert_allclose(pixels(adata).reshape(6, 4, 4), grey, atol=2.1 / 255 / 2)


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_are_read_packed_or_not(tmp_path, packed):
    images, labels = tmp_path / "images-idx3-ubyte", tmp_path / "labels-idx1-ubyte"
    images.write_bytes(gzip.compress(idx(GREY)) if packed else idx(GREY))
    labels.write_bytes(idx(np.arange(6, dtype=np.uint8)))
    adata = own_images(images, labels=str(labels))
    np.testing.assert_array_equal(images_of(adata)[:, 0], GREY)
    assert list(adata.obs["cell_type"]) == list("012345")


def test_folders_that_do_not_fit_are_refused_with_the_remedy(folder):
    assert message(folder / "none") == "mine: /none does not exist; correct path"
    assert message(folder, labels="y") == (
        "labels of the folder /pets cannot be 'y'; give folder, for a sub-folder per class"
    )
    Image.fromarray(GREY[0]).save(folder / "stray.png")
    assert message(folder, labels="folder") == (
        "/pets/stray.png is in no sub-folder, which would be its class; move it into one"
    )


@pytest.mark.parametrize(
    "arrays, asked, told",
    [
        ({"x": GREY, "y": COLOUR}, {}, "/a.npz has 2 arrays, x, y, that could be images; name the one with array"),
        ({"y": np.arange(6)}, {}, "/a.npz has no array that could be images; name the one with array"),
        ({"images": GREY}, {"array": "image"}, "/a.npz has no array 'image' (did you mean 'images'?)"),
        ({"x": GREY}, {"labels": "y"}, "/a.npz has no array 'y'; there are x"),
        ({"x": GREY, "y": np.arange(5)}, {"labels": "y"}, "mine: 6 images and 5 labels; give one to each"),
        (
            {"x": GREY[:, None].repeat(5, 1)},
            {},
            "/a.npz: images of shape 6 x 5 x 8 x 8 are not of 1 or 3 channels; give n x H x W or n x H x W x C",
        ),
        (
            {"x": GREY.astype(np.int32)},
            {},
            f"/a.npz: pixels are int32 from {GREY.min()} to {GREY.max()}; give uint8, uint16 or floats in [0, 1]",
        ),
        (
            {"x": GREY * 2.0},
            {},
            f"/a.npz: pixels are float64 from {GREY.min() * 2.0} to {GREY.max() * 2.0}; give uint8",
        ),
        ({"x": np.full((2, 2, 2), np.nan)}, {}, "/a.npz: pixels are float64 from nan to nan; give uint8"),
        ({"x": GREY}, {"form": Form(size=9)}, "/a.npz is 8 x 8 pixels, too small for 9 x 9; lower size"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_with_the_remedy(tmp_path, arrays, asked, told):
    np.savez(tmp_path / "a.npz", **arrays)
    assert message(tmp_path / "a.npz", **asked).startswith(told)


def test_files_that_are_something_else_are_refused_by_name(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK\3\4 and then nothing")
    assert message(tmp_path / "a.npz").startswith("/a.npz cannot be read (")
    (tmp_path / "b.bin").write_bytes(b"\x89PNG not at all")
    assert message(tmp_path / "b.bin") == "/b.bin is no folder, no .npz file and no idx file of bytes; correct path"
    (tmp_path / "c").write_bytes(idx(GREY)[:-5])
    assert message(tmp_path / "c") == "/c has 379 bytes for 6 x 8 x 8; replace it"
    (tmp_path / "d.gz").write_bytes(gzip.compress(idx(GREY))[:-20])
    assert message(tmp_path / "d.gz").startswith("/d.gz cannot be unpacked (")
    (tmp_path / "e").write_bytes(idx(GREY))
    assert message(tmp_path / "e", labels="f") == (
        "labels of /e: f does not exist; give the path of an idx file of labels"
    )
