"""What is written twice must agree: pages and schemas that are generated from the code, and the code."""

import importlib.util
import json
from pathlib import Path

import pytest

from magan.config import SheetRow
from magan.study import Study

ROOT = Path(__file__).parents[1]


def test_the_page_of_numbers_has_the_defaults_and_constants_of_the_code():
    spec = importlib.util.spec_from_file_location("numbers_page", ROOT / "docs/numbers.py")
    numbers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(numbers)
    written = (ROOT / "docs/reference/numbers.md").read_text()
    assert numbers.page() == written, (
        "a number changed; if that is meant: python docs/numbers.py > docs/reference/numbers.md, and CHANGELOG.md"
    )


@pytest.mark.parametrize(("name", "model", "word"), [("study", Study, ""), ("samples", SheetRow, " sheet")])
def test_the_schemas_are_generated_from_the_models(name, model, word):
    written = (ROOT / "workflow" / "schemas" / f"{name}.schema.json").read_text()
    assert json.loads(written) == model.model_json_schema(), (
        f"python -m magan.schema{word} > workflow/schemas/{name}.schema.json"
    )
