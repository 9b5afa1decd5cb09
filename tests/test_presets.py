"""A preset is an arm with a name; what the published method is, in numbers computed independently."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from magan.aligner import Aligner
from magan.config import Arm, Correspondence, Training
from magan.config.options import check_options
from magan.correspondences import CORRESPONDENCES
from magan.domains.domain import Domain
from magan.errors import InputError
from magan.models import ALIGNING, GENERATING, MODELS
from magan.networks.replicate import Replicated
from magan.presets import MAPS, PRESETS, UNSIZED, resolve
from magan.recipe import Adam
from magan.stages.validate_study import validate_study
from magan.study import Study, load

STUDIES = sorted((Path(__file__).parents[1] / "config").glob("*.yaml"))
# Of the resolved settings of each version of a preset there ever was since this was first recorded. A line is added for
# a new version and never changed.
SETTINGS = {
    "batch_correction 1": "cb706aab4247",
    "panel_imputation 2": "8d69c7e91c98",
    "image_landmarks 1": "81b71f8d6cfd",
    "image_translation 1": "e2aff96ec244",
    "known_pairs 1": "b1d129694155",
    "magan_2018 1": "bfb6c089a287",
    "magan_2018_paper 1": "02a19f279b5d",
    "cyclegan_images 1": "21b113e58447",
    "travelgan_images 1": "fb03c66015ca",
}
PANELS = ("CD3", "CD4", "CD8", "CD19"), ("CD8", "CD56", "CD3", "CD4")  # three markers are shared
SEEDS = (0, 1)


def arm(written) -> Arm:
    return Arm.model_validate(written)


def published(name: str):
    """The recipe of a preset between two panels, its networks in double precision, and a minibatch."""
    chosen, draw = arm(name), torch.Generator().manual_seed(0)
    domains = [Domain(f"x{i}", torch.randn(9, 4, generator=draw), panel) for i, panel in enumerate(PANELS, 1)]
    tied = CORRESPONDENCES[chosen.correspondence.name](
        *([domain] * len(SEEDS) for domain in domains), SEEDS, **chosen.correspondence.options
    )
    recipe = ALIGNING[chosen.model]({"x1": (4,), "x2": (4,)}, correspondence=tied.loss, **chosen.options)
    networks = {role: Replicated(make, SEEDS).double() for role, make in recipe.networks.items()}
    batch = {k: torch.randn(len(SEEDS), 6, 4, generator=draw, dtype=torch.float64) for k in ("x1", "x2")}
    return recipe, networks, batch


@pytest.mark.parametrize("name", ["magan_2018", "magan_2018_paper"])
def test_the_published_correspondence_is_a_sum_over_the_shared_markers_at_weight_1(name):
    recipe, networks, batch = published(name)
    terms = recipe.phases[0].objective(networks, batch, {"step": torch.zeros(1)})
    x12, x21 = networks["generator_12"](batch["x1"]), networks["generator_21"](batch["x2"])
    for r in range(len(SEEDS)):
        total = 0.0
        for marker in ("CD3", "CD4", "CD8"):
            first, second = (panel.index(marker) for panel in PANELS)
            total += np.mean((batch["x1"][r, :, first] - x12[r, :, second]).detach().numpy() ** 2)
            total += np.mean((batch["x2"][r, :, second] - x21[r, :, first]).detach().numpy() ** 2)
        np.testing.assert_allclose(terms["correspondence"][r].item(), total)


@pytest.mark.parametrize("name", ["magan_2018", "magan_2018_paper"])
def test_the_published_networks_and_optimiser_are_the_authors(name):
    recipe, networks, _ = published(name)
    widths = {
        role: [tuple(w.shape[1:]) for key, w in network.state().items() if key.endswith("weight")]
        for role, network in networks.items()
    }
    generator = [(4, 200), (200, 100), (100, 50), (50, 4)]
    discriminator = [(4, 800), (800, 400), (400, 200), (200, 100), (100, 50), (50, 1)]
    assert widths == {
        "generator_12": generator,
        "generator_21": generator,
        "discriminator_1": discriminator,
        "discriminator_2": discriminator,
    }
    assert recipe.optimiser == Adam(learning_rate=1e-3, betas=(0.5, 0.99))
    training = arm(name).training
    assert (training.learning_rate, training.betas, training.batch_size) == (1e-3, (0.5, 0.99), 100)


def test_the_paper_and_the_code_differ_by_the_reconstructions_alone():
    code, paper = arm("magan_2018").model_dump(), arm("magan_2018_paper").model_dump()
    assert paper["options"].pop("reconstructions_are_real") is True and paper == code
    found = []
    for name in ("magan_2018", "magan_2018_paper"):
        recipe, networks, batch = published(name)
        found.append(set(recipe.phases[1].objective(networks, batch, {})))
    assert found[1] - found[0] == {"reconstructions"} and found[0] == {"discriminator_1", "discriminator_2"}


def test_nothing_else_is_called_as_published():
    assert {name for name, preset in PRESETS.items() if "as published" in preset.summary} == {
        "magan_2018",
        "magan_2018_paper",
    }
    for path in STUDIES:
        study = load(path)
        if "as published" in " ".join(path.read_text().split()):
            presets = {chosen.preset for _, _, settings in study.tasks() for chosen in settings.arms.values()}
            assert "magan_2018" in presets, path.name


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_an_arm_whose_options_its_model_has(name):
    chosen = arm(name)
    check_options(chosen.options, MODELS.source(chosen.model), name, ("shapes", "correspondence"))
    tied = chosen.correspondence
    check_options(tied.options, CORRESPONDENCES.source(tied.name), name, ("x1", "x2", "seeds"))
    assert PRESETS[name].version >= 1 and PRESETS[name].summary


def digest(settings) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


@pytest.mark.parametrize("name", PRESETS)
def test_a_version_of_a_preset_stands_for_the_same_settings_for_ever(name):
    version = f"{name} {PRESETS[name].version}"
    assert SETTINGS.get(version) == digest(resolve(name)), (
        f"{version} stands for other settings than were recorded, or for none: give the preset a new version and line"
    )


def test_every_size_stands_for_the_recorded_widths():
    models = ("magan", "travelgan", "ns_gan")
    found = {size: [arm({"model": model, "size": size}).options for model in models] for size in MAPS}
    assert digest(found) == "624bce3534c3", "a size is part of every preset and study that names it"


@pytest.mark.parametrize("size", MAPS)
@pytest.mark.parametrize("model", sorted(set(MODELS) - set(UNSIZED)))
def test_every_size_is_of_options_that_the_model_has(model, size):
    chosen = arm({"model": model, "size": size})
    assert chosen.options
    check_options(chosen.options, MODELS.source(model), model, ("shapes", "correspondence"))


def test_an_arm_is_the_name_of_a_preset_or_of_a_model():
    assert arm("cyclegan").model_dump() == arm({"model": "cyclegan"}).model_dump()
    assert arm("batch_correction").model_dump() == arm({"preset": "batch_correction"}).model_dump()
    assert not set(PRESETS) & set(MODELS)


def test_what_differs_is_merged_key_by_key():
    usual = arm("batch_correction")
    chosen = arm(
        {
            "preset": "batch_correction",
            "balance": False,
            "options": {"gradient_weight": 1.0},
            "training": {"steps": 7},
        }
    )
    assert chosen.options == {**usual.options, "gradient_weight": 1.0}
    assert chosen.training.model_dump(exclude_unset=True) == {"steps": 7, "batch_size": 100}
    assert (chosen.balance, chosen.scale, chosen.correspondence) == (False, usual.scale, usual.correspondence)


def test_null_takes_a_key_of_the_preset_away():
    chosen = arm({"preset": "image_landmarks", "training": None, "correspondence": {"landmarks": None, "per_label": 3}})
    assert chosen.training is None
    assert chosen.correspondence == Correspondence(name="pairs", options={"per_label": 3})


def test_another_correspondence_brings_none_of_the_presets_options():
    chosen = arm({"preset": "panel_imputation", "correspondence": "correlation"})
    assert chosen.correspondence == Correspondence(name="correlation", options={})
    chosen = arm({"preset": "panel_imputation", "correspondence": {"name": "shared_markers", "without": ["CD3"]}})
    assert chosen.correspondence.options == {"rebuild": 5.0, "without": ["CD3"]}


def test_a_size_replaces_the_presets_widths_and_options_overrule_it():
    assert arm({"preset": "batch_correction", "size": "medium"}).options == {
        "discriminator_hidden": [200, 100, 50],
        "residual": True,
        "gradient_weight": 10.0,
        "correspondence_weight": 30.0,
    }
    chosen = arm({"model": "magan", "size": "small", "options": {"generator_hidden": [5]}})
    assert chosen.options == {"generator_hidden": [5], "discriminator_hidden": [64, 64]}
    assert arm({"model": "magan", "size": "small", "options": {"architecture": "unet"}}).options["width"] == 8


def test_a_preset_is_not_changed_by_the_arms_made_of_it():
    before = arm("magan_2018").model_dump()
    chosen = resolve("magan_2018")
    chosen["options"]["generator_hidden"].append(7)
    chosen["correspondence"]["options"]["summed"] = False
    chosen["training"]["betas"].append(0.5)
    assert arm("magan_2018").model_dump() == before


@pytest.mark.parametrize("name", PRESETS)
def test_a_resolved_arm_says_all_and_is_read_back_the_same(name):
    written = arm({"preset": name, "size": "small", "balance": False}).model_dump(mode="json")
    assert not {"preset", "size"} & set(written)
    assert arm(written).model_dump(mode="json") == written


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ({"preset": "batch_corection"}, "preset 'batch_corection' is unknown (did you mean 'batch_correction'?)"),
        ({"model": "magan_2018"}, "model 'magan_2018' is a preset; write preset: magan_2018"),
        ({"model": "magan", "size": "smal"}, "size 'smal' is unknown (did you mean 'small'?)"),
        ({"model": "magan", "size": ["small"]}, "size '['small']' is unknown (did you mean 'small'?)"),
        (
            {"model": "vae", "size": "small"},
            "size 'small' is not for the model 'vae'; give its widths as options.hidden",
        ),
        ("batch_corection", "model 'batch_corection' is unknown (did you mean 'batch_correction'?)"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(written, sentence):
    study = {"name": "s", "title": "S", "batch": {"b": {"cells": "cytonorm", "reference": "1", "arms": {"m": written}}}}
    with pytest.raises(InputError) as refused:
        validate_study(study)
    assert str(refused.value) == f"batch.b.arms.m: {sentence}"


def test_a_size_may_be_given_to_a_model_of_samples():
    study = {"name": "s", "title": "S", "generation": {"g": {"images": "digits", "deploy": "plain", "arms": {}}}}
    study["generation"]["g"]["arms"] = {"narrow": {"model": "ns_gan", "size": "small"}, "plain": "vae"}
    assert validate_study(study).section("generation")["g"].arms["narrow"].options == {"width": 8}
    assert {"ns_gan", "vae"} <= set(GENERATING)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_no_study_repeats_options(path):
    """No anchor lies in options, and no two arms of a model on a data set give the same two options."""

    def aliased(node: yaml.Node, within: bool, seen: set[int]) -> bool:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                inside, again = within or key.value == "options", id(value) in seen
                if key.value == "<<" or (inside and again) or (not again and aliased(value, inside, seen)):
                    return True
                seen.add(id(value))
        return False

    assert not aliased(yaml.compose(path.read_text()), False, set())
    for section in yaml.safe_load(path.read_text()).values():
        for settings in section.values() if isinstance(section, dict) else ():
            written = settings.get("arms", {}) if isinstance(settings, dict) else {}
            arms = [value for value in written.values() if isinstance(value, dict)]
            given = [(chosen.get("model"), chosen.get("preset"), chosen.get("options", {})) for chosen in arms]
            long = [repr(words) for words in given if len(words[2]) > 1]
            assert len(set(long)) == len(long)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_schema_allows_what_the_shipped_studies_say(path):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(yaml.safe_load(path.read_text()), Study.model_json_schema())


@pytest.mark.parametrize(
    "written", [{"presett": "magan_2018"}, {"options": {}}, 7, {"model": "magan", "correspondence": 7}]
)
def test_the_schema_refuses_what_is_no_arm(written):
    jsonschema = pytest.importorskip("jsonschema")
    study = {"name": "s", "title": "S", "digits": {"d": {"images": "i", "classes": ["1", "2"], "arms": {"m": written}}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(study, Study.model_json_schema())


def test_an_aligner_of_a_preset_is_the_aligner_of_its_arm():
    changes = {"size": "medium", "options": {"gradient_weight": 1.0}, "training": {"steps": 7}}
    chosen = arm({"preset": "batch_correction", **changes})
    expected = Aligner.of_arm(chosen, chosen.training, (3, 4), "cpu")
    found = Aligner.from_preset("batch_correction", seeds=(3, 4), device="cpu", **changes)
    assert vars(found) == vars(expected)
    some = Aligner.from_preset("batch_correction", training=Training(steps=9)).training
    assert some.model_dump(exclude_unset=True) == {"steps": 9, "batch_size": 100}


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("panel_imputasion", {}, "arm: preset 'panel_imputasion' is unknown (did you mean 'panel_imputation'?)"),
        ("panel_imputation", {"siz": "small"}, "unknown key 'siz' (did you mean 'size'?)"),
        ("panel_imputation", {"training": {"step": 1}}, "training: unknown key 'step' (did you mean 'steps'?)"),
    ],
)
def test_an_aligner_of_no_preset_is_refused_in_a_sentence(name, changes, sentence):
    with pytest.raises(InputError) as refused:
        Aligner.from_preset(name, **changes)
    assert str(refused.value) == sentence


def test_what_is_no_arm_is_left_to_the_check_of_arms():
    assert resolve(7) == 7 and resolve({"model": "magan", "size": "small", "options": 7})["options"] == 7


def test_presets_are_read_without_torch():
    code = "import sys, magan.config, magan.presets; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
