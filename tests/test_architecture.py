"""Who may import whom. The table is the rule; the test only reads it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "magan"

# Files of a task's folder are ruled by their kind, whatever the task; files not named here are scores.
KINDS = {
    "settings": "settings",
    "folds": "folds",
    "control_design": "folds",
    "neighbouring_batches": "folds",
    "merged_table": "folds",
    "figures": "figures",
    "effect_figures": "figures",
    "biaxial_figures": "figures",
    "report": "report",
    "registry": "registry",
    "check": "check",
    "merge": "merge",
}

# room: the rooms it may import, besides itself
ROOMS = {
    "__init__": {
        "aligner",
        "batch_mapper",
        "config",
        "cytometry",
        "neighbours",
        "synthesizer",
    },  # for type checkers; names are imported lazily
    "errors": set(),
    "keys": set(),
    "option_types": set(),
    "presets": {"errors"},
    "recipe": set(),
    "registry": set(),
    "losses": set(),
    "model_file": {"errors"},
    "progress": set(),
    "uncertainty": {"keys", "regressors"},
    "atomic_write": {"errors"},
    "estimator": {"errors"},
    "config": {"errors", "option_types", "presets"},
    "networks": {"recipe"},
    "models": {"losses", "networks", "option_types", "recipe", "registry"},
    "techniques": {"losses", "networks", "option_types", "recipe", "registry"},
    "training": {"atomic_write", "errors", "model_file", "networks", "recipe"},
    "cytometry": {"config", "errors", "keys"},
    "images": {"config", "errors", "keys"},
    "datasets": {"config", "cytometry", "errors", "images", "keys"},
    "domains": {"cytometry", "errors", "images", "keys", "recipe"},
    "correspondence": {"domains", "errors", "keys", "losses", "option_types", "recipe"},
    "correspondences": {"registry"},
    "batch_maps": {"domains", "errors"},
    "batch_mapper": {"batch_maps", "cytometry", "errors", "estimator", "keys", "model_file"},
    "regressors": {"batch_maps", "metrics"},
    "baselines": {"batch_maps", "batch_mapper", "domains", "errors", "images", "keys", "registry", "regressors"},
    "classifier": {"errors", "keys", "training"},
    "neighbours": {"batch_maps", "errors", "keys", "regressors"},
    "metrics": {"errors", "keys"},
    "tracking": {"atomic_write", "correction", "errors", "keys"},
    "titles": set(),
    "figures": {"keys", "titles"},
    "report": {"keys", "tasks/registry", "tasks/report", "titles"},
    "tasks/settings": {"baselines", "config", "errors", "models", "presets"},
    "tasks/registry": {"config", "tasks/settings"},
    "study": {"config", "errors", "tasks/registry"},
    "schema": {"config", "study"},
    "tasks/check": {
        *("baselines", "config", "correspondences", "errors", "models", "presets", "registry", "study"),
        *("tasks/settings", "techniques"),
    },
    "tasks/folds": {"cytometry", "errors", "images", "keys", "regressors", "tasks/settings"},
    "tasks/score": {"errors", "keys", "metrics"},
    "tasks/figures": {"figures", "keys"},
    "tasks/report": {"keys", "report", "titles"},
    "aligner": {
        *("config", "correspondences", "cytometry", "domains", "errors", "estimator", "keys", "models", "networks"),
        *("recipe", "techniques", "training", "uncertainty", "maps", "aligner_file"),
    },
    "maps": {"domains", "errors", "keys", "recipe", "regressors", "training", "uncertainty"},
    "aligner_file": {"domains", "maps", "regressors", "training", "uncertainty"},
    "synthesizer": {
        *("config", "domains", "errors", "estimator", "keys", "models", "networks", "recipe", "techniques", "training"),
    },
}
ROOMS["lectures"] = {
    *("classifier", "datasets", "domains", "errors", "images", "keys", "losses", "metrics", "models", "networks"),
    *("option_types", "recipe", "techniques", "training"),
}
ROOMS["methods"] = {"baselines", "correspondences", "models", "presets", "techniques"}
ROOMS["correction"] = {"aligner", "batch_mapper", "cytometry", "errors", "keys", "model_file"}
ROOMS["stages"] = {*ROOMS, "preflight", "tasks/merge"}
ROOMS["tasks/merge"] = set(ROOMS)
ROOMS["preflight"] = {
    *("aligner", "atomic_write", "baselines", "config", "cytometry", "errors", "keys", "metrics", "stages", "study"),
    *("tasks/folds", "tasks/registry", "uncertainty"),
}
ROOMS["proposal"] = {"cytometry", "errors", "keys"}
ROOMS["commands"] = {"atomic_write", "cytometry", "errors", "keys", "preflight", "proposal", "study"}
ROOMS["cli"] = {"atomic_write", "commands", "correction", "cytometry", "errors", "methods", "preflight", "proposal"}
ROOMS["cli"] |= {"stages", "study"}

# library: its only rooms
TENSORS = {
    "aligner",
    "aligner_file",
    "classifier",
    "correspondence",
    "domains",
    "losses",
    "maps",
    "models",
    "networks",
    "recipe",
    "synthesizer",
}
TENSORS |= {"lectures", "techniques", "training"}
OUTSIDE = {
    "torch": TENSORS | {"images", "progress", "stages", "tasks/folds", "tasks/merge"},
    "mlflow": {"tracking"},
    "matplotlib": {"figures", "tasks/figures"},
    "seaborn": {"figures", "tasks/figures"},
    "scib_metrics": {"metrics"},
    "jinja2": {"preflight", "report"},
    "pydantic": {"config", "study", "tasks/settings"},
    "snakemake": set(),
    "PIL": {"images", "datasets"},
    "typer": {"cli"},
    "ot": {"baselines"},
    "harmonypy": {"baselines"},
    "cytonormpy": {"baselines"},
    "cycombinepy": {"baselines"},
    "scanorama": {"baselines"},
    "scvi": {"baselines"},
}
VAGUE = {"utils", "util", "common", "helpers", "misc", "base", "core", "manager"}
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def room(parts: tuple[str, ...]) -> str:
    """The room of a module, from the parts of its dotted name below ``magan``."""
    if parts[0] == "tasks" and len(parts) > 1:
        kind = parts[1] if parts[1] in KINDS or len(parts) == 2 else parts[2]
        return f"tasks/{KINDS.get(kind, 'score')}"
    return parts[0]


def room_of(path: Path) -> str:
    return room(path.relative_to(PACKAGE).with_suffix("").parts)


def imports(path: Path) -> Iterator[str]:
    """Dotted names of all that a file imports, wherever in it; "." before a relative one."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "magan":
            yield from (f"magan.{alias.name}" for alias in node.names if alias.name != "__version__")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("magan.tasks"):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_stay_in_their_rooms(path):
    here = room_of(path)
    for name in imports(path):
        top, *rest = name.split(".")
        if top == "magan":
            assert rest and room(tuple(rest)) in ROOMS[here] | {here}, f"{here} may not import {name}"
        assert here in OUTSIDE.get(top, {here}), f"{here} may not import {top}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_are_absolute(path):
    assert not [name for name in imports(path) if name.startswith(".")]


def test_every_file_belongs_to_a_room_of_the_table():
    assert {room_of(path) for path in FILES if path.name != "__init__.py"} <= set(ROOMS)


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


def test_no_function_has_more_than_eight_parameters():
    """More belong in a record. Where the parameters are the options of a user, there may be as many as options."""
    found = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and not _has_options(node, path):
                listed = node.args
                names = [*listed.posonlyargs, *listed.args, *listed.kwonlyargs, listed.vararg, listed.kwarg]
                if sum(name is not None for name in names) > 8:
                    found.append(f"{name_of(path)}:{node.lineno} {node.name}")
    assert not found


def _has_options(node: ast.FunctionDef, path: Path) -> bool:
    """Whether a study or a command line sets the parameters: recipes, lectures, commands."""
    is_command = any("app.command" in ast.unparse(decorator) for decorator in node.decorator_list)
    return is_command or (room_of(path) in ("models", "lectures") and node.name == path.stem)
