"""Change one token of the package at a time and see whether its tests notice.

    python benchmarks/mutants.py magan/losses magan/metrics --sample 40 --seed 0
    python benchmarks/mutants.py magan/losses/travel.py:31

Draws changes of one token at random (a number, an operator, a truth value, `and`, `min`, a returned name), runs for
each change the tests of its module in a copy of the tree, and prints whether the change was killed (a test failed), was
too slow (the tests took three times as long) or survived. A path with a line number takes every change of that line.
See docs/testing.md.
"""

import argparse
import ast
import io
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tokenize
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
OPERATORS = {
    "+": "-", "-": "+", "*": "/", "/": "*", "//": "*", "**": "*", "%": "*", "&": "|", "|": "&",
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "and": "or", "or": "and",
}  # fmt: skip
NAMES = {"min": "max", "minimum": "maximum", "amin": "amax", "argmin": "argmax", "any": "all"}
NAMES |= {value: key for key, value in NAMES.items()}
NUMBERS = "tests/test_numbers.py"
EVERY = '"""What holds of every'  # of a registry's entries, as their tests begin
OUTCOMES = {"passed": "survived", "failed": "killed", "too slow": "too slow"}  # of the tests -> of the change
CONSTANTS = {"True": "False", "False": "True", "None": "1", '"true"': '"false"', '"false"': '"true"'}


class Change(NamedTuple):
    """Replacement of one token; `line` counts from 1 and `column` from 0, in characters."""

    line: int
    column: int
    before: str
    after: str

    def apply(self, source: str) -> str:
        """Return the source with the token replaced."""
        lines = source.splitlines(keepends=True)
        text = lines[self.line - 1]
        lines[self.line - 1] = text[: self.column] + self.after + text[self.column + len(self.before) :]
        return "".join(lines)


def changes(source: str) -> list[Change]:
    """Return every change of one token of a module, in the order of its text.

    Annotations, texts and the inside of f-strings stay as they are.
    """
    lines = source.splitlines()
    tokens = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        line, column = token.start
        if token.type in (tokenize.NUMBER, tokenize.OP, tokenize.NAME, tokenize.STRING):
            tokens[line, len(lines[line - 1][:column].encode())] = (column, token.string)
    operators = sorted(place for place, (_, text) in tokens.items() if text in OPERATORS)
    found = set()
    for place, after in sites(ast.parse(source), operators):
        column, before = tokens.get(place, (0, ""))
        text = after(before)
        if before and text:
            found.add(Change(place[0], column, before, text))
    return sorted(found)


def sites(node: ast.AST, operators: list[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], Callable[[str], str]]]:
    """Yield the place (line, byte) of each change below a node, and the function from a token to its replacement."""
    place = getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
    match node:
        case ast.JoinedStr() | ast.Raise() | ast.Import() | ast.ImportFrom():
            return
        case ast.BinOp(left=left, right=right):
            yield from between([left, right], operators)
        case ast.BoolOp(values=values):
            yield from between(values, operators)
        case ast.Compare(left=left, comparators=compared):
            yield from between([left, *compared], operators)
        case ast.UnaryOp(op=ast.USub()):
            yield place, {"-": "+"}.get
        case ast.UnaryOp(op=ast.Not()):
            yield place, {"not": "   "}.get
        case ast.Constant():
            yield place, constant
        case ast.Name(id=name) if name in NAMES:
            yield place, NAMES.get
        case ast.Attribute(attr=name) if name in NAMES:
            yield (node.end_lineno, node.end_col_offset - len(name)), NAMES.get
        case ast.Return(value=ast.Name() as value):
            yield (value.lineno, value.col_offset), lambda name: "None"
    annotations = [getattr(node, name, None) for name in ("annotation", "returns")]
    for child in ast.iter_child_nodes(node):
        if child not in annotations:
            yield from sites(child, operators)


def between(operands: list[ast.expr], operators: list[tuple[int, int]]) -> Iterator[tuple]:
    """Yield the operators that stand between operands."""
    for left, right in pairwise(operands):
        start = bisect_left(operators, (left.end_lineno, left.end_col_offset))
        for place in operators[start : bisect_left(operators, (right.lineno, right.col_offset))]:
            yield place, OPERATORS.get


def constant(token: str) -> str:
    """Return another value: a whole number plus 1, a tenth of a fraction, the opposite truth value."""
    if re.fullmatch(r"[\d_]+", token):
        return str(int(token) + 1)
    if re.fullmatch(r"(\d[\d_]*\.?|\d*\.\d+)(e[-+]?\d+)?|\d+\.\d*", token, re.IGNORECASE):
        return repr(float(token) / 10 or 1.0)
    return CONSTANTS.get(token, "")


