"""One process at a time fills a tracking store, and what is wrong with a store is said in a sentence."""

import contextlib
import getpass
import hashlib
import os
import re
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from magan.atomic_write import atomic_write
from magan.errors import InputError

SAY_EVERY = 30.0  # seconds of waiting between two sentences
LONGEST_WAIT = 1800.0  # seconds; nobody fills a store for so long
LOCKED = re.compile(r"database (table )?is locked", re.IGNORECASE)
LOST = re.compile(
    r"server closed the connection|connection (already |has been |was |is )?(closed|reset|aborted|refused|lost)"
    r"|terminating connection|could not connect|max retries exceeded"
    r"|database system is (starting|shutting)|recovery mode",
    re.IGNORECASE,
)
PAUSES = (1.0, 3.0, 9.0)  # seconds before each new try after a lost connection
SQLITE = "sqlite:///"
MAGIC = b"SQLite format 3\0"
OF_POSTGRESQL = 0x6D6167616E  # the number of the lock, "magan" in ASCII
AWAY = "move it away and collect again, which fills a new store from the results"


def file_of(uri: str) -> Path | None:
    """Return the file of a SQLite store, links resolved; None for any other store."""
    return Path(uri.removeprefix(SQLITE).split("?")[0]).resolve() if uri.startswith(SQLITE) else None


@contextlib.contextmanager
def only_collector(uri: str) -> Iterator[None]:
    """Hold the store's lock: a file beside a SQLite database, an advisory lock of PostgreSQL.

    An MLflow server has no lock, so a file in the machine's folder of temporary files stands for it. Two machines, or
    two users, that fill one server at once may log a run twice; the next collect removes the second.

    Raises
    ------
    InputError
        The folder or the store cannot be used, or another process has held the lock for half an hour.
    Exception
        The connection to PostgreSQL cannot be made, or was lost, and its lock with it; `retried` tries again.
    """
    if uri.startswith("postgresql"):
        with _advisory_lock(uri):
            yield
    else:
        path = file_of(uri)
        with _file_lock(_of_address(uri) if path is None else Path(f"{path}.lock"), shown(uri)):
            yield


