"""The page on adding a GAN, run as it stands."""

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import magan.models
from magan.models import GENERATING
from magan.registry import Entry
from magan.stages.validate_study import validate_study

PAGE = (Path(__file__).parents[1] / "docs" / "adding-a-gan.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.S)


@pytest.fixture
def added(tmp_path, monkeypatch) -> dict:
    """The names that the page's file defines; the file is in the package, and its line in the list of models."""
    file, line, _ = blocks("python")
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "relativistic.py").write_text(file)
    monkeypatch.setattr(magan.models, "__path__", [*magan.models.__path__, str(folder)])
    importlib.invalidate_caches()
    name, entry = re.search(r"^    (\w+)=(Entry\(.*\)),$", line, re.M).groups()
    monkeypatch.setitem(GENERATING.entries, name, eval(entry, {"Entry": Entry}))
    yield vars(importlib.import_module("magan.models.relativistic"))
    del sys.modules["magan.models.relativistic"], magan.models.relativistic


def test_the_model_of_the_page_trains_samples_and_is_saved(added, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names: dict = {}
    exec(compile(blocks("python")[2], "train.py", "exec"), names)
    assert [layer for layer in names["samples"].layers] == ["seed_0", "seed_1"]
    for values in names["samples"].layers.values():
        assert values.shape == (50, 64) and values.min() >= 0 and values.max() <= 1 and np.std(values) > 0
    assert (tmp_path / "relativistic.safetensors").stat().st_size


def test_the_study_of_the_page_can_be_planned(added):
    (study,) = blocks("yaml")
    assert [arm.model for arm in validate_study(yaml.safe_load(study)).find("generation", "digits").arms.values()] == [
        "relativistic",
        "relativistic",
    ]


def test_the_losses_of_the_page_are_the_papers(added):
    """-log sigmoid of the lead of real over generated scores, and of its opposite."""
    random = np.random.default_rng(0)
    real, fake = random.normal(size=(2, 6, 1)), random.normal(size=(2, 6, 1))
    recipe = added["relativistic"]({"x": (6,)})
    scores = {"x": torch.from_numpy(real), "z": torch.from_numpy(fake)}
    networks = {"generator": lambda z: z, "discriminator": lambda x: x}
    lead = real - fake
    for phase, sign in zip(recipe.phases, (1, -1)):
        expected = -np.log(1 / (1 + np.exp(-sign * lead))).mean((1, 2))
        np.testing.assert_allclose(phase.objective(networks, scores, {})["adversarial"], expected, rtol=1e-12)


def test_a_blind_discriminator_pays_what_the_page_says(added):
    discriminator, _ = added["relativistic"]({"x": (6,)}).phases
    networks = {"generator": lambda z: z, "discriminator": lambda x: torch.zeros(2, 6, 1)}
    batch = {"x": torch.zeros(2, 6), "z": torch.zeros(2, 6)}
    torch.testing.assert_close(
        discriminator.objective(networks, batch, {})["adversarial"], torch.full((2,), np.log(2)).float()
    )
    assert 'uninformed_loss={"discriminator/adversarial": log(2)}' in PAGE
