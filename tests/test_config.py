import inspect
import re

import pytest
from pydantic import ValidationError

from magan import config
from magan.config import Arm, Correspondence, Training
from magan.errors import InputError
from magan.study import Study, load, parse

PANELS = {"cells": "bodenmiller", "shared": ["CD3", "CD4"], "arms": {"magan": {"model": "magan"}}}
STUDY = {"name": "demo", "title": "A demo"}


def study(**parts) -> Study:
    return parse({**STUDY, **parts})


def of_arm(**parts) -> dict:
    """A study with one arm."""
    return {"heldout": {"blood": {**PANELS, "arms": {"mine": {"model": "magan", **parts}}}}}


def message(**parts) -> str:
    with pytest.raises(InputError) as error:
        study(**parts)
    return str(error.value)


def test_a_study_needs_only_a_name_and_a_title():
    least = study()
    assert least.seeds == (0, 1, 2) and least.device == "auto" and not list(least.tasks())


@pytest.mark.parametrize(
    "parts, sentence",
    [
        ({"seads": 3}, "unknown key 'seads' (did you mean 'seeds'?)"),
        ({"zzz": 3}, "unknown key 'zzz'"),
        ({"training": {"step": 3}}, "training: unknown key 'step' (did you mean 'steps'?)"),
        (
            {"heldout": {"blood": {**PANELS, "shraed": []}}},
            "heldout.blood: unknown key 'shraed' (did you mean 'shared'?)",
        ),
        (of_arm(modle="x"), "heldout.blood.arms.mine: unknown key 'modle' (did you mean 'model'?)"),
        (
            of_arm(training={"batch_sise": 3}),
            "heldout.blood.arms.mine.training: unknown key 'batch_sise' (did you mean 'batch_size'?)",
        ),
        (
            of_arm(correspondence={"name": "pairs", "options": {}, "optoins": {}}),
            "heldout.blood.arms.mine.correspondence: unknown key 'optoins' (did you mean 'options'?)",
        ),
        (
            {"own_data": {"mine": {"files": [{"path": "a.fcs"}, {"path": "b.fcs", "bacth": "2"}]}}},
            "own_data.mine.files.1: unknown key 'bacth' (did you mean 'batch'?)",
        ),
        (
            {"heldout": {"arms": {**PANELS, "only1": []}}},  # a data set called like a key
            "heldout.arms: unknown key 'only1' (did you mean 'only_1'?)",
        ),
        ({"batch": {"b": {"wipe": {"markr": "x"}}}}, "batch.b: key 'cells' is missing; add it"),
        ({"tracking": {"url": "x"}}, "tracking: unknown key 'url' (did you mean 'uri'?)"),
    ],
)
def test_a_misspelt_key_is_named_with_its_path_and_the_nearest_known_one(parts, sentence):
    assert message(**parts) == sentence


@pytest.mark.parametrize(
    "parts, sentence",
    [
        ({"heldout": {"blood": {"arms": {}}}}, "heldout.blood: key 'cells' is missing; add it"),
        ({"heldout": {"blood": {**PANELS, "arms": {"m": {}}}}}, "heldout.blood.arms.m: key 'model' is missing; add it"),
        (
            of_arm(correspondence={"without": ["CD3"]}),
            "heldout.blood.arms.mine.correspondence: key 'name' is missing; add it",
        ),
    ],
)
def test_a_missing_key_is_named_with_its_path(parts, sentence):
    assert message(**parts) == sentence


def test_a_missing_title_is_named():
    with pytest.raises(InputError, match=r"^key 'title' is missing; add it$"):
        parse({"name": "demo"})


