"""End a job whose workflow has gone, so that a killed run leaves no process behind."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from itertools import pairwise

SECONDS = 1.0  # between two looks
PATIENCE = 20.0  # seconds that a job gets to remove its temporary files

Link = tuple[int, int]  # a process and its parent


@contextlib.contextmanager
def end_with_workflow() -> Iterator[None]:
    """Terminate this process when any process between it and the main Snakemake process ends.

    SIGTERM, also of a cluster, raises KeyboardInterrupt in the job, which so removes its temporary files. SIGINT would
    not do: a job of a workflow that a script started in the background ignores it. A job that no Snakemake process
    started runs unwatched, and so does every job where psutil is missing.
    """
    links = _links()
    done = threading.Event()
    if links:
        threading.Thread(target=_watch, args=(links, done), daemon=True).start()
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler) if is_main else None
    try:
        yield
    finally:
        done.set()
        if is_main:
            signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _links() -> list[Link]:
    """Return this process and its ancestors, pair by pair, up to the outermost Snakemake process."""
    try:
        import psutil
    except ImportError:
        return []
    chain = [psutil.Process()]
    outermost = 0
    with contextlib.suppress(psutil.Error):
        for ancestor in chain[0].parents():
            chain.append(ancestor)
            if any(os.path.basename(word) == "snakemake" for word in ancestor.cmdline()[:4]):
                outermost = len(chain) - 1
    pids = [process.pid for process in chain[: outermost + 1]]
    return list(pairwise(pids))


def _watch(links: Sequence[Link], done: threading.Event) -> None:
    while not done.wait(SECONDS):
        if any(not _holds(*link) for link in links):
            print("error: the workflow that started this job has ended; the job ends too", file=sys.__stderr__)
            os.kill(os.getpid(), signal.SIGTERM)  # the main thread removes its temporary files
            if not done.wait(PATIENCE):
                os._exit(1)
            return


def _holds(process: int, parent: int) -> bool:
    """Say whether the process still has this parent: the system gives a new parent to a process that lost it."""
    import psutil

    if process == os.getpid():
        return os.getppid() == parent
    try:
        return psutil.Process(process).ppid() == parent
    except psutil.Error:
        return False
