"""The site of documents: it builds, needs no network, and answers a new user's questions within two clicks."""

import re
import shlex
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag

import pytest
import typer.main
import yaml
from mkdocs.commands.build import build
from mkdocs.config import load_config

from magan import keys
from magan.cli import app
from magan.methods import methods
from magan.study import Study

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = [
    (f"{page.relative_to(ROOT)}-{n}", language, text)
    for page in PAGES
    for n, (language, text) in enumerate(
        re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    )
]
COMMANDS = [
    pytest.param(line.split("#")[0], id=name)
    for name, _, text in BLOCKS
    for line in text.splitlines()
    if re.match(r"magan [a-z]", line)
]
STUDIES = [
    pytest.param(text, id=name)
    for name, language, text in BLOCKS
    if language == "yaml" and text.startswith("name:") and "adding-a" not in name  # these pages have tests of their own
]
# A new user's ten tasks, each with the page that answers it.
ANSWERS = {
    "init": "tutorials/correct.html",
    "check": "your-files.html",
    "correct": "tutorials/correct.html",
    "read the verdict": "concepts/verdict.html",
    "map a later file": "how-to/new-files.html",
    "merge": "tutorials/merge.html",
    "compare in MLflow": "tutorials/compare.html",
    "add a baseline": "adding-a-baseline.html",
    "add a model": "adding-a-gan.html",
    "cite": "cite.html",
}


class References(HTMLParser):
    """Collects what a page links to, and what it loads."""

    def __init__(self, page: Path):
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.feed(page.read_text())

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag == "a" and found.get("href"):
            self.links.add(urldefrag(found["href"]).url)
        elif tag in ("script", "img", "iframe") and found.get("src"):
            self.loaded.add(found["src"])
        elif tag == "link" and found.get("rel") in ("stylesheet", "icon"):
            self.loaded.add(found["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), strict=True))
    return folder


def test_no_page_loads_anything_from_the_network(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    loaded = {source for page in pages for source in References(page).loaded}
    assert loaded and not [source for source in loaded if re.match(r"(https?:)?//", source)]


def test_a_page_answers_each_task_of_a_new_user_within_two_clicks_of_text(site):
    def links(page: str) -> set[str]:
        content = (site / page).read_text().split("<article", 1)[1].split("</article>")[0]
        part = site / "part"
        part.write_text(content)
        return {(Path(page).parent / link).as_posix() for link in References(part).links if link.endswith(".html")}

    first = links("index.html")
    second = first | {page for link in first for page in links(link)}
    assert not set(ANSWERS.values()) - second


def test_reference_pages_name_every_command_method_and_score(site):
    places = {"commands": "commands", **{name: f"reference/{name}" for name in ("methods", "scores", "study")}}
    texts = {name: (site / f"{place}.html").read_text() for name, place in places.items()}
    assert all(f"magan {name}" in texts["commands"] for name in typer.main.get_command(app).commands)
    assert all(f"<code>{method.name}</code>" in texts["methods"] for method in methods())
    assert all(f"<code>{name}</code>" in texts["scores"] for name in keys.SCORES)
    assert all(f"<code>{key}</code>" in texts["study"] for key in Study.model_fields)
    assert not any("generated:" in text for text in texts.values())


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_the_documents_exists_with_its_options(line):
    _, name, *words = shlex.split(line)
    commands = typer.main.get_command(app).commands
    assert name in commands
    known = {option for parameter in commands[name].params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert not [word for word in words if word.startswith("-") and word.split("=")[0] not in known]


@pytest.mark.parametrize("text", STUDIES)
def test_every_study_of_the_documents_is_valid(text):
    Study.model_validate(yaml.safe_load(text))
