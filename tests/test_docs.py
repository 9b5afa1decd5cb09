"""Check what the documentation says of the package."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from test_architecture import FILES, ROOMS, room_of

from magan import __version__

DOCS = Path(__file__).parents[1] / "docs"
REPORTS = DOCS.with_name("reports")
PICTURE = (DOCS / "architecture.md").read_text().split("```mermaid")[1].split("```")[0]
ARROWS = re.findall(r"^    (\S+) --> (\S+)$", PICTURE, re.MULTILINE)


def test_the_picture_has_an_arrow_a_line():
    assert len(ARROWS) == len(PICTURE.strip().splitlines()) - 1 > 30
    assert len(set(ARROWS)) == len(ARROWS)


@pytest.mark.parametrize("arrow", ARROWS, ids=" to ".join)
def test_every_arrow_of_the_picture_joins_rooms_and_is_an_allowed_import(arrow):
    source, target = arrow
    assert {source, target} <= {room_of(path) for path in FILES}
    assert target in ROOMS[source]


def test_no_arrow_of_the_picture_leads_back():
    targets = {source: {target for start, target in ARROWS if start == source} for source, _ in ARROWS}
    left = set(targets)
    while left:
        free = {room for room in left if not targets[room] & left}
        assert free, f"the arrows of {sorted(left)} form a circle"
        left -= free


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.name)
def test_links_between_pages_lead_to_files(page):
    for target in re.findall(r"\]\(([\w./-]+\.(?:md|svg|png))", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_citation_and_the_changelog_are_of_the_version_of_the_project():
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((DOCS.parent / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (__version__, project["license"])
    assert (DOCS.parent / "LICENSE").read_text().startswith(f"{project['license']} License")
    assert re.findall(r"^## \[(.*?)\]", (DOCS.parent / "CHANGELOG.md").read_text(), re.M)[0] == "Unreleased"


def test_the_table_of_pages_names_the_commit_at_the_foot_of_each_page():
    rows = re.findall(r"^\| `(\w+)/` \| (\w{7}) \|", (REPORTS / "README.md").read_text(), re.MULTILINE)
    for name, commit in rows:
        page = REPORTS / name / "index.html"
        assert not page.exists() or f"<dt>commit</dt><dd><code>{commit}</code>" in page.read_text(), name
    assert {name for name, _ in rows} == {path.name for path in REPORTS.iterdir() if path.is_dir()}
