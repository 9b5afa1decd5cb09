"""A study with a wrong name in it is refused before anything runs, with the nearest known name."""

import copy
from pathlib import Path

import pytest
import yaml

from magan.errors import InputError
from magan.stages.validate_study import validate_study

SMOKE = yaml.safe_load((Path(__file__).parents[1] / "workflow" / "smoke.yaml").read_text())


def changed(path: str, value: object) -> dict:
    study = copy.deepcopy(SMOKE)
    *parents, key = path.split(".")
    place = study
    for part in parents:
        place = place.setdefault(part, {})
    place[key] = value
    return study


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (
            "heldout.cytonorm.cells",
            "citonorm",
            "heldout.cytonorm: data set 'citonorm' is unknown (did you mean 'cytonorm'?)",
        ),
        (
            "digits.digits.arms.cyclegan.model",
            "cycelgan",
            "digits.digits.arms.cyclegan: model 'cycelgan' is unknown (did you mean 'cyclegan'?)",
        ),
        (
            "digits.digits.arms.cyclegan.options",
            {"cycel_weight": 1},
            "digits.digits.arms.cyclegan.options: unknown option 'cycel_weight' (did you mean 'cycle_weight'?)",
        ),
        (
            "digits.digits.arms.cyclegan.correspondence",
            "pair",
            "digits.digits.arms.cyclegan: correspondence 'pair' is unknown (did you mean 'pairs'?)",
        ),
        (
            "digits.digits.arms.discogan.correspondence.per_lable",
            2,
            "digits.digits.arms.discogan.correspondence: unknown option 'per_lable' (did you mean 'per_label'?)",
        ),
        (
            "batch.cytonorm.baselines",
            ["quantil"],
            "batch.cytonorm.baselines: baseline 'quantil' is unknown (did you mean 'quantile'?)",
        ),
        (
            "heldout.cytonorm.arms.knn",
            {"model": "magan"},
            "heldout.cytonorm.arms.knn: an arm may not be called like a baseline; rename it",
        ),
        (
            "batch.cytonorm.arms.travelgan.trainign",
            {},
            "batch.cytonorm.arms.travelgan: unknown key 'trainign' (did you mean 'training'?)",
        ),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(path, value, sentence):
    with pytest.raises(InputError) as refused:
        validate_study(changed(path, value))
    assert str(refused.value) == sentence


def test_the_same_study_without_a_mistake_is_accepted():
    assert validate_study(SMOKE).name == "smoke"


def matching(**parts) -> dict:
    arms = {"magan": {"model": "magan", "correspondence": "pairs"}}
    task = {"cells_1": "snare_rna", "cells_2": "snare_atac", "arms": arms, "baselines": ["gromov"], **parts}
    return {"name": "pairs", "title": "Pairs", "matching": {"snare": task}}


def test_sets_without_a_common_marker_take_what_needs_none():
    assert [data for _, _, settings in validate_study(matching()).tasks() for data in settings.data()] == [
        "snare_rna",
        "snare_atac",
    ]


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"cells_2": "snare_atak"}, "matching.snare: data set 'snare_atak' is unknown (did you mean 'snare_atac'?)"),
        (
            {"baselines": ["ridge"]},
            "matching.snare.baselines: 'ridge' needs shared markers, which this task does not have; use pair_",
        ),
        (
            {"arms": {"magan": {"model": "magan", "correspondence": "shared_markers"}}},
            "matching.snare.arms.magan: correspondence 'shared_markers' needs shared markers, which this task ",
        ),
    ],
)
def test_what_needs_a_common_marker_is_refused_before_anything_runs(parts, sentence):
    with pytest.raises(InputError) as refused:
        validate_study(matching(**parts))
    assert str(refused.value).startswith(sentence)


