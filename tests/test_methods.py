"""The list of methods holds every name of every registry, with the options of its signature."""

from typer.testing import CliRunner

from magan.baselines import BASELINES
from magan.cli import app
from magan.correspondences import CORRESPONDENCES
from magan.methods import methods, table
from magan.models import MODELS
from magan.presets import PRESETS
from magan.techniques import TECHNIQUES


def test_every_name_of_every_registry_has_a_row_with_a_line():
    rows = list(methods())
    assert [row.name for row in rows if row.kind == "preset"] == list(PRESETS)
    assert [row.name for row in rows if row.kind.startswith("model")] == list(MODELS)
    assert [row.name for row in rows if row.kind == "correspondence"] == list(CORRESPONDENCES)
    assert [row.name for row in rows if row.kind == "technique"] == list(TECHNIQUES)
    assert [row.name for row in rows if row.kind == "baseline"] == list(BASELINES)
    lines = {row.name: row.summary for row in rows}
    assert lines["lsgan"] == lines["gan"] != lines["wgan"]  # lsgan is gan with an argument given
    assert all(row.summary and "\n" not in row.summary for row in rows)


def test_options_are_those_of_a_study_with_their_defaults():
    of = {(row.kind, row.name): row.options for row in methods()}
    assert of["technique", "unrolled"] == {"n_steps": 5, "rate": 0.1}
    assert of["model of samples", "lsgan"]["adversarial"] == "least_squares"
    assert "shapes" not in of["model of two domains", "magan"] and not of["baseline", "ridge"]
    assert of["preset", "magan_2018"]["size"] == "paper"


def test_the_command_prints_the_table_and_a_kind_is_a_part_of_it():
    result = CliRunner().invoke(app, ["methods"])
    assert result.exit_code == 0 and result.output == table() + "\n"
    assert set(table("technique").split("\n")) < set(table().split("\n"))
    assert [line.split()[0] for line in table("baseline").split("\n")[1:] if not line.startswith(" " * 28)] == list(
        BASELINES
    )