def tests_of(module: Path, tree: Path) -> list[Path]:
    """Return the test files of a module: its mirror, what imports it, what is named after its room or imports that.

    Before them comes, for every module, the comparison of the page of numbers with the code. After them come files of
    the room that say what holds of every entry of its registry and, for figures of a task, the records of all figures.
    """
    *rooms, name = module.relative_to("magan").with_suffix("").parts
    room = tree.joinpath("tests", *rooms)
    dotted = ".".join(("magan", *rooms, name)).removesuffix(".__init__")
    parent, _, last = dotted.rpartition(".")
    imports = re.compile(rf"(from|import) {re.escape(dotted)}\b|from {re.escape(parent)} import .*\b{last}\b")
    quick = [path for path in sorted(tree.glob("tests/**/test_*.py")) if path.parent.name != "workflow"]
    choices = (
        [room / f"test_{name}.py"] if (room / f"test_{name}.py").exists() else [],
        [path for path in quick if imports.search(path.read_text())],
        sorted(tree.glob(f"tests/test_{name}*.py")) or sorted(tree.glob(f"tests/faults/test_{name}.py")),
        sorted(tree.glob(f"tests/test_{room.name}*.py")),
        sorted(room.glob("test_*.py")),
        [path for path in quick if f"from {parent} import" in path.read_text()],
    )
    found = next((files for files in choices if files), [])
    drawn = sorted(tree.glob("tests/test_figures*.py")) if name.endswith("figures") or rooms == ["figures"] else []
    every = [path for path in sorted(room.glob("test_*.py")) if path.read_text().startswith(EVERY)]
    return list(dict.fromkeys([*tree.glob(NUMBERS), *found, *every, *drawn]))


def run(tests: list[Path], tree: Path, seconds: float) -> str:
    """Run tests until the first failure and return "passed", "failed", or "too slow" if they exceed the time."""
    # Python would take compiled code of the same second and size for that of the changed module.
    environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *map(str, tests)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        code = subprocess.run(command, cwd=tree, env=environment, timeout=seconds, **quiet).returncode
    except subprocess.TimeoutExpired:
        return "too slow"
    return "failed" if code else "passed"


def copy_of(root: Path, folder: Path) -> Path:
    """Copy the files that git knows or would add, and link the data that lie next to the checkout."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines():
        if (root / name).is_file():
            (folder / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / "tree" / name)
    if (root.parent / "shared").exists():
        (folder / "shared").symlink_to((root.parent / "shared").resolve())
    return folder / "tree"


def candidates(paths: list[str]) -> list[tuple[Path, Change]]:
    """Return the changes of modules, folders or lines (``FILE:LINE``)."""
    found = []
    for path in paths:
        name, _, line = path.partition(":")
        place = ROOT / name
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            found += [
                (file.relative_to(ROOT), change)
                for change in changes(file.read_text())
                if not line or change.line == int(line)
            ]
    return found


def judge(drawn: list[tuple[Path, Change]], tree: Path, minutes: float) -> Iterator[tuple[Path, Change, str]]:
    """Yield each change with "killed", "too slow", "survived" or why it was not tried, until the time is over."""
    begin, quiet = time.monotonic(), {}
    for module, change in drawn:
        tests = tests_of(module, tree)
        key = tuple(tests)
        if time.monotonic() - begin > 60 * minutes:
            return
        if key not in quiet:
            start = time.monotonic()
            passed = bool(tests) and run(tests, tree, 180) == "passed"
            quiet[key] = time.monotonic() - start if passed else 0.0
        if not quiet[key]:
            yield module, change, "no tests" if not tests else "not tried: tests fail or take over 3 minutes unchanged"
            continue
        source = (tree / module).read_text()
        (tree / module).write_text(change.apply(source))
        yield module, change, OUTCOMES[run(tests, tree, 3 * quiet[key] + 10)]
        (tree / module).write_text(source)


def main() -> None:
    """Print the table of changes and the share that survives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", default=["magan"], help="modules, folders or FILE:LINE")
    parser.add_argument("--sample", type=int, default=200, help="changes to draw (default 200)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60, help="stop after this time (default 60)")
    asked = parser.parse_args()
    found = candidates(asked.paths)
    drawn = random.Random(asked.seed).sample(found, min(asked.sample, len(found)))
    counts = dict.fromkeys(OUTCOMES.values(), 0)
    print(f"{len(drawn)} of {len(found)} changes, seed {asked.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        tree = copy_of(ROOT, Path(folder))
        for module, change, outcome in judge(drawn, tree, asked.minutes):
            counts[outcome] = counts.get(outcome, 0) + 1
            line = (tree / module).read_text().splitlines()[change.line - 1].strip()  # as it was tested
            token = f"{change.before} -> {change.after.strip() or 'nothing'}"
            print(f"{outcome:9} {module}:{change.line}  {token}  | {line}", flush=True)
    tried = sum(counts[outcome] for outcome in OUTCOMES.values())
    print(f"{tried} of {len(drawn)} tried; {counts['survived']} survived ({counts['survived'] / max(tried, 1):.0%})")
    print(*(f"{n} {outcome}" for outcome, n in counts.items() if outcome not in ("killed", "survived")), sep="\n")


if __name__ == "__main__":
    main()