PANELS = {"cells": "huimm_panels", "panels": ["A", "B"], "arms": {"mine": {"model": "magan", "calibrate": 0.2}}}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"arms": {}}, "panels.two.arms: there is none; give the arm that merges the panels"),
        (
            {"arms": {"mine": {"model": "magan"}}},
            "panels.two.arms.mine: calibrate is 0; set it, e.g. 0.2, for this arm merges the panels and "
            "needs a calibration split to judge what may be trusted",
        ),
        ({"panels": ["T 1", "T-1"]}, "panels.two.panels: T 1, T-1 do not have distinct names; rename one"),
        (
            {"arms": {"mine": {"model": "mgan", "calibrate": 0.2}}},
            "heldout.two_A_B.arms.mine: model 'mgan' is unknown (did you mean 'magan'?)",
        ),
    ],
)
def test_panels_that_cannot_be_merged_are_refused(settings, sentence):
    with pytest.raises(InputError) as refused:
        validate_study(changed("panels", {"two": {**PANELS, **settings}}))
    assert str(refused.value) == sentence


def test_panels_are_merged_with_all_of_their_cells():
    values = changed("panels", {"two": {**PANELS, "cells": "mine"}})
    values["own_data"] = {name: {"files": [{"path": "a.csv"}]} for name in ("mine", "second")}
    study = validate_study(values)
    assert [study.own(name).cells_per_file for name in ("mine", "second")] == ["all", "auto"]
    values["own_data"]["mine"]["cells_per_file"] = 500
    with pytest.raises(InputError, match=r"own_data\.mine\.cells_per_file: 500 cells of each file cannot be merged"):
        validate_study(values)


def test_an_audit_may_not_be_called_like_another_task():
    study = changed("panels", {"cyto": {**PANELS, "panels": ["norm", "B"]}})
    study["heldout"]["cyto_norm_B"] = study["heldout"]["cytonorm"]
    with pytest.raises(
        InputError, match=r"^heldout.cyto_norm_B: panels to be merged have an audit of this name; rename"
    ):
        validate_study(study)


def test_panels_bring_their_audits_along():
    study = validate_study(changed("panels", {"two": PANELS}))
    names = [dataset for task, dataset, _ in study.tasks() if task == "heldout"]
    assert names == ["cytonorm", "two_A_B", "two_B_A"]
    audit = study.find("heldout", "two_B_A")
    assert (audit.panel_1, audit.panel_2) == ({"panel": "B"}, {"panel": "A"})
    assert audit.baselines == ("ridge", "knn", "boosting") and list(audit.arms) == ["mine"]


PAIRS = {"mine": {"model": "magan", "correspondence": "pairs"}}
EMOJI = {"images_1": "emoji_noto", "images_2": "emoji_fx", "arms": {"mine": {"model": "cyclegan"}}}


@pytest.mark.parametrize("told", [{"n_pairs": 5}, {"paired": True}])
def test_a_translation_with_told_pairs_may_use_them(told):
    study = validate_study(
        changed("translation", {"emoji": {**EMOJI, **told, "arms": PAIRS, "baselines": ["identity"]}})
    )
    assert [settings.data() for task, _, settings in study.tasks() if task == "translation"] == [
        ("emoji_noto", "emoji_fx")
    ]


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (
            "translation.emoji",
            {**EMOJI, "arms": PAIRS},
            "translation.emoji.arms.mine: correspondence 'pairs' needs pairs, and none is known; set n_pairs",
        ),
        (
            "translation.emoji",
            {**EMOJI, "arms": {"mine": {"model": "magan", "correspondence": "shared_markers"}}},
            "translation.emoji.arms.mine: correspondence 'shared_markers' needs shared markers, "
            "which this task does not have; use none, labels, transformation, feature",
        ),
        (
            "translation.emoji",
            {**EMOJI, "baselines": ["quantile"]},
            "translation.emoji.baselines: 'quantile' needs shared markers, which this task does not have; use identity",
        ),
        (
            "translation.emoji",
            {**EMOJI, "baselines": ["identity", "pair_ridge"]},
            "translation.emoji.baselines: 'pair_ridge' needs pairs, and none is known; set n_pairs",
        ),
        (
            "translation.emoji",
            {**EMOJI, "images_2": "emoji_fix"},
            "translation.emoji: data set 'emoji_fix' is unknown (did you mean 'emoji_fx'?)",
        ),
        (
            "translation.emoji",
            {**EMOJI, "images_2": "wishbone"},
            "translation.emoji: data set 'wishbone' holds cells, and this task is of images; name another",
        ),
        (
            "heldout.cytonorm.cells",
            "mnist",
            "heldout.cytonorm: data set 'mnist' holds images, and this task is of cells; name another",
        ),
        (
            "digits.digits.n_pairs",
            0,
            "digits.digits.arms.discogan: correspondence 'pairs' needs pairs, and none is known; set n_pairs",
        ),
    ],
)
def test_what_images_do_not_have_is_refused_before_anything_runs(path, value, sentence):
    with pytest.raises(InputError) as refused:
        validate_study(changed(path, value))
    assert str(refused.value) == sentence


