"""A model file that was changed is refused in a sentence: nothing is mapped by weights that nobody trained."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from anndata import AnnData
from safetensors import safe_open
from safetensors.torch import save_file

from magan import keys
from magan.aligner import Aligner
from magan.config import Training
from magan.errors import InputError
from magan.training import checkpoint

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases" / "faults"


def cells(seed: int, markers=("CD3", "CD4", "CD8")) -> AnnData:
    values = np.random.default_rng(seed).normal(size=(30, len(markers))).astype(np.float32)
    adata = AnnData(values, layers={keys.PREPROCESSED: values})
    adata.var_names = list(markers)
    return adata


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    options = {"generator_hidden": (4,), "discriminator_hidden": (4,)}
    training = Training(steps=3, batch_size=8)
    aligner = Aligner("magan", correspondence="none", options=options, training=training, seeds=(0, 1), device="cpu")
    aligner.fit(cells(0), cells(1)).save(path)
    return path


@pytest.fixture
def parts(model):
    return checkpoint.load(model)


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as said:
        Aligner.load(path)
    assert "\n" not in str(said.value)
    return str(said.value)


def test_a_file_with_any_byte_changed_is_refused_or_the_same_model(model, tmp_path):
    whole, draw = model.read_bytes(), np.random.default_rng(0)
    mapped = Aligner.load(model).map(cells(2)).X
    n_refused = 0
    for place in draw.integers(0, len(whole), 150):
        changed = bytearray(whole)
        changed[place] ^= 1 << int(draw.integers(8))
        (tmp_path / "changed").write_bytes(changed)
        try:
            again = Aligner.load(tmp_path / "changed").map(cells(2)).X
        except InputError as error:
            n_refused += 1
            assert "\n" not in str(error)
        else:
            np.testing.assert_array_equal(again, mapped)
    assert n_refused > 140


def test_a_file_cut_anywhere_is_refused(model, tmp_path):
    whole = model.read_bytes()
    for n in np.random.default_rng(0).integers(0, len(whole), 20):
        (tmp_path / "cut").write_bytes(whole[:n])
        refusal(tmp_path / "cut")


def test_weights_that_are_not_finite_are_refused_though_their_checksum_is_right(parts, tmp_path):
    about, tensors = parts
    name = next(name for name in tensors["generator_12"] if "bias" in name)
    tensors["generator_12"][name][0, 0] = float("nan")
    checkpoint.save(tmp_path / "model", about, tensors)
    assert f"weights that are not finite (generator_12/{name})" in refusal(tmp_path / "model")


def test_a_scale_that_is_not_finite_is_refused(parts, tmp_path):
    about, tensors = parts
    name = next(name for name, x in tensors["x1.0"].items() if x.is_floating_point() and x.numel())
    tensors["x1.0"][name].view(-1)[0] = float("inf")
    checkpoint.save(tmp_path / "model", about, tensors)
    assert "not finite (x1.0/" in refusal(tmp_path / "model")


def test_weights_of_a_failed_seed_may_be_nan(parts, tmp_path):
    about, tensors = parts
    for name in tensors["generator_12"]:
        tensors["generator_12"][name][1] = float("nan")
    about["status"][1] = [1, "failed", "weights turned NaN"]
    checkpoint.save(tmp_path / "model", about, tensors)
    aligner = Aligner.load(tmp_path / "model")
    assert aligner.good_seeds_ == [0] and np.isfinite(aligner.map(cells(2)).X).all()


def without_role(about, tensors):
    del tensors["generator_12"]


def without_a_weight(about, tensors):
    tensors["generator_12"].popitem()


def of_another_width(about, tensors):
    about["aligner"]["options"]["generator_hidden"] = [5]


def of_another_model(about, tensors):
    about["aligner"]["model"] = "ganz"


def of_unknown_settings(about, tensors):
    about["aligner"]["colour"] = "red"


def without_markers(about, tensors):
    del about["features"]


@pytest.mark.parametrize(
    "change",
    [without_role, without_a_weight, of_another_width, of_another_model, of_unknown_settings, without_markers],
)
def test_a_file_that_contradicts_itself_is_refused(change, parts, tmp_path):
    change(*parts)
    checkpoint.save(tmp_path / "model", *parts)
    assert "model" in refusal(tmp_path / "model")


def test_a_file_of_another_kind_is_named(tmp_path):
    checkpoint.save(tmp_path / "model", {"classifier": {}}, {"network": {"x": torch.zeros(1)}})
    assert "is no aligner but a classifier; give a file of the right kind" in refusal(tmp_path / "model")


def test_a_file_without_a_checksum_is_refused_with_its_remedy(model, tmp_path):
    with safe_open(str(model), "pt") as file:
        whole, tensors = json.loads(file.metadata()["magan"]), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    save_file(tensors, str(tmp_path / "old"), metadata={"magan": json.dumps(whole["about"])})
    assert refusal(tmp_path / "old").endswith("has no checksum, as this version writes; train it again")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("model_nan_bias.safetensors", "has no checksum"), ("model_without_aligner.safetensors", "")],
)
def test_the_shared_broken_models_are_refused(name, sentence):
    if not (CASES / name).is_file():
        pytest.skip("the shared cases are not beside the checkout")
    assert sentence in refusal(CASES / name)


@pytest.mark.parametrize(
    "metadata", [None, {}, {"magan": "[" * 100_000}, {"magan": "3"}, {"magan": "[]"}, {"magan": "{"}]
)
def test_metadata_that_say_nothing_are_refused(metadata, tmp_path):
    save_file({"x": torch.zeros(1)}, str(tmp_path / "model"), metadata=metadata)
    refusal(tmp_path / "model")
