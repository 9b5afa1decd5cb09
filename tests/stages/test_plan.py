"""A study with a wrong name in it is refused before anything runs, with the nearest known name."""

import copy
from pathlib import Path

import pytest
import yaml

from magan.config import data_of
from magan.errors import InputError
from magan.stages import plan

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
        plan(changed(path, value))
    assert str(refused.value) == sentence


def test_the_same_study_without_a_mistake_is_accepted():
    assert plan(SMOKE).name == "smoke"


def matching(**parts) -> dict:
    arms = {"magan": {"model": "magan", "correspondence": "pairs"}}
    task = {"cells_1": "snare_rna", "cells_2": "snare_atac", "arms": arms, "baselines": ["gromov"], **parts}
    return {"name": "pairs", "title": "Pairs", "matching": {"snare": task}}


def test_sets_without_a_common_marker_take_what_needs_none():
    assert [data for _, _, settings in plan(matching()).tasks() for data in data_of(settings)] == [
        "snare_rna",
        "snare_atac",
    ]


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"cells_2": "snare_atak"}, "matching.snare: data set 'snare_atak' is unknown (did you mean 'snare_atac'?)"),
        ({"baselines": ["ridge"]}, "matching.snare.baselines: 'ridge' needs markers that both sets measure; use pair"),
        (
            {"arms": {"magan": {"model": "magan", "correspondence": "shared_markers"}}},
            "matching.snare.arms.magan: correspondence 'shared_markers' needs what the two sets do not share; use",
        ),
    ],
)
def test_what_needs_a_common_marker_is_refused_before_anything_runs(parts, sentence):
    with pytest.raises(InputError) as refused:
        plan(matching(**parts))
    assert str(refused.value).startswith(sentence)


PANELS = {"cells": "huimm_panels", "panels": ["A", "B"], "arms": {"mine": {"model": "magan", "calibrate": 0.2}}}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"arms": {}}, "panels.two.arms: there is none; give at least one, the first merges the panels"),
        (
            {"arms": {"mine": {"model": "magan"}}},
            "panels.two.arms.mine: calibrate is 0; set it, e.g. 0.2, for the first arm merges the panels and "
            "needs cells kept apart to tell what may be trusted",
        ),
        ({"panels": ["T 1", "T-1"]}, "panels.two.panels: T 1, T-1 do not have names of their own; rename one"),
        (
            {"arms": {"mine": {"model": "mgan", "calibrate": 0.2}}},
            "heldout.two_A_B.arms.mine: model 'mgan' is unknown (did you mean 'magan'?)",
        ),
    ],
)
def test_panels_that_cannot_be_merged_are_refused(settings, sentence):
    with pytest.raises(InputError) as refused:
        plan(changed("panels", {"two": {**PANELS, **settings}}))
    assert str(refused.value) == sentence


def test_an_audit_may_not_be_called_like_another_task():
    study = changed("panels", {"cyto": {**PANELS, "panels": ["norm", "B"]}})
    study["heldout"]["cyto_norm_B"] = study["heldout"]["cytonorm"]
    with pytest.raises(
        InputError, match=r"^heldout.cyto_norm_B: panels to be merged have an audit of this name; rename"
    ):
        plan(study)


def test_panels_bring_their_audits_along():
    study = plan(changed("panels", {"two": PANELS}))
    names = [dataset for task, dataset, _ in study.tasks() if task == "heldout"]
    assert names == ["cytonorm", "two_A_B", "two_B_A"]
    audit = study.find("heldout", "two_B_A")
    assert (audit.panel_1, audit.panel_2) == ({"panel": "B"}, {"panel": "A"})
    assert audit.baselines == ("ridge", "knn", "boosting") and list(audit.arms) == ["mine"]
