"""Write `docs/reference/numbers.md`, every default and every constant of the package, from its source.

    python docs/numbers.py > docs/reference/numbers.md

A test compares the page with the code, so a changed number shows in two places of a change. Nothing heavy is imported.
"""

import ast
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from magan.baselines import BASELINES
from magan.correspondences import CORRESPONDENCES
from magan.lectures import LECTURES
from magan.models import MODELS
from magan.presets import PRESETS, resolve
from magan.registry import Entry
from magan.techniques import TECHNIQUES

ROOT = Path(__file__).parents[1]
LONGEST = 300  # characters of a value; longer ones are tables, which tests read by themselves
DRAWN = ("figures", "report")  # and figures of tasks: sizes and colours, which `tests/recorded` has as drawn
KINDS: Mapping[str, Mapping[str, Entry]] = {
    "Models": MODELS.entries,
    "Correspondences": CORRESPONDENCES.entries,
    "Techniques": TECHNIQUES.entries,
    "Baselines": BASELINES.entries,
    "Lectures": {name: Entry(lecture.source) for name, lecture in LECTURES.items()},
}
HEAD = """# Numbers

Every default that a study may change, and every constant that it may not. `python docs/numbers.py` writes this page
from the code, and a test compares the two. The settings of a study are in `workflow/schemas/study.schema.json`.
"""


def page() -> str:
    """Return the page."""
    lines = [HEAD, "## Presets\n", "| preset | version | settings |", "|---|---|---|"]
    lines += [f"| `{name}` | {preset.version} | {code(settings(name))} |" for name, preset in PRESETS.items()]
    for kind, entries in KINDS.items():
        lines += ["", f"## {kind}\n", "| name | options |", "|---|---|"]
        lines += [f"| `{name}` | {', '.join(map(code, options(entry)))} |" for name, entry in entries.items()]
    lines += ["", "## Commands\n", "| name | options |", "|---|---|", *commands()]
    lines += ["", "## Constants\n", "| module | name | value | meaning |", "|---|---|---|---|"]
    for path in sorted((ROOT / "magan").rglob("*.py")):
        module = path.relative_to(ROOT / "magan").as_posix()
        if not module.startswith(DRAWN) and not module.endswith("figures.py"):
            lines += [f"| {module} {row}" for row in constants(path.read_text())]
    return "\n".join(lines) + "\n"


def settings(preset: str) -> str:
    """Return what a preset stands for, its size replaced by widths."""
    resolved: Any = resolve(preset)
    return json.dumps({key: value for key, value in resolved.items() if key not in ("preset", "size")})


def options(entry: Entry) -> Iterator[str]:
    """Yield ``name=default`` for each option of a method that has a default."""
    module, _, name = entry.source.partition(":")
    tree = ast.parse((ROOT / module.replace(".", "/")).with_suffix(".py").read_text())
    (function,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
    for option, default in defaults(function).items():
        yield f"{option}={entry.options[option]!r}" if option in entry.options else f"{option}={default}"


def commands() -> Iterator[str]:
    """Yield a row for each command of the command line that has options with a default."""
    for path in sorted((ROOT / "magan/cli").glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.decorator_list and defaults(node):
                given = [f"{option}={default}" for option, default in defaults(node).items()]
                name = node.decorator_list[0].args[0].value if node.decorator_list[0].args else node.name
                yield f"| `{name}` | {', '.join(map(code, given))} |"


def defaults(function: ast.FunctionDef) -> dict[str, str]:
    """Return the defaults of the parameters of a function, as they are written."""
    given = function.args
    parameters = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    values = [*given.defaults, *given.kw_defaults]
    found = zip(parameters[len(parameters) - len(values) :], values)
    return {parameter.arg: ast.unparse(value) for parameter, value in found if value is not None}


def constants(source: str) -> Iterator[str]:
    """Yield a row of the table for each constant of a module that holds a number, with the comment after it."""
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            yield from fields(node)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and numeric(node.value):
            name = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target).strip("()")
            value = ast.unparse(node.value)
            if name.isupper() and len(value) <= LONGEST:
                comment = lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode().strip(" #")
                yield f"| `{name}` | {code(value)} | {cell(comment)} |"


def fields(node: ast.ClassDef) -> Iterator[str]:
    """Yield a row for each field of a record whose default is a number."""
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and item.value and numeric(item.value):
            yield f"| `{node.name}.{ast.unparse(item.target)}` | {code(ast.unparse(item.value))} | |"


def numeric(value: ast.expr) -> bool:
    """Whether an expression holds a number and no function."""
    nodes = list(ast.walk(value))
    numbers = [node for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, int | float)]
    return bool(numbers) and not any(isinstance(node, ast.Lambda) for node in nodes)


def code(text: str) -> str:
    """Mark a text as code."""
    return f"`{cell(text)}`"


def cell(text: str) -> str:
    """Return a text that a cell of a table may hold."""
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    print(page(), end="")
