"""Who may import whom. The table is the rule; the test only reads it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "magan"

# room: the rooms it may import, besides itself
ROOMS = {
    "errors": set(),
    "keys": set(),
    "recipe": set(),
    "losses": set(),
    "progress": set(),
    "intervals": set(),
    "neighbours": set(),
    "config": {"errors"},
    "networks": {"recipe"},
    "models": {"losses", "networks", "recipe"},
    "techniques": {"losses", "networks", "recipe"},
    "training": {"errors", "networks", "recipe"},
    "data": {"config", "errors", "keys", "recipe"},
    "correspondence": {"data", "errors", "keys", "losses", "recipe"},
    "baselines": {"data", "errors", "keys"},
    "classifier": {"errors", "keys", "training"},
    "evaluation": {"errors", "keys"},
    "tracking": {"correction", "errors", "keys"},
    "figures": {"keys"},
    "report": {"keys"},
    "aligner": {
        *("config", "correspondence", "data", "errors", "intervals", "keys", "neighbours"),
        *("models", "networks", "recipe", "techniques", "training"),
    },
    "synthesizer": {
        *("config", "data", "errors", "keys", "models", "networks", "recipe", "techniques", "training"),
    },
}
ROOMS["lectures"] = {
    *("classifier", "data", "errors", "evaluation", "keys", "losses", "models", "networks", "recipe"),
    *("techniques", "training"),
}
ROOMS["correction"] = {"aligner", "data", "errors", "keys"}
ROOMS["stages"] = set(ROOMS)
ROOMS["cli"] = {"correction", "data", "errors", "stages"}

# library: its only rooms
TENSORS = {"aligner", "classifier", "correspondence", "data", "losses", "models", "networks", "recipe", "synthesizer"}
TENSORS |= {"lectures", "techniques", "training"}
OUTSIDE = {
    "torch": TENSORS | {"correction", "progress", "stages"},
    "mlflow": {"tracking"},
    "matplotlib": {"figures"},
    "seaborn": {"figures"},
    "scib_metrics": {"evaluation"},
    "jinja2": {"report"},
    "pydantic": {"config"},
    "snakemake": set(),
    "PIL": {"data"},
    "typer": {"cli"},
    "ot": {"baselines"},
    "harmonypy": {"baselines"},
    "cytonormpy": {"baselines"},
    "scanorama": {"baselines"},
    "scvi": {"baselines"},
}
VAGUE = {"utils", "util", "common", "helpers", "misc", "base", "core", "manager"}
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Dotted names of all that a file imports, wherever in it; "." before a relative one."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "magan":
            yield from (f"magan.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_stay_in_their_rooms(path):
    here = room_of(path)
    for name in imports(path):
        top, *rest = name.split(".")
        if top == "magan":
            assert rest and rest[0] in ROOMS[here] | {here}, f"{here} may not import {name}"
        assert here in OUTSIDE.get(top, {here}), f"{here} may not import {top}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_are_absolute(path):
    assert not [name for name in imports(path) if name.startswith(".")]


def test_every_file_belongs_to_a_room_of_the_table():
    assert {room_of(path) for path in FILES} - {"__init__"} == set(ROOMS)


def test_no_model_imports_another():
    for path in (PACKAGE / "models").glob("*.py"):
        if path.name != "__init__.py":
            assert not [name for name in imports(path) if name.startswith("magan.models")]


def test_training_knows_of_networks_only_how_they_are_replicated():
    for path in (PACKAGE / "training").glob("*.py"):
        known = {name for name in imports(path) if name.startswith("magan.networks")}
        assert known <= {"magan.networks.replicate"}


def test_no_file_has_a_name_that_says_nothing():
    assert not [path for path in FILES if VAGUE & {part.removesuffix(".py") for part in path.parts[-2:]}]