@pytest.mark.parametrize(
    "parts, sentence",
    [
        (
            {"training": {"steps": "many"}},
            "training.steps: input should be a valid integer, unable to parse string as an integer, not 'many'",
        ),
        ({"training": {"batch_size": 1}}, "training.batch_size: input should be greater than or equal to 2, not 1"),
        ({"training": {"betas": [0.5, 3.0]}}, "training.betas.1: input should be less than 1, not 3.0"),
        (
            of_arm(scale="poled"),
            "heldout.blood.arms.mine.scale: input should be 'auto', 'pooled', 'each', 'whole', 'ranks', 'monotone' or "
            "'none', not 'poled'",
        ),
        ({"heldout": {"blood": {**PANELS, "where": {"donor": 3}}}},
         "heldout.blood.where.donor: input should be a valid string, not 3"),
        (
            {"own_data": {"mine": {"files": [{"path": "a.fcs"}], "cofactor": -5}}},
            "own_data.mine.cofactor: input should be greater than 0, not -5",
        ),
        ({"name": "a b"}, "name: give a name for a folder, of letters, digits, '_', '-' and, inside, '.', not 'a b'"),
        ({"heldout": ["blood"]}, "heldout: input should be a valid dictionary, not ['blood']"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_is_named_with_its_path_and_itself(parts, sentence):
    assert message(**parts) == sentence


def test_seeds_are_a_count_or_a_list():
    assert study(seeds=4).seeds == (0, 1, 2, 3)
    assert study(seeds=[5, 3]).seeds == (5, 3)


@pytest.mark.parametrize("seeds", [0, -2, [], [1, 2, 1], True, "three", 2.5, None])
def test_seeds_that_are_neither_are_refused_with_what_they_should_be(seeds):
    assert message(seeds=seeds) == f"seeds: give a positive count or a list of distinct numbers, not {seeds!r}"


def test_a_seed_is_a_number_of_at_least_zero():
    assert message(seeds=[1, -1]) == "seeds.1: input should be greater than or equal to 0, not -1"


def test_a_task_may_have_seeds_of_its_own():
    some = study(seeds=2, heldout={"a": PANELS, "b": {**PANELS, "seeds": 5}})
    assert some.seeds_of(some.find("heldout", "a")) == (0, 1)
    assert some.seeds_of(some.find("heldout", "b")) == (0, 1, 2, 3, 4)


def test_training_is_merged_setting_by_setting_from_study_task_and_arm():
    arms = {"plain": {"model": "magan"}, "longer": {"model": "magan", "training": {"steps": 50, "betas": [0.1, 0.2]}}}
    some = study(
        training={"steps": 10, "batch_size": 20, "learning_rate": 0.1},
        heldout={"a": {**PANELS, "deploy": "plain", "training": {"batch_size": 30, "betas": [0.5, 0.9]}, "arms": arms}},
    )
    task = some.find("heldout", "a")
    assert some.training_of(task, task.arms["plain"]) == Training(
        steps=10, batch_size=30, learning_rate=0.1, betas=(0.5, 0.9)
    )
    assert some.training_of(task, task.arms["longer"]) == Training(
        steps=50, batch_size=30, learning_rate=0.1, betas=(0.1, 0.2)
    )


def test_a_setting_said_with_its_default_value_still_wins():
    some = study(
        training={"steps": 10},
        heldout={"a": {**PANELS, "arms": {"m": {"model": "magan", "training": {"steps": Training().steps}}}}},
    )
    task = some.find("heldout", "a")
    assert some.training_of(task, task.arms["m"]).steps == Training().steps


def test_tasks_are_listed_by_kind_and_data_set():
    some = study(
        digits={"d": {"images": "mnist", "classes": ["3", "7"], "arms": {}}},
        heldout={"a": PANELS, "b": PANELS},
        batch={"a": {"cells": "levine", "reference": "1", "arms": {}}},
    )
    listed = list(some.tasks())
    assert [(task, dataset) for task, dataset, _ in listed] == [
        ("heldout", "a"), ("heldout", "b"), ("batch", "a"), ("digits", "d"),
    ]  # fmt: skip
    assert all(some.find(task, dataset) is settings for task, dataset, settings in listed)
    assert [settings.data() for _, _, settings in listed] == [
        ("bodenmiller",),
        ("bodenmiller",),
        ("levine",),
        ("mnist",),
    ]


@pytest.mark.parametrize(
    "written, meant",
    [
        ("pairs", Correspondence(name="pairs")),
        ({"name": "pairs"}, Correspondence(name="pairs")),
        ({"name": "pairs", "per_label": 2}, Correspondence(name="pairs", options={"per_label": 2})),
        ({"name": "pairs", "options": {"per_label": 2}}, Correspondence(name="pairs", options={"per_label": 2})),
    ],
)
def test_a_correspondence_is_a_name_or_a_name_with_options(written, meant):
    assert Arm(model="magan", correspondence=written).correspondence == meant


def test_an_arm_without_correspondence_has_none():
    assert Arm(model="magan").correspondence == Correspondence(name="none")


MODELS = [m for _, m in inspect.getmembers(config, inspect.isclass) if issubclass(m, config.Strict)]
MODELS.remove(config.SheetRow)  # a sheet may have columns of its own


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_no_part_of_a_study_takes_a_key_it_does_not_know(model):
    with pytest.raises(ValidationError) as error:
        model.model_validate({"not a key": 1})
    assert "extra_forbidden" in {e["type"] for e in error.value.errors()}


def test_a_study_cannot_be_changed():
    some = study(heldout={"a": PANELS})
    for part, key in ((some, "name"), (some.find("heldout", "a"), "cells"), (some.training, "steps")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, key, "other")


def test_settings_survive_the_way_to_a_job_and_back():
    """The workflow hands settings to jobs as JSON."""
    some = study(**of_arm(correspondence={"name": "pairs", "per_label": 2}, training={"betas": [0.1, 0.2]}))
    arm = some.find("heldout", "blood").arms["mine"]
    assert Arm.model_validate(arm.model_dump(mode="json")) == arm
    assert parse(some.model_dump(mode="json")) == some


def test_a_study_is_read_from_yaml(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("name: demo\ntitle: A demo\nseeds: 2\n")
    assert load(path) == study(seeds=2)


def test_files_that_hold_no_study_are_refused_with_the_reason(tmp_path):
    path = tmp_path / "study.yaml"
    with pytest.raises(InputError) as error:
        load(path)
    assert str(error.value) == f"{path}: there is no such study; see config/ for examples"
    path.write_text("- one\n- two\n")
    with pytest.raises(InputError) as error:
        load(path)
    assert str(error.value) == "a study is keys with values, not ['one', 'two']; see config/ for examples"
    path.write_text("name: [unclosed\n")
    with pytest.raises(
        InputError, match=r"^\S+study.yaml: not YAML, while parsing .*line 2, column 1.*; correct the file$"
    ):
        load(path)


def test_own_data_are_listed_or_in_a_sheet():
    own = study(own_data={"mine": {"sheet": "samples.tsv", "aliases": {"B": {"Cd4": "CD4"}}, "cofactor": {"B": None}}})
    assert own.own_data["mine"].sheet == "samples.tsv" and not own.own_data["mine"].files
    for wrong in ({}, {"files": []}, {"sheet": "a.tsv", "files": [{"path": "a.fcs"}]}):
        assert "own_data.mine: give one of files and sheet" in message(own_data={"mine": wrong})


def test_panels_are_audited_in_every_order_under_names_that_can_be_folders():
    arms = {"m": {"model": "magan", "training": {"steps": 7}}}
    panels = {"cells": "x", "by": "kit", "panels": ["T cells", "B"], "arms": arms, "seeds": 3, "test_fraction": 0.4}
    whole = study(panels={"mine": panels}, training={"steps": 9, "batch_size": 5})
    tasks = {dataset: settings for task, dataset, settings in whole.tasks() if task == "heldout"}
    assert list(tasks) == ["mine_T-cells_B", "mine_B_T-cells"]
    audit = tasks["mine_B_T-cells"]
    assert (audit.panel_1, audit.panel_2) == ({"kit": "B"}, {"kit": "T cells"})
    assert audit.test_fraction == 0.4 and whole.seeds_of(audit) == (0, 1, 2)
    assert whole.training_of(audit, audit.arms["m"]).model_dump(exclude_unset=True) == {"steps": 7, "batch_size": 5}
    assert whole.find("heldout", "mine_T-cells_B") == tasks["mine_T-cells_B"]
    assert message(panels={"mine": {**panels, "panels": ["A"]}}).startswith("panels.mine.panels: tuple should have at")


def test_a_misspelt_key_of_panels_is_named():
    panels = {"cells": "x", "panels": ["A", "B"], "arms": {}, "holdout": []}
    assert message(panels={"mine": panels}) == "panels.mine: unknown key 'holdout' (did you mean 'hold_out'?)"


def test_control_samples_may_be_named_as_yaml_writes_them():
    settings = {"cells": "x", "reference": "a", "arms": {}, "train": {"is_control": True}}
    study = parse({"name": "n", "title": "t", "batch": {"x": settings}})
    assert study.section("batch")["x"].train == {"is_control": "True"}


def test_a_translation_has_told_pairs_or_nothing_but_pairs():
    task = {"images_1": "a", "images_2": "b", "arms": {}}
    assert message(translation={"emoji": {**task, "paired": True, "n_pairs": 3}}).startswith(
        "translation.emoji: paired: true makes a pair of every training image; leave n_pairs out"
    )
    assert study(translation={"emoji": {**task, "classes": [3, 7]}}).find("translation", "emoji").classes == ("3", "7")


def test_own_images_are_squares_or_as_they_are():
    assert message(own_images={"pets": {"path": "a", "crop": "center"}}).startswith(
        "own_images.pets.crop: input should be 'centre' or 'none'"
    )
    assert message(own_images={"pets": {"path": "a", "szie": 3}}) == (
        "own_images.pets: unknown key 'szie' (did you mean 'size'?)"
    )


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({}, "heldout.a: there are 2 arms; add deploy: with the name of the arm to be judged and used"),
        (
            {"deploy": "third"},
            "heldout.a: deploy names 'third', which is no arm and no baseline that can be saved; "
            "name one of first, second",
        ),
    ],
)
def test_of_several_arms_the_study_names_the_arm_that_is_deployed(changed, sentence):
    arms = {"first": {"model": "magan"}, "second": {"model": "magan"}}
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        study(heldout={"a": {**PANELS, "arms": arms, **changed}})
    assert study(heldout={"a": {**PANELS, "arms": arms, "deploy": "second"}}).find("heldout", "a").deployed == "second"
    assert study(heldout={"a": {**PANELS, "arms": {"only": arms["first"]}}}).find("heldout", "a").deployed == "only"
