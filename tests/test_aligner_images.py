"""Aligners with convolutional networks, which normalise, and those that map one way only."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys
from magan.aligner import Aligner
from magan.config import Training
from magan.errors import InputError

OWN = {"cyclegan": "resnet", "discogan": "encoder_decoder", "travelgan": "unet", "pix2pix": "unet", "magan": "unet"}


def images(n: int = 24, seed: int = 0, channels: int = 1) -> AnnData:
    """Bright squares on a dark ground; image i of any seed pairs with image i of another."""
    draw = np.random.default_rng(seed)
    pixels = draw.uniform(0, 0.2, (n, channels, 12, 12)).astype(np.float32)
    for i in range(n):
        row, column = draw.integers(0, 7, 2)
        pixels[i, :, row : row + 5, column : column + 5] += 0.7
    obs = pd.DataFrame({keys.PAIR: [f"p{i}" for i in range(n)]}, index=[f"{seed}_{i}" for i in range(n)])
    return AnnData(pixels.reshape(n, -1), obs=obs, uns={keys.IMAGE: {"shape": [channels, 12, 12]}})


def aligner(model: str, *, steps: int = 6, options=None, correspondence: str = "pairs", **settings) -> Aligner:
    options = {"architecture": OWN[model], "width": 2, "depth": 2, **(options or {})}
    options |= {"n_latent": 4} if model == "travelgan" else {}
    training = Training(steps=steps, batch_size=6)
    settings = {"seeds": (3, 5), "device": "cpu", **settings}
    return Aligner(model, correspondence=correspondence, options=options, training=training, **settings)


def message(function, *args, **options) -> str:
    with pytest.raises(InputError) as error:
        function(*args, **options)
    return str(error.value)


@pytest.mark.parametrize("model", sorted(OWN))
def test_an_aligner_read_back_maps_to_the_bit_with_what_its_normalisation_noted(model, tmp_path):
    some = aligner(model).fit(images(), images(seed=1, channels=2))
    mapped = some.map(images(seed=2))
    assert mapped.shape == (24, 288) and mapped.X.min() >= 0 and mapped.X.max() <= 1
    some.save(tmp_path / "model.safetensors")
    again = Aligner.load(tmp_path / "model.safetensors", device="cpu").map(images(seed=2))
    for name in mapped.layers:
        np.testing.assert_array_equal(again.layers[name], mapped.layers[name])


@pytest.mark.parametrize("model", ["discogan", "pix2pix"])
def test_an_images_map_does_not_depend_on_its_company(model):
    some, query = aligner(model).fit(images(), images(seed=1)), images(seed=2)
    whole, alone = some.map(query), some.map(query[:1].copy())
    np.testing.assert_allclose(alone.X, whole.X[:1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model", ["discogan", "pix2pix"])
def test_looking_on_changes_nothing_that_is_learned(model):
    often, seldom = (aligner(model).fit(images(), images(seed=1), every=every) for every in (1, 100))
    np.testing.assert_array_equal(often.map(images(seed=2)).X, seldom.map(images(seed=2)).X)


def test_pix2pix_learns_a_map_from_its_pairs():
    """The negative of an image: far nearer than the image itself after a few hundred steps."""
    x1 = images(48)
    x2 = AnnData(1 - x1.X, obs=x1.obs.copy(), uns=x1.uns.copy())
    options = {"architecture": "unet", "width": 8, "depth": 2, "adversarial_weight": 0.0}
    training = Training(steps=150, batch_size=12, learning_rate=5e-3)
    some = Aligner("pix2pix", correspondence="pairs", options=options, training=training, device="cpu").fit(x1, x2)
    query = images(seed=7)
    assert np.abs(some.map(query).X - (1 - query.X)).mean() < 0.1 < 0.4 < np.abs(query.X - (1 - query.X)).mean()


@pytest.mark.parametrize("correspondence", ["transformation", "feature"])
def test_correspondences_of_images_train_other_maps_than_none(correspondence):
    tied, free = (aligner("cyclegan", correspondence=name) for name in (correspondence, "none"))
    query = images(seed=2)
    maps = [some.fit(images(), images(seed=1)).map(query).X for some in (tied, free)]
    assert np.abs(maps[0] - maps[1]).max() > 1e-4


def test_a_model_of_one_way_says_so():
    some = aligner("pix2pix").fit(images(), images(seed=1))
    assert not some.two_way_ and aligner("cyclegan").fit(images(), images(seed=1)).two_way_
    for refused in (lambda: some.map(images(), to="x1"), lambda: some.cycle(images())):
        assert message(refused) == "model 'pix2pix' maps from x1 to x2 alone; map to x2"
    assert message(aligner("pix2pix", correspondence="none").fit, images(), images(seed=1)) == (
        "model 'pix2pix' learns from known pairs alone, not from 'none'; set correspondence: pairs"
    )
    assert message(aligner("pix2pix", calibrate=0.9).fit, images(200), images(200, seed=1)) == (
        "calibrate needs maps both ways and 'pix2pix' has one; leave it out"
    )


def test_a_network_that_cannot_be_built_is_a_fault_of_the_settings():
    refused = aligner("cyclegan", options={"architecture": "vgg"})
    assert message(refused.fit, images(), images(seed=1)) == (
        "model 'cyclegan': architecture 'vgg' is unknown; there are mlp, resnet, unet, encoder_decoder"
    )
    refused = aligner("magan", options={"gradient_weight": 1.0})
    assert message(refused.fit, images(), images(seed=1)) == (
        "model 'magan': gradient_weight needs a discriminator that judges each sample alone, unlike that of unet; "
        "use architecture: mlp or resnet"
    )
