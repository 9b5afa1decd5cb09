"""What is written twice must agree: the conda environments and the pins."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def pins() -> dict[str, str]:
    lines = (ROOT / "envs" / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if "==" in line]
    return {name.lower().replace("_", "-"): version for name, version in pairs}


def needed(*extras: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    return {re.split(r"[<>=\[]", line)[0].lower() for lines in lists for line in lines}


@pytest.mark.parametrize("name", ["magan.yaml", "magan-gpu.yaml"])
def test_a_conda_environment_has_the_pinned_versions_of_all_that_is_needed(name):
    environment = yaml.safe_load((ROOT / "workflow" / "envs" / name).read_text())
    (pip,) = [part["pip"] for part in environment["dependencies"] if isinstance(part, dict)]
    versions = dict(line.split("==") for line in pip if "==" in line)
    assert set(versions) == needed("demo", "peers")
    for package, version in versions.items():
        assert version.removesuffix("+cpu") == pins()[package], package


def test_every_direct_dependency_is_pinned_and_torchvision_is_not_there():
    assert needed(*EXTRAS) <= set(pins())
    assert "torchvision" not in pins() and pins()["torch"] == "2.13.0"


def test_every_dependency_earns_its_place_in_a_line():
    lines = (ROOT / "docs" / "dependencies.md").read_text()
    for package in needed(*EXTRAS):
        assert f"| {package} |" in lines, package