@contextlib.contextmanager
def store_if_free(uri: str) -> Iterator[bool]:
    """Hold the lock of a SQLite store without waiting; False where another process holds it.

    A server keeps its own order, so any other store is always free.

    Raises
    ------
    InputError
        The folder cannot be used.
    """
    from filelock import FileLock, Timeout

    path = file_of(uri)
    if path is None:
        yield True
        return
    lock = FileLock(f"{path}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        yield False
        return
    except OSError as error:
        raise _unlockable(shown(uri), error) from None
    try:
        yield True
    finally:
        lock.release()


def make_store(uri: str, create: Callable[[str], None]) -> None:
    """Make the file of a SQLite store that does not exist, in full or not at all; ``create`` fills it.

    Raises
    ------
    InputError
        What lies at the path is no store, or cannot be written.
    """
    path = file_of(uri)
    if path is None:
        return
    if path.exists() and (path.is_dir() or path.stat().st_size):
        _check(path)
        return
    with atomic_write(path) as part:
        create(f"{SQLITE}{part}")


T = TypeVar("T")


def retried(uri: str, run: Callable[[], T]) -> T:
    """Return what ``run`` returns; run it again while another program has locked the database.

    After a lost connection it is run again as often as there are `PAUSES`.

    Raises
    ------
    InputError
        The database stays locked, or the store cannot be used.
    """
    waiting, pauses = _Waiting(shown(uri)), iter(PAUSES)
    while True:
        try:
            return run()
        except InputError:
            raise
        except Exception as error:
            if LOCKED.search(str(error)):
                waiting.say(_first(error))
                time.sleep(1.0)
                continue
            pause = next(pauses, None) if LOST.search(str(error)) else None
            if pause is None:
                sentence = _sentence(shown(uri), str(error))
                if not sentence:
                    raise
                raise InputError(sentence) from error
            print(f"no connection to the tracking store {shown(uri)} ({_first(error)}); next try in {pause:.0f} s")
            time.sleep(pause)


def shown(uri: str) -> str:
    """Return an address without its password."""
    return re.sub(r"(//[^:/@]*):[^@/]*@", r"\1:***@", uri)


class _Waiting:
    """Says that it waits every `SAY_EVERY` seconds, and gives up after `LONGEST_WAIT`."""

    def __init__(self, store: str):
        self.store, self.start, self.said = store, time.monotonic(), float("-inf")

    def say(self, why: str) -> None:
        now = time.monotonic()
        if now - self.start > LONGEST_WAIT:
            raise InputError(
                f"tracking store {self.store} has been locked for {now - self.start:.0f} s ({why}); end the process "
                "that holds it, then run again"
            )
        if now - self.said >= SAY_EVERY:
            print(f"waiting for the tracking store {self.store} ({why}), {now - self.start:.0f} s so far", flush=True)
            self.said = now


def _of_address(uri: str) -> Path:
    """The file that stands for the lock of a server."""
    name = hashlib.sha256(uri.rstrip("/").encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir(), f"magan-{getpass.getuser()}-{name}.lock")


@contextlib.contextmanager
def _file_lock(path: Path, store: str) -> Iterator[None]:
    from filelock import FileLock, Timeout

    waiting, lock = _Waiting(store), FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                lock.acquire(timeout=1.0)
                break
            except Timeout:
                waiting.say("another process fills it")
    except OSError as error:
        raise _unlockable(store, error) from None
    try:
        yield
    finally:
        lock.release()


def _unlockable(store: str, error: OSError) -> InputError:
    return InputError(
        f"tracking store {store} cannot be locked ({error.strerror or error}); choose another tracking.uri"
    )


@contextlib.contextmanager
def _advisory_lock(uri: str) -> Iterator[None]:
    import sqlalchemy.exc

    try:
        # Without a pool, which would keep the connection, and the lock with it, after its end.
        connection = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool).connect()
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        if LOST.search(str(error)):
            raise
        remedy = "install magan[postgres]" if isinstance(error, ImportError) else "check tracking.uri"
        raise InputError(f"tracking store {shown(uri)} cannot be opened ({_first(error)}); {remedy}") from None
    waiting, ask = _Waiting(shown(uri)), sqlalchemy.text(f"SELECT pg_try_advisory_lock({OF_POSTGRESQL})")
    with connection:
        while not connection.execute(ask).scalar():
            waiting.say("another process fills it")
            time.sleep(1.0)
        connection.commit()  # the lock is the session's; no transaction stays open while the store is filled
        yield  # the end of the connection ends the lock
        # Where the connection was lost, a second collector may have come in: this raises, and `retried` looks again.
        connection.execute(sqlalchemy.text("SELECT 1"))


def _check(path: Path) -> None:
    """Refuse what MLflow would answer with a trace, or with minutes of retrials."""
    if path.is_dir():
        raise InputError(f"tracking store {path} is a folder; name a file in tracking.uri")
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise InputError(f"tracking store {path} is no SQLite database; {AWAY}")
        if not os.access(path, os.W_OK):
            raise InputError(f"tracking store {path} is read-only; make it writable, or choose another tracking.uri")
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except OSError as error:
        raise InputError(f"tracking store {path} cannot be read ({error.strerror}); check tracking.uri") from None
    except sqlite3.DatabaseError as error:
        if LOCKED.search(str(error)):
            return  # `retried` waits
        raise InputError(f"tracking store {path} is damaged ({error}); {AWAY}") from None
    if found != "ok":
        raise InputError(f"tracking store {path} is damaged ({found.splitlines()[-1]}); {AWAY}")
    half = sorted(name for name in tables if name.startswith("_alembic_tmp_"))
    if half:
        raise InputError(f"tracking store {path} was left half made ({half[0]}); {AWAY}")


def _sentence(store: str, message: str) -> str:
    """Say what is wrong with a store, by what its libraries said, or return ""."""
    for pattern, remedy in (
        (r"readonly database|permission denied", "make it writable, or choose another tracking.uri"),
        (r"unable to open database file", "check tracking.uri"),
        (r"file is not a database|disk image is malformed|Can't locate revision|out-of-date database", AWAY),
        (r"could not translate host|failed to resolve", "check tracking.uri"),
        (LOST.pattern, "start its server"),
    ):
        found = re.search(pattern, message, re.IGNORECASE)
        if found:
            return f"tracking store {store} cannot be used ({found[0]}); {remedy}"
    return ""


def _first(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
