"""A disk that fills up during a training: the job stops, keeps its checkpoint, and goes on to the same bytes."""

import resource
from pathlib import Path

import pytest
from fault_jobs import NoTmpfsError, contents, data, resize, tmpfs, train

from magan.errors import MachineError
from magan.stages import failures
from magan.training import checkpoint, fit, resume

PAGE = 4096


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return data(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def whole(source, tmp_path_factory) -> dict[str, bytes]:
    """What an undisturbed training makes."""
    folder = tmp_path_factory.mktemp("whole") / "results"
    train(source, folder)
    return contents(folder)


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """A checkpoint at every record."""
    monkeypatch.setattr(resume, "SECONDS", 0.0)


def stopped(source: Path, results: Path) -> str:
    """The sentence that ends a training whose disk is too small."""
    with pytest.raises((MachineError, OSError)) as said:
        train(source, results)
    return failures.machine_fault(said.value)


@pytest.mark.parametrize("pages", [1, 12, 24])
def test_a_training_on_a_full_disk_stops_and_goes_on_once_there_is_room(pages, source, whole, tmp_path):
    folder = tmp_path / "small"
    try:
        with tmpfs(folder, pages * PAGE):
            assert "the disk is full" in stopped(source, folder)
            assert not list(folder.rglob("*.part*"))
            resize(folder, 2**24)
            train(source, folder)
            assert contents(folder) == whole
            assert not (folder / ".unfinished").exists()
    except NoTmpfsError:
        pytest.skip("this machine does not let the process mount a file system")


def test_a_training_whose_files_may_not_grow_stops_and_goes_on_from_its_checkpoint(
    source, whole, tmp_path, monkeypatch
):
    """The limit of the process on the size of a file is a full disk that needs no mount."""
    results, soft = tmp_path / "results", resource.getrlimit(resource.RLIMIT_FSIZE)
    written, inner = [], checkpoint.save

    def save(path, about, tensors):
        inner(path, about, tensors)
        written.append(Path(path).stat().st_size)
        if len(written) == 10:
            resource.setrlimit(resource.RLIMIT_FSIZE, (written[0] // 2, soft[1]))

    monkeypatch.setattr(checkpoint, "save", save)
    try:
        sentence = stopped(source, results)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, soft)
    assert "mend it" in sentence
    assert list((results / ".unfinished").iterdir()) and not list(results.rglob("*.part*"))
    began, take_step = [], fit.take_step
    monkeypatch.setattr(checkpoint, "save", inner)
    monkeypatch.setattr(
        fit, "take_step", lambda r, state, b, step, *rest: began.append(step) or take_step(r, state, b, step, *rest)
    )
    train(source, results)
    assert began[0] > 0 and contents(results) == whole


@pytest.mark.parametrize("fails", ["model", "mapped"])
def test_a_checkpoint_outlives_results_that_cannot_be_written(fails, source, whole, tmp_path, monkeypatch):
    results = tmp_path / "results"
    place = {"model": "magan.aligner.Aligner.save", "mapped": "magan.stages.job.write"}[fails]

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(place, full)
        assert "the disk is full" in stopped(source, results)
    assert list((results / ".unfinished").iterdir())
    train(source, results)
    assert contents(results) == whole
