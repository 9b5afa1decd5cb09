"""Models that make samples: a target for each, as a person asks for it."""

from pathlib import Path

import anndata
import pytest
import yaml
from running import dry_run, quick_run

from magan.stages.atomic_files import read_metrics
from magan.synthesizer import Synthesizer

STUDY = {
    "name": "tiny",
    "title": "Tiny",
    "seeds": 2,
    "training": {"steps": 20, "batch_size": 16},
    "generation": {
        "digits": {
            "images": "digits",
            "classes": [3, 7],
            "n_train": 200,
            "n_test": 40,
            "deploy": "plain",
            "arms": {
                "plain": {"model": "gan", "options": {"width": 2}},
                "told": {"model": "cgan", "options": {"width": 2}},
            },
        }
    },
}


def written(folder: Path, study: dict = STUDY) -> Path:
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study))
    return path


@pytest.fixture(scope="session")
def one(tmp_path_factory) -> Path:
    """A study of which one arm was asked for."""
    folder = tmp_path_factory.mktemp("zoo")
    made = quick_run(folder, "told", study=written(folder))
    assert made.returncode == 0, made.stderr
    return folder / "results/tiny/generation/digits"


def test_asking_for_an_arm_trains_and_scores_it_and_no_other(one):
    assert (one / "told/model.safetensors").stat().st_size and not (one / "plain").exists()
    scores = read_metrics(one / "told/metrics.tsv")
    assert {"0", "1"} <= set(scores["seed"]) and set(scores["arm"]) - {"floor"} == {"told"}
    assert len(set(scores["metric"])) > 5


def test_a_sample_is_made_for_each_test_image_and_the_model_can_make_more(one):
    made, asked = anndata.read_h5ad(one / "told/mapped.h5ad"), anndata.read_h5ad(one / "query/images.h5ad")
    assert list(made.obs_names) == list(asked.obs_names) and list(made.layers) == ["seed_0", "seed_1"]
    again = Synthesizer.load(one / "told/model.safetensors", device="cpu").sample(asked)
    assert abs(again.layers["seed_1"] - made.layers["seed_1"]).max() < 1e-6


def test_all_of_them_can_be_asked_for_at_once(tmp_path):
    planned = dry_run(tmp_path, "zoo", study=written(tmp_path))
    assert planned.returncode == 0, planned.stderr
    assert planned.stdout.count("rule train:") == 2


def test_an_arm_may_not_be_called_like_a_rule(tmp_path):
    arms = {"report": {"model": "gan"}}
    study = STUDY | {"generation": {"digits": STUDY["generation"]["digits"] | {"deploy": "report", "arms": arms}}}
    refused = dry_run(tmp_path, study=written(tmp_path, study))
    assert refused.returncode != 0
    sentence = "the study cannot run: arm 'report' is called like a rule of the workflow; rename it"
    assert sentence in refused.stderr + refused.stdout
