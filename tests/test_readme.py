"""What the README and the documents show must run, and what they name must be there."""

import re
from pathlib import Path

import pytest
import yaml
from PIL import Image

from magan.stages.validate_study import validate_study
from magan.study import Study

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
OF_USERS = ("README", "CONTRIBUTING", "docs/results", "docs/your-files", "docs/methods", "docs/dependencies")
PATHS = r"(?:config|docs|examples|reports|benchmarks|workflow|envs|magan|tests)/[\w./-]+|[A-Z]+\.md|LICENSE"


@pytest.fixture
def example(mirror, tmp_path, monkeypatch) -> Path:
    """A folder from which the studies of the documents find the sheet of the worked example and its files."""
    (tmp_path / "data").symlink_to(mirror)
    (tmp_path / "config").symlink_to(ROOT / "config")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def studies() -> list[dict]:
    return [yaml.safe_load(text) for language, text in BLOCKS if language == "yaml"]


def methods(study: Study) -> tuple[str, tuple[str, ...]]:
    settings = study.find("batch", "visits")
    return settings.deployed, (*settings.arms, *settings.baselines)


def test_the_python_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mapping, making = (text for language, text in BLOCKS if language == "python")
    names: dict = {}
    exec(mapping, names)
    assert set(names["mapped"].layers) == {"seed_0", "seed_1", "seed_2", "consensus"}
    assert (tmp_path / "model.safetensors").is_file()
    exec(making, names)
    assert set(names["made"].obs["cell_type"]) == {"8"} and names["made"].shape == (174, 64)


def test_the_minimal_study_of_cells_lets_the_cells_choose_the_map(example):
    cells, _ = studies()
    deployed, compared = methods(validate_study(cells))
    assert deployed == "auto" and {"identity", "quantile"} < set(compared)


def test_the_sections_on_files_are_parts_of_a_study(example):
    page = (ROOT / "docs" / "your-files.md").read_text()
    cells, _ = studies()
    for part in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL):
        assert methods(validate_study(cells | yaml.safe_load(part)))[0] == "auto"


def test_the_study_of_a_users_images_is_accepted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, images = studies()
    for name in ("cats", "dogs"):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        Image.new("RGB", (64, 64)).save(folder / "1.png")
    assert list(validate_study({"name": "pets", "title": "Pets", **images}).translation) == ["pets"]


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("page", OF_USERS)
def test_every_file_it_names_is_there(page):
    text = (ROOT / f"{page}.md").read_text()
    named = re.findall(rf"`({PATHS})`", text)
    assert named
    for path in named:
        assert (ROOT / path).exists(), path
    for path in re.findall(r"\]\(([\w./-]+)\)", text):
        assert (ROOT / page).parent.joinpath(path).exists(), path
