"""A model that makes samples, from files to files: interrupted, watched, broken."""

import re
from pathlib import Path
from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys, tracking
from magan.models import GENERATING
from magan.stages import job as module
from magan.stages.train import train
from magan.training import fit, resume


def images(n: int, seed: int) -> AnnData:
    pixels = np.random.default_rng(seed).random((n, 16)).astype(np.float32)
    obs = pd.DataFrame({keys.CELL_TYPE: ["3", "7"] * (n // 2)}, index=[f"{seed}_{i}" for i in range(n)])
    return AnnData(pixels, obs=obs, uns={keys.IMAGE: {"shape": [1, 4, 4]}})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for file, n, seed in (("train/images/x1", 40, 0), ("query/images", 12, 1)):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        images(n, seed).write_h5ad(tmp_path / f"{file}.h5ad")
    return tmp_path


def job_in(folder: Path, place: str, task: str, arm: dict) -> module.TrainingJob:
    files = {part: str(folder / part) for part in ("train", "query")}
    names = {"model": "model.safetensors", "events": "events.jsonl", "mapped": "mapped.h5ad", "log": "log"}
    files |= {part: str(folder / place / name) for part, name in names.items()}
    params = {"arm": arm, "training": {"steps": 40, "batch_size": 8}, "seeds": [3, 5], "device": "cpu"}
    return module.job_of({"task": task, "dataset": "mine", "arm": "plain"}, params, files)


def run(folder: Path, place: str = "arm", **settings) -> AnnData:
    (folder / place).mkdir(exist_ok=True)
    arm = {"model": "gan", "options": {"width": 2}} | settings
    train(job_in(folder, place, "generation", arm))
    return anndata.read_h5ad(folder / place / "mapped.h5ad")


def test_samples_are_written_as_maps_are(folder):
    made = run(folder)
    assert list(made.layers) == ["seed_3", "seed_5"] and list(made.obs_names) == list(images(12, 1).obs_names)
    about = {key: made.uns[key] for key in (keys.TASK, keys.DATASET, keys.METHOD, keys.ARM, keys.ERROR)}
    assert about == {"task": "generation", "dataset": "mine", "method": "gan", "arm": "plain", "error": ""}
    assert made.uns[keys.SEEDS].tolist() == [3, 5] and not len(made.uns[keys.FAILED])


def test_what_a_model_was_told_is_written_beside_its_samples(folder):
    assert list(run(folder).uns[keys.GIVEN]) == []
    assert list(run(folder, "cgan", model="cgan").uns[keys.GIVEN]) == ["label"]


def test_a_log_tells_the_settings_the_curves_and_the_cost(folder):
    run(folder)
    events = tracking.read_events(folder / "arm" / "events.jsonl")
    assert events.params["arm.model"] == "gan" and events.params["training.steps"] == 40
    terms = {"discriminator/adversarial", "generator/adversarial", "health/diversity"}
    assert set(events.curves["term"]) == terms and len(events.curves) == 3 * 2 * 40
    assert events.end["steps"] == 40 and 0 < events.end["per_sample"] < 1


def test_pictures_of_a_training_are_kept(folder):
    run(folder)
    names = sorted(path.name for path in (folder / "arm" / "looks" / "seed_3").glob("*.png"))
    assert names == [f"step_{step:06d}.png" for step in (*range(0, 40, 4), 39)]


class StopError(BaseException):
    """Ends a job from outside."""


def stopped(folder: Path, monkeypatch, place: str, step: int) -> None:
    """A job that is ended in the middle of its training; it keeps what it can go on from."""
    monkeypatch.setattr(resume, "SECONDS", 0.0)
    show = module.progress

    def ending(name, steps, n_seeds):
        told = show(name, steps, n_seeds)

        def record(now, seeds, terms):
            told(now, seeds, terms)
            if now == step:
                raise StopError

        return record

    with monkeypatch.context() as patched, pytest.raises(StopError):
        patched.setattr(module, "progress", ending)
        run(folder, place)


def test_a_job_that_was_ended_goes_on_to_the_same_files(folder, monkeypatch):
    whole = run(folder, "whole")
    stopped(folder, monkeypatch, "ended", 25)
    assert [path.name for path in (folder / "ended" / ".unfinished").iterdir()] == ["first_3_5.safetensors"]
    (folder / "ended" / "events.jsonl").unlink()  # as the workflow does before it runs a job again
    made = run(folder, "ended")
    for layer in whole.layers:
        np.testing.assert_array_equal(made.layers[layer], whole.layers[layer])
    assert (folder / "ended/model.safetensors").read_bytes() == (folder / "whole/model.safetensors").read_bytes()
    curves = [tracking.read_events(folder / place / "events.jsonl").curves for place in ("ended", "whole")]
    pd.testing.assert_frame_equal(*curves)
    pictures = [sorted(path.name for path in (folder / place).rglob("*.png")) for place in ("ended", "whole")]
    assert pictures[0] == pictures[1]
    assert not (folder / "ended" / ".unfinished").exists()


def steps_taken(folder: Path, monkeypatch) -> int:
    count, inner = [], fit.take_step
    monkeypatch.setattr(fit, "take_step", lambda *arguments: count.append(1) or inner(*arguments))
    run(folder, "ended")
    return len(count)


def test_only_what_is_missing_is_trained_again(folder, monkeypatch):
    stopped(folder, monkeypatch, "ended", 25)
    assert steps_taken(folder, monkeypatch) == 40 - 25


def test_with_other_data_a_job_starts_anew(folder, monkeypatch):
    stopped(folder, monkeypatch, "ended", 25)
    images(40, 7).write_h5ad(folder / "train/images/x1.h5ad")
    assert steps_taken(folder, monkeypatch) == 40


def test_a_model_that_breaks_is_written_down_as_failed(folder, monkeypatch):
    def breaks(shapes, **options):
        raise ZeroDivisionError("by nothing")

    monkeypatch.setitem(GENERATING.entries, "breaks", SimpleNamespace(load=lambda: breaks, needs=()))
    made = run(folder, model="breaks", options={})
    assert made.uns[keys.ERROR] == "ZeroDivisionError: by nothing" and not made.layers and made.n_obs == 12
    assert made.uns[keys.FAILED].tolist() == [3, 5]
    assert (folder / "arm/model.safetensors").read_bytes() == b""


def test_what_went_wrong_is_in_the_log_with_its_step(tmp_path):
    log = tracking.EventLog(tmp_path / "events.jsonl", [3, 5])
    for step in range(6):
        log.metrics(10 * step, {"discriminator/adversarial": [0.01, 1.0], "health/diversity": [1.0, 0.1]})
    module.record_diagnostics(log, {"discriminator/adversarial": 1.386})
    told = tracking.read_events(log.path).health
    assert told.to_numpy().tolist() == [
        [3, "discriminator wins", "discriminator/adversarial", 30, True],
        [5, "mode collapse", "health/diversity", 30, True],
    ]


def test_maps_of_images_are_watched_and_resumed_too(folder, monkeypatch):
    """Rule `train`: pictures of the same inputs, their diversity, and going on after an interruption."""
    for number in (1, 2):
        (folder / "train/digits").mkdir(exist_ok=True)
        images(40, number).write_h5ad(folder / f"train/digits/x{number}.h5ad")
    (folder / "query/images.h5ad").rename(folder / "query/digits.h5ad")
    options = {"generator_hidden": [4], "discriminator_hidden": [4]}

    def aligned(place: str) -> None:
        (folder / place).mkdir(exist_ok=True)
        arm = {"model": "magan", "options": options}
        train(job_in(folder, place, "digits", arm))

    aligned("whole")
    monkeypatch.setattr(resume, "SECONDS", 0.0)
    with monkeypatch.context() as patched, pytest.raises(StopError):
        inner = tracking.EventLog.metrics

        def ending(log, step, *rest, **named):
            inner(log, step, *rest, **named)
            if step == 20:
                raise StopError

        patched.setattr(tracking.EventLog, "metrics", ending)
        aligned("ended")
    aligned("ended")
    assert (folder / "ended/model.safetensors").read_bytes() == (folder / "whole/model.safetensors").read_bytes()
    terms = set(tracking.read_events(folder / "ended/events.jsonl").curves["term"])
    assert {"health/diversity_12", "health/diversity_21"} <= terms
    assert len(list((folder / "whole/looks/seed_3").glob("*.png"))) == 11
    assert all(re.fullmatch(r"step_\d{6}\.png", path.name) for path in (folder / "ended/looks/seed_3").iterdir())


def test_what_a_model_says_of_the_test_images_is_kept(folder):
    made = run(folder, model="vae", options={"hidden": [3], "n_noise": 2})
    assert made.uns[keys.MEASURES]["elbo"].shape == (2,) and (made.uns[keys.MEASURES]["elbo"] < 0).all()
