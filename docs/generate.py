"""Fill the reference pages of the site from the code: commands, study file, methods, scores. mkdocs calls this hook."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import typer.main

from magan import keys
from magan.cli import app
from magan.methods import methods
from magan.study import Study

NAMED = re.compile(r"<!-- generated: (\w+) -->")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace each comment ``<!-- generated: NAME -->`` of a page by the Markdown of ``PAGES[NAME]``."""
    return NAMED.sub(lambda found: "\n".join(PAGES[found[1]]()), markdown)


def commands() -> Iterator[str]:
    """Yield a section for each command: what it does, its arguments and its options."""
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        shown = [parameter for parameter in command.params if parameter.name != "help"]
        arguments = " ".join(str(p.name).upper() for p in shown if p.param_type_name == "argument")
        yield f"## magan {name}\n\n```\nmagan {name} {arguments}\n```\n\n{command.help or ''}\n"
        yield from table(("", "meaning"), [(" ".join(map(code, p.opts)), p.help or "") for p in shown])


def study() -> Iterator[str]:
    """Yield a section for the study and for each part of it: a row for each key."""
    schema = Study.model_json_schema()
    parts = {"The study": schema, **dict(sorted(schema["$defs"].items()))}
    for name, part in parts.items():
        yield f"## {name}\n\n{plain(part.get('description', ''))}\n"
        required = part.get("required", ())
        rows = [
            (code(key), kind(value), "required" if key in required else code(json.dumps(value.get("default"))))
            for key, value in part.get("properties", {}).items()
        ]
        yield from table(("key", "value", "default"), rows)


def named_methods() -> Iterator[str]:
    """Yield a table for each kind of method."""
    listed = list(methods())
    for group in dict.fromkeys(method.kind for method in listed):
        yield f"## {group.capitalize()}\n"
        yield from table(("name", "what it is"), [(code(m.name), m.summary) for m in listed if m.kind == group])


def scores() -> Iterator[str]:
    """Yield a row for each score."""
    rows = [(code(name), title, keys.BEST[better]) for name, (title, better) in keys.SCORES.items()]
    yield from table(("name", "title", "direction"), rows)


PAGES = {"commands": commands, "study": study, "methods": named_methods, "scores": scores}


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a Markdown table, and an empty line; nothing without rows."""
    if rows:
        for row in (header, ("---",) * len(header), *rows):
            yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"
        yield ""


def code(text: str) -> str:
    """Mark a text as code."""
    return f"`{text}`"


def plain(text: str) -> str:
    """Change reStructuredText code of a docstring to Markdown."""
    return text.replace("``", "`")


def kind(value: Mapping[str, Any]) -> str:
    """Name the values that a schema allows, with a link to the section of a part."""
    if "$ref" in value:
        part = value["$ref"].rsplit("/", 1)[1]
        return f"[{part}](#{part.lower()})"
    if "enum" in value:
        return ", ".join(code(str(item)) for item in value["enum"])
    if "anyOf" in value:
        return " or ".join(kind(choice) for choice in value["anyOf"] if choice.get("type") != "null")
    if value.get("type") == "array":
        return f"list of {kind(value['items'])}" if "items" in value else "list"
    if value.get("type") == "object":
        inner = [*value.get("patternProperties", {}).values(), value.get("additionalProperties")]
        return f"mapping of names to {kind(inner[0])}" if isinstance(inner[0], Mapping) else "mapping"
    return str(value.get("type", "any"))
