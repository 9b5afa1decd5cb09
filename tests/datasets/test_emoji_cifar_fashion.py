import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from magan.datasets.emoji_cifar_fashion import cifar
from magan.datasets.registry import load
from magan.errors import InputError
from magan.images.arrays import images_of, shape_of


def test_pictures_are_read_out_of_a_tar_class_by_class(tmp_path):
    flat = {"horse/1.jpg": 40, "deer/0.jpg": 90, "horse/0.jpg": 200}
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, value in flat.items():
            stream = io.BytesIO()
            Image.fromarray(np.full((4, 4, 3), value, np.uint8)).save(stream, "JPEG")
            info = tarfile.TarInfo(f"train/{name}")
            info.size = len(stream.getvalue())
            tar.addfile(info, io.BytesIO(stream.getvalue()))
    adata = cifar(tmp_path / "a.tar", "horse")
    assert list(adata.obs_names) == ["horse/0", "horse/1"] and set(adata.obs["cell_type"]) == {"horse"}
    np.testing.assert_allclose(images_of(adata).mean(axis=(1, 2, 3)), [200, 40], atol=2)
    with pytest.raises(InputError, match=r"a\.tar holds no picture of class 'dog'; replace it with the original"):
        cifar(tmp_path / "a.tar", "dog")


def test_real_emoji_of_two_makers_are_pairs_by_code_point(mirror, tmp_path):
    noto, fx = (load(f"emoji_{maker}", mirror=mirror, cache=tmp_path) for maker in ("noto", "fx"))
    assert noto.shape == fx.shape == (700, 12288) and noto.X.dtype == np.uint8
    assert list(noto.obs["pair"]) == list(fx.obs["pair"]) and noto.obs["pair"].is_unique
    # A code point looks more like itself than like the next one, by another maker too.
    a, b = (images_of(x).astype(float).reshape(700, -1) for x in (noto, fx))
    assert np.abs(a - b).mean() < np.abs(a - np.roll(b, 1, axis=0)).mean()


def test_real_pictures_are_what_their_names_say(mirror, tmp_path):
    truck = load("truck", mirror=mirror, cache=tmp_path)
    assert shape_of(truck) == (3, 32, 32) and truck.n_obs == 2500 and set(truck.obs["cell_type"]) == {"truck"}
    clothes = load("fashion", mirror=mirror, cache=tmp_path)
    assert clothes.n_obs == 900 and clothes.obs["cell_type"].nunique() == 10
    wide = images_of(clothes)[:, 0].max(axis=1) > 30  # columns with cloth
    width = {
        kind: wide[(clothes.obs["cell_type"] == kind).to_numpy()].sum(axis=1).mean() for kind in ("trouser", "bag")
    }
    assert width["trouser"] < 18 < 24 < width["bag"]
