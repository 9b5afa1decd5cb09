"""Tests of benchmarks/mutants.py: which changes it makes, and which tests it runs."""

import ast
import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FIGURES = [f"tests/{path.name}" for path in sorted((ROOT / "tests").glob("test_figures*.py"))]


@pytest.fixture(scope="module")
def mutants():
    spec = importlib.util.spec_from_file_location("mutants", ROOT / "benchmarks/mutants.py")
    module = sys.modules["mutants"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["mutants"]


CHANGED = {
    "x = 3\n": ["x = 4\n"],
    "x = 0.2\n": ["x = 0.02\n"],
    "x = 0.0\n": ["x = 1.0\n"],
    "µ = a ** b\n": ["µ = a * b\n"],
    "x = a < b\n": ["x = a <= b\n"],
    "x = a and b\n": ["x = a or b\n"],
    "x = not a\n": ["x =     a\n"],
    "x = -a\n": ["x = +a\n"],
    "x = np.maximum(a, min(b))\n": ["x = np.minimum(a, min(b))\n", "x = np.maximum(a, max(b))\n"],
    "def f(x: int | None = None, *, y): return x\n": [
        "def f(x: int | None = 1, *, y): return x\n",
        "def f(x: int | None = None, *, y): return None\n",
    ],
    'x: int | str = "a + 1"  # 3 + 4\n': [],
    'x = f"{a + 1}"\n': [],
    "raise ValueError(1 + 2)\n": [],
}


@pytest.mark.parametrize("source", CHANGED)
def test_each_change_replaces_one_token_of_the_code(mutants, source):
    assert [change.apply(source) for change in mutants.changes(source)] == CHANGED[source]


def test_every_change_of_a_module_can_be_parsed_and_differs(mutants):
    source = (ROOT / "magan/models/lapgan.py").read_text()
    changed = [change.apply(source) for change in mutants.changes(source)]
    assert len(set(changed)) == len(changed) > 30 and source not in changed
    assert len({ast.dump(ast.parse(text)) for text in changed}) == len(changed)


@pytest.mark.parametrize(
    "module, expected",
    [
        ("magan/losses/travel.py", ["tests/losses/test_travel.py"]),
        (
            "magan/models/lapgan.py",
            ["tests/models/test_applications.py", "tests/models/test_generating.py", "tests/models/test_models.py"],
        ),
        ("magan/figures/forest.py", FIGURES),
        (
            "magan/tasks/panel_merging/figures.py",
            ["tests/tasks/panel_merging/test_figures.py", *FIGURES],
        ),
        ("magan/figures/lectures/theory.py", ["tests/lectures/test_lectures.py"]),
    ],
)
def test_a_module_is_tested_by_its_mirror_or_by_what_imports_it_or_by_its_room(mutants, module, expected):
    found = [str(path.relative_to(ROOT)) for path in mutants.tests_of(Path(module), ROOT)]
    assert found == ["tests/test_numbers.py", *expected]


def test_a_change_that_a_test_notices_is_killed_and_the_checkout_stays_as_it_is(mutants, tmp_path):
    for name, text in {
        "magan/__init__.py": "",
        "magan/room/area.py": "def area(a, b):\n    return a * b + 0\n",
        "tests/room/test_area.py": "from magan.room.area import area\n\n\ndef test_it():\n    assert area(2, 3) == 6\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    module = Path("magan/room/area.py")
    source = (tmp_path / module).read_text()
    drawn = [(module, change) for change in mutants.changes(source) if change.before in "*+"]
    found = {change.before: outcome for _, change, outcome in mutants.judge(drawn, tmp_path, minutes=5)}
    assert found == {"*": "killed", "+": "survived"}  # it makes no difference whether 0 is added or subtracted
    assert (tmp_path / module).read_text() == source
