"""What the README shows must run."""

import re
from pathlib import Path

import yaml
from PIL import Image

from magan.stages.validate_study import validate_study

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_the_python_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mapping, making = (text for language, text in BLOCKS if language == "python")
    names: dict = {}
    exec(mapping, names)
    assert set(names["mapped"].layers) == {"seed_0", "seed_1", "seed_2", "consensus"}
    assert (tmp_path / "model.safetensors").is_file()
    exec(making, names)
    assert set(names["made"].obs["cell_type"]) == {"8"} and names["made"].shape == (174, 64)


def test_the_studies_of_ones_own_cells_and_images_are_accepted(mirror, tmp_path, monkeypatch):
    (tmp_path / "data").symlink_to(mirror)
    (tmp_path / "config").symlink_to(ROOT / "config")
    monkeypatch.chdir(tmp_path)
    cells, images = (yaml.safe_load(text) for language, text in BLOCKS if language == "yaml")
    assert validate_study(cells).name == "mine"
    for name in ("cats", "dogs"):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        Image.new("RGB", (64, 64)).save(folder / "1.png")
    assert list(validate_study({"name": "pets", "title": "Pets", **images}).translation) == ["pets"]


def test_every_file_it_names_is_there():
    named = re.findall(
        r"`((?:config|docs|reports|benchmarks|workflow|envs|magan)/[\w./-]+)`", (ROOT / "README.md").read_text()
    )
    assert len(named) > 5
    for path in named:
        assert (ROOT / path).exists(), path
