"""Tests of magan.stages.lectures: what rule `lecture` writes, and what a study may ask of it."""

import pandas as pd
import pytest
from small_lectures import SMALL

from magan.errors import InputError
from magan.images.arrays import digits
from magan.lectures import LECTURES
from magan.stages import lectures
from magan.stages.evaluate import summarise
from magan.stages.validate_study import validate_study
from magan.study import parse

STUDY = {"name": "s", "title": "S", "seeds": 2}


def run(folder, name: str, images: str | None = None) -> None:
    place = folder / "lectures" / name
    lectures.lecture(
        name,
        seeds=[0, 1],
        options=SMALL[name],
        threads=1,
        images=images,
        table=str(place / "table.tsv"),
        numbers=str(place / "numbers.tsv"),
        figure=str(place / "figure.svg"),
    )


def test_an_experiment_leaves_points_numbers_and_a_figure_twice(tmp_path):
    run(tmp_path, "optimal_discriminator")
    place = tmp_path / "lectures/optimal_discriminator"
    assert sorted(path.name for path in place.iterdir()) == ["figure.png", "figure.svg", "numbers.tsv", "table.tsv"]
    again = LECTURES["optimal_discriminator"].check_claims(lectures.read_points(place / "table.tsv"))
    (told,) = lectures.lectures(parse({**STUDY, "lectures": {"optimal_discriminator": {}}}), str(tmp_path))
    pd.testing.assert_frame_equal(told["numbers"], again, check_dtype=False)
    assert told["path"] == str(place / "figure.svg") and told["title"] == "The best discriminator"


def test_the_same_study_gives_the_same_bytes(tmp_path):
    for folder in ("one", "two"):
        run(tmp_path / folder, "optimal_discriminator")
    for file in ("table.tsv", "numbers.tsv", "figure.svg", "figure.png"):
        one, two = (tmp_path / folder / "lectures/optimal_discriminator" / file for folder in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_an_experiment_on_images_reads_them_from_their_file(tmp_path):
    digits().write_h5ad(tmp_path / "digits.h5ad")
    run(tmp_path, "digit_map", images=str(tmp_path / "digits.h5ad"))
    points = lectures.read_points(tmp_path / "lectures/digit_map/table.tsv")
    assert (points["quantity"] == "class").sum() == SMALL["digit_map"]["n_test"]


def test_a_study_of_experiments_alone_has_empty_tables(tmp_path):
    summarise([], str(tmp_path / "metrics.tsv"), str(tmp_path / "summary.tsv"))
    for name in ("metrics", "summary"):
        table = pd.read_csv(tmp_path / f"{name}.tsv", sep="\t")
        assert len(table) == 0 and "metric" in table.columns


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"mode_colapse": {}}, "lectures: experiment 'mode_colapse' is unknown (did you mean 'mode_collapse'?)"),
        (
            {"mode_collapse": {"options": {"step": 3}}},
            "lectures.mode_collapse.options: unknown option 'step' (did you mean 'steps'?)",
        ),
        (
            {"digit_map": {}},
            "lectures.digit_map: it needs a data set of images; name one under lectures.digit_map.images",
        ),
        (
            {"mode_collapse": {"images": "digits"}},
            "lectures.mode_collapse.images: 'digits' has no use in this experiment; leave it out",
        ),
        (
            {"digit_map": {"images": "mnits"}},
            "lectures.digit_map: data set 'mnits' is unknown (did you mean 'mnist'?)",
        ),
        (
            {"digit_map": {"images": "wishbone"}},
            "lectures.digit_map: data set 'wishbone' holds cells, and this task is of images; name another",
        ),
    ],
)
def test_an_experiment_that_cannot_run_is_refused_before_anything_does(asked, sentence):
    with pytest.raises(InputError) as error:
        validate_study({**STUDY, "lectures": asked})
    assert str(error.value) == sentence


def test_experiments_have_the_studys_seeds_or_their_own():
    study = validate_study({**STUDY, "lectures": {"mode_collapse": {"seeds": 3}, "f_divergences": {}}})
    assert [study.seeds_of(study.lectures[name]) for name in study.lectures] == [(0, 1, 2), (0, 1)]
