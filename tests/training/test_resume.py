from functools import partial

import pytest
import torch

from magan.domains.minibatches import CHUNK, Table, batches
from magan.networks.mlp import MLP
from magan.recipe import Adam, Noise, Phase, Recipe, RMSprop
from magan.training import resume
from magan.training.fit import Optimisation, Watch, fit
from magan.training.resume import Resume

SEEDS, STEPS = [3, 5], CHUNK + 40
X = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
ABOUT = {"settings": {"steps": STEPS}, "seeds": SEEDS}


class StopError(Exception):
    pass


def objective(role, networks, batch, carry):
    x = batch["x"] + carry["shift"] + 0.1 * batch["z"]
    return {"square": (networks[role](x) - networks["b"](batch["x"])).pow(2).flatten(1).mean(1)}


def recipe() -> Recipe:
    """Two kinds of optimiser, one of which is not asked at every step, noise, and something that is carried on."""
    return Recipe(
        networks={"a": partial(MLP, (3,), (1,), (4,)), "b": partial(MLP, (3,), (1,), (5,))},
        phases=(
            Phase("one", ("a",), partial(objective, "a"), repeats=2, keep=lambda n, b, c: {**c, "seen": c["seen"] + 1}),
            Phase("two", ("b",), partial(objective, "a"), every=7, optimiser=RMSprop(1e-3)),
        ),
        optimiser=Adam(1e-2, (0.5, 0.9)),
        noise={"z": Noise((3,))},
        carry={"shift": torch.zeros(1), "seen": torch.zeros(1)},
        advance=lambda carry, terms: {**carry, "shift": 0.9 * carry["shift"] + terms["one/square"].mean() / 10},
    )


def run(kept, *, stop: int | None = None, decay: float = 0.5):
    recorded = []

    def record(step, terms):
        recorded.append((step, {name: x.tolist() for name, x in terms.items()}))
        if step == stop:
            raise StopError

    drawn = batches([Table({"x": X}, (torch.arange(50),) * 2)], recipe().noise, batch_size=8, seeds=SEEDS)
    networks = fit(
        recipe(),
        drawn,
        seeds=SEEDS,
        steps=STEPS,
        optimisation=Optimisation(decay=decay),
        watch=Watch(record, every=10),
        resume=kept,
    )
    return {f"{role}.{key}": x for role, net in networks.items() for key, x in net.state().items()}, recorded


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Where a training is kept at every record."""
    monkeypatch.setattr(resume, "SECONDS", 0.0)
    return tmp_path / "folder" / "half.safetensors"


def interrupted(path, stop: int, about=ABOUT, **settings) -> None:
    with pytest.raises(StopError):
        run(Resume(path, about), stop=stop, **settings)


@pytest.mark.parametrize("stop", [10, 70, STEPS - 1])
def test_an_interrupted_training_ends_with_the_bytes_and_the_records_of_an_uninterrupted_one(path, stop):
    """Before and after the sampler has drawn anew, and at the last step."""
    whole, recorded = run(resume.NoCheckpoint())
    interrupted(path, stop)
    again, told_again = run(Resume(path, ABOUT))
    assert all(torch.equal(x, whole[key]) for key, x in again.items())
    assert told_again == recorded


def test_a_training_goes_on_and_is_not_started_anew(path, monkeypatch):
    interrupted(path, 100)
    steps = []
    monkeypatch.setattr("magan.training.fit.take_step", lambda r, state, b, step, *rest: steps.append(step) or {})
    run(Resume(path, ABOUT))
    assert steps[0] == 91 and steps[-1] == STEPS - 1


def test_a_file_about_something_else_is_passed_over(path):
    interrupted(path, 100, about={**ABOUT, "settings": {"decay": 1.0}}, decay=1.0)
    whole, _ = run(resume.NoCheckpoint())
    anew, _ = run(Resume(path, ABOUT))
    assert all(torch.equal(x, whole[key]) for key, x in anew.items())


def test_a_file_that_cannot_be_read_is_passed_over(path):
    path.parent.mkdir()
    path.write_bytes(b"half a file")
    whole, _ = run(resume.NoCheckpoint())
    anew, _ = run(Resume(path, ABOUT))
    assert all(torch.equal(x, whole[key]) for key, x in anew.items())


def test_a_file_is_never_half_written(path, monkeypatch):
    interrupted(path, 100)
    before = path.read_bytes()

    def breaks(part, about, tensors):
        part.write_bytes(b"half")
        raise StopError

    monkeypatch.setattr(resume.checkpoint, "save", breaks)
    with pytest.raises(StopError):
        run(Resume(path, ABOUT))
    assert path.read_bytes() == before


def test_a_file_is_written_no_more_often_than_once_a_minute(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(resume.time, "monotonic", lambda: now[0])
    written = []
    monkeypatch.setattr(resume.Resume, "_write", lambda self, state, batches: written.append(state.step))
    monkeypatch.setattr(resume, "SECONDS", 60.0)
    kept = Resume(tmp_path / "x", ABOUT)

    def tick(step, terms):
        now[0] += 25.0

    drawn = batches([Table({"x": X}, (torch.arange(50),) * 2)], recipe().noise, batch_size=8, seeds=SEEDS)
    fit(recipe(), drawn, seeds=SEEDS, steps=81, watch=Watch(tick, every=10), resume=kept)
    assert written == [21, 51, 81]