def test_own_images_are_images_and_have_a_name_of_their_own():
    own = {"own_images": {"pets": {"path": "pets"}}}
    study = validate_study(changed("translation", {"pets": {**EMOJI, "images_1": "pets"}}) | own)
    assert study.own("pets").path == "pets" and study.own("emoji_fx") is None
    with pytest.raises(InputError, match=r"^heldout.cytonorm: data set 'pets' holds images, and this task is of cells"):
        validate_study(changed("heldout.cytonorm.cells", "pets") | own)
    table = {"own_data": {"pets": {"files": [{"path": "a.fcs"}]}}}
    with pytest.raises(InputError, match=r"^own_images.pets: own_data has a data set of this name; rename one$"):
        validate_study(SMOKE | own | table)


DRAWN = {"images": "digits", "arms": {"mine": {"model": "gan", "techniques": {"label_smoothing": {}}}}}


def test_models_that_make_samples_are_planned_with_their_techniques():
    study = validate_study(changed("generation", {"drawn": DRAWN}))
    assert study.find("generation", "drawn").arms["mine"].techniques == {"label_smoothing": {}}
    assert [settings.data() for task, _, settings in study.tasks() if task == "generation"] == [("digits",)]


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"images": "wishbone"}, "generation.drawn: data set 'wishbone' holds cells, and this task is of images; name"),
        ({"arms": {"mine": {"model": "magan"}}}, "generation.drawn.arms.mine: model 'magan' is unknown"),
        (
            {"arms": {"mine": {"model": "gan", "options": {"widht": 4}}}},
            "generation.drawn.arms.mine.options: unknown option 'widht' (did you mean 'width'?)",
        ),
        (
            {"arms": {"mine": {"model": "gan", "techniques": {"label_smothing": {}}}}},
            "generation.drawn.arms.mine.techniques: technique 'label_smothing' is unknown (did you mean 'label_smooth",
        ),
        (
            {"arms": {"mine": {"model": "gan", "techniques": {"label_smoothing": {"recipe": 1}}}}},
            "generation.drawn.arms.mine.techniques.label_smoothing: unknown option 'recipe'",
        ),
        (
            {"arms": {"mine": {"model": "gan", "scale": "ranks"}}},
            "generation.drawn.arms.mine: 'scale' is for maps; leave it out",
        ),
        ({"baselines": ["identity"]}, "generation.drawn.baselines: 'identity' maps and makes no samples; leave it out"),
    ],
)
def test_what_no_model_that_makes_samples_has_is_refused(parts, sentence):
    with pytest.raises(InputError) as refused:
        validate_study(changed("generation", {"drawn": DRAWN | parts}))
    assert str(refused.value).startswith(sentence)


def test_a_model_that_makes_samples_maps_nothing():
    with pytest.raises(InputError, match=r"^digits.digits.arms.cyclegan: model 'wgan' is unknown"):
        validate_study(changed("digits.digits.arms.cyclegan.model", "wgan"))
