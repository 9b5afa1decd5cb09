"""Options are held to the signature of what they are for: names, types and ranges, with nothing converted."""

import inspect
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from magan import option_types
from magan.config.options import check_options, options_model
from magan.config.signatures import parameters
from magan.correspondences import CORRESPONDENCES
from magan.errors import InputError
from magan.lectures import LECTURES
from magan.losses.adversarial import ADVERSARIAL
from magan.losses.f_divergence import DIVERGENCES
from magan.losses.pictures import FEATURES
from magan.models import MODELS
from magan.networks import architectures, gan_networks
from magan.registry import Entry
from magan.techniques import TECHNIQUES

ROOT = Path(__file__).parents[2]
OF_MODELS = ("shapes", "correspondence")
SOURCES = [(entry.source, OF_MODELS) for entry in MODELS.entries.values()]
SOURCES += [(entry.source, ("recipe",)) for entry in TECHNIQUES.entries.values()]
SOURCES += [(entry.source, ("x1", "x2", "seeds")) for entry in CORRESPONDENCES.entries.values()]
SOURCES += [(lecture.source, ("seeds", "images")) for lecture in LECTURES.values()]


def refusal(given: dict, model: str = "magan") -> str:
    with pytest.raises(InputError) as refused:
        check_options(given, MODELS.source(model), "here.options", OF_MODELS)
    return str(refused.value)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"residual": "yes please"}, "residual: input should be a valid boolean, not 'yes please'"),
        ({"residual": 1}, "residual: input should be a valid boolean, not 1"),
        ({"residual": "true"}, "residual: input should be a valid boolean, not 'true'"),
        ({"width": -3}, "width: input should be greater than 0, not -3"),
        ({"width": True}, "width: input should be a valid integer, not True"),
        ({"width": 8.0}, "width: input should be a valid integer, not 8.0"),
        ({"depth": 0}, "depth: input should be greater than 0, not 0"),
        ({"generator_hidden": 7}, "generator_hidden: input should be a list, not 7"),
        ({"generator_hidden": "64"}, "generator_hidden: input should be a list, not '64'"),
        ({"generator_hidden": [64, 0]}, "generator_hidden.1: input should be greater than 0, not 0"),
        ({"cycle_weight": -1}, "cycle_weight: input should be greater than or equal to 0, not -1"),
        ({"cycle_weight": True}, "cycle_weight: input should be a valid number, not True"),
        ({"cycle_weight": float("inf")}, "cycle_weight: input should be a finite number, not inf"),
        ({"cycle_weight": "1e-3"}, "cycle_weight: input should be a valid number, not '1e-3'; write 0.001"),
        ({"width": 8, "residul": True}, "unknown option 'residul' (did you mean 'residual'?)"),
    ],
)
def test_a_wrong_option_is_refused_with_its_path_its_value_and_the_remedy(given, sentence):
    place = "here.options: " if sentence.startswith("unknown") else "here.options."
    assert refusal(given) == place + sentence


def test_a_name_that_is_no_choice_is_refused_with_the_choices():
    assert refusal({"optimiser": "sgd"}, "wgan") == (
        "here.options.optimiser: input should be 'rmsprop' or 'adam', not 'sgd'"
    )


def test_a_share_lies_between_none_and_all():
    assert refusal({"reconstruction_rates": [0.1, 1.5]}, "discogan").endswith(
        "reconstruction_rates.1: input should be less than or equal to 1, not 1.5"
    )


@pytest.mark.parametrize(
    ("model", "given"),
    [
        ("magan", {"cycle_weight": 1, "depth": None, "generator_hidden": [64, 64], "residual": True}),
        ("magan", {"generator_hidden": []}),  # a linear map
        ("discogan", {"reconstruction_rates": [0, 1]}),  # YAML has no tuples
        ("ns_gan", {"adversarial": "wasserstein"}),  # a builder with some arguments given
    ],
)
def test_right_options_are_accepted(model, given):
    check_options(given, MODELS.source(model), "here.options", OF_MODELS)


@pytest.mark.parametrize(("source", "hidden"), SOURCES)
def test_every_option_of_every_builder_has_a_type_that_its_default_passes(source, hidden):
    builder = Entry(source).load()
    options = {name: p for name, p in inspect.signature(builder).parameters.items() if name not in hidden}
    assert list(options_model(source, hidden).model_fields) == list(options)
    hints = get_type_hints(builder, include_extras=True)
    for name, option in options.items():
        assert parameters(source)[name] == (hints[name], option.default is option.empty), name
        check_options({name: option.default}, source, "here", hidden)
        with pytest.raises(InputError):
            check_options({name: object()}, source, "here", hidden)


def test_a_study_is_checked_without_torch_or_anndata():
    code = "import sys, magan.stages.validate_study, magan.stages.sources\n"
    code += "study = {'name': 's', 'title': 'S', 'batch': {'b': {'cells': 'cytonorm', 'reference': 'x'}}}\n"
    code += "arms = {'magan': {'model': 'magan', 'options': {'width': 8}}}\n"
    code += "study['heldout'] = {'h': {'cells': 'cytonorm', 'arms': arms}}\n"
    code += "magan.stages.validate_study.validate_study(study)\n"
    code += "print([name for name in ('torch', 'anndata', 'pandas', 'sklearn', 'scipy') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert found.stdout.strip() == "[]", found.stderr


def test_the_choices_of_a_type_are_the_keys_of_its_registry():
    assert set(get_args(option_types.GameName)) == set(ADVERSARIAL)
    assert set(get_args(option_types.DivergenceName)) == set(DIVERGENCES)
    assert set(get_args(option_types.FeatureName)) == set(FEATURES)
    assert set(get_args(option_types.ArchitectureName)) == set(architectures.ARCHITECTURES)
    assert set(get_args(option_types.SampleArchitectureName)) == set(gan_networks.ARCHITECTURES)
