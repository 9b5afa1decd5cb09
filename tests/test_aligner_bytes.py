"""An aligner of images: how they are kept changes nothing of what is learned."""

import numpy as np
import pytest
from anndata import AnnData

from magan import keys
from magan.aligner import Aligner
from magan.config import Training
from magan.domains import minibatches

SMALL = {"generator_hidden": (6,), "discriminator_hidden": (5,)}


def images(seed: int, kind: type) -> AnnData:
    values = np.random.default_rng(seed).integers(0, 256, (20, 16), dtype=np.uint8)
    adata = AnnData(values if kind is np.uint8 else values / np.float32(255), uns={keys.IMAGE: {"shape": [1, 4, 4]}})
    adata.obs[keys.PAIR] = [f"p{i}" if i < 9 else "" for i in range(20)]
    return adata


def fitted(kind: type, x1: AnnData | None = None) -> Aligner:
    """On minibatches of 8, so that of the 9 pairs some are drawn."""
    training = Training(steps=12, batch_size=8)
    aligner = Aligner("magan", correspondence="pairs", options=SMALL, training=training, seeds=(3, 5), device="cpu")
    return aligner.fit(images(0, kind) if x1 is None else x1, images(1, kind))


@pytest.mark.parametrize("large", [2**30, 0])
def test_images_as_bytes_train_and_map_to_the_bit_as_the_same_images_as_floats(large, monkeypatch):
    monkeypatch.setattr(minibatches, "LARGE", large)
    kinds = (np.uint8, np.float32)
    bytes_, floats = (fitted(kind) for kind in kinds)
    one, two = (aligner.map(images(2, kind)) for aligner, kind in zip((bytes_, floats), kinds))
    assert list(one.layers) == list(two.layers) == ["seed_3", "seed_5", keys.CONSENSUS]
    for name in one.layers:
        np.testing.assert_array_equal(one.layers[name], two.layers[name])
    back, again = (aligner.cycle(images(2, kind)) for aligner, kind in zip((bytes_, floats), kinds))
    np.testing.assert_array_equal(back.layers["seed_3"], again.layers["seed_3"])


def test_bytes_are_left_as_they_were():
    x1 = images(0, np.uint8)
    kept = x1.X.copy()
    fitted(np.uint8, x1)
    np.testing.assert_array_equal(x1.X, kept)
    assert x1.X.dtype == np.uint8


def test_several_folds_of_bytes_are_trained_on_bytes():
    def maps(kind: type) -> np.ndarray:
        training = Training(steps=4, batch_size=8)
        aligner = Aligner("magan", correspondence="none", options=SMALL, training=training, seeds=(3,), device="cpu")
        aligner.fit([images(0, kind), images(4, kind)], [images(1, kind), images(5, kind)])
        return np.stack([aligner.map(images(2, kind), fold=f).X for f in (0, 1)])

    np.testing.assert_array_equal(maps(np.uint8), maps(np.float32))
