"""Two collects at once, and stores that cannot be used."""

import multiprocessing
import os
import shutil
import sqlite3
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from filelock import FileLock
from tracking_results import Results

from magan.errors import InputError
from magan.tracking import lock


def collect(folder: Path, uri: str) -> None:
    results = Results(folder, "together")
    results.collect(uri)


def keys_of(uri: str) -> Counter:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.get_experiment_by_name("together/heldout/toy")
    return Counter(run.data.tags["magan.key"] for run in client.search_runs([experiment.experiment_id]))


@pytest.mark.slow
def test_collects_at_once_make_a_new_store_whole_and_log_every_run_once(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    context = multiprocessing.get_context("fork")
    # The text of the arms differs from folder to folder only in time, which no digest holds.
    jobs = [context.Process(target=collect, args=(tmp_path / f"results{i}", uri)) for i in range(3)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(120)
    assert [job.exitcode for job in jobs] == [0, 0, 0]
    found = keys_of(uri)
    assert len(found) == 6 and set(found.values()) == {1}
    assert not list(tmp_path.glob("*.part*"))


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    collect(folder / "results", f"sqlite:///{folder}/store/mlflow.db")
    return folder


@pytest.fixture
def store(filled, tmp_path) -> Path:
    """A copy of a filled store's database; its artifacts stay where they are."""
    return Path(shutil.copy(filled / "store" / "mlflow.db", tmp_path / "mlflow.db"))


def again(filled: Path, path: Path):
    results = Results.__new__(Results)
    shutil.rmtree(path.parent / "again", ignore_errors=True)
    results.__init__(path.parent / "again", "together")
    return results.collect(f"sqlite:///{path}")


def test_a_collect_waits_for_the_lock_and_says_so(filled, store, capfd, monkeypatch):
    held = FileLock(f"{store}.lock", thread_local=False)
    held.acquire()
    release = threading.Timer(2.5, lambda: held.release(force=True))
    release.start()
    assert set(again(filled, store)["action"]) == {"kept"}
    release.join()
    assert f"waiting for the tracking store sqlite:///{store} (another process fills it)" in capfd.readouterr().out


def test_a_lock_that_never_ends_is_an_error(filled, store, monkeypatch):
    monkeypatch.setattr(lock, "LONGEST_WAIT", 0.5)
    with FileLock(f"{store}.lock"), pytest.raises(InputError, match=r"has been locked for \d+ s .* end the process"):
        again(filled, store)


def test_a_database_that_another_program_has_locked_is_waited_for(filled, store, capfd):
    database = sqlite3.connect(store, check_same_thread=False, isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    start = time.monotonic()
    release = threading.Timer(8, database.rollback)
    release.start()
    assert set(again(filled, store)["action"]) == {"kept"}
    assert time.monotonic() - start > 8
    release.join()


def test_deleted_and_cut_artifacts_are_logged_again(tmp_path):
    results = Results(tmp_path / "results", "together")
    uri = f"sqlite:///{tmp_path}/store/mlflow.db"
    results.collect(uri)
    (figure,) = (tmp_path / "store" / "artifacts").rglob("a.svg")
    for spoil in (figure.unlink, lambda: figure.write_text("<")):
        spoil()
        done = results.collect(uri).set_index("key")["action"]
        assert done["together/heldout/toy/magan"] == "restored" and set(done.drop("together/heldout/toy/magan")) == {
            "kept"
        }
        assert figure.read_text() == "<svg/>"
    assert set(results.collect(uri)["action"]) == {"kept"}


def spoiled_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def spoiled_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


def spoiled_half_made(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE _alembic_tmp_tags (x INTEGER)")
    database.commit()
    database.close()


SPOILED = {
    "is a folder; name a file": spoiled_folder,
    "is no SQLite database; move it away": lambda path: path.write_text("my notes, which nobody may overwrite"),
    "is damaged (": spoiled_cut,
    "was left half made (_alembic_tmp_tags); move it away": spoiled_half_made,
}


@pytest.mark.parametrize("sentence", SPOILED)
def test_a_store_that_cannot_be_used_is_a_sentence_and_stays_as_it_is(sentence, filled, store):
    SPOILED[sentence](store)
    before = store.read_bytes() if store.is_file() else b""
    with pytest.raises(InputError) as said:
        again(filled, store)
    assert sentence in str(said.value) and "\n" not in str(said.value)
    assert (store.read_bytes() if store.is_file() else b"") == before


def test_a_read_only_store_is_a_sentence(filled, store, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match="is read-only; make it writable"):
        again(filled, store)


def test_a_store_whose_making_is_cut_short_is_not_there(tmp_path):
    def killed(uri: str) -> None:
        Path(uri.removeprefix("sqlite:///")).write_bytes(lock.MAGIC)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lock.make_store(f"sqlite:///{tmp_path}/mlflow.db", killed)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("postgresql://me:secret@host/db", "postgresql://me:***@host/db"),
        ("sqlite:///results/mlflow.db", "sqlite:///results/mlflow.db"),
        ("http://host:5000", "http://host:5000"),
    ],
)
def test_no_sentence_holds_a_password(address, text):
    assert lock.shown(address) == text


def test_two_paths_to_one_store_have_one_lock(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to("a")
    assert lock.file_of(f"sqlite:///{tmp_path}/a/m.db") == lock.file_of(f"sqlite:///{tmp_path}/b/../b/m.db?timeout=3")
