"""A PostgreSQL server and an MLflow server on loopback that live as long as a test."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PLACES = (*map(str, Path("/usr/lib/postgresql").glob("*/bin")), *os.environ.get("PATH", "").split(os.pathsep))
USER = "magan"


class NoServerError(Exception):
    """What is needed to start the server is not on this machine; the text says what."""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@dataclass
class Postgres:
    """A running cluster; ``uri`` is the address of its database."""

    folder: Path
    port: int
    account: str | None  # who runs it; None is the user of the tests
    durable: bool

    @property
    def uri(self) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/postgres"

    def call(self, program: str, *arguments: str) -> None:
        """Run a program of PostgreSQL, which refuses root, in the cluster's folder."""
        found = shutil.which(program, path=os.pathsep.join(PLACES))
        if found is None:
            raise NoServerError(f"{program} of PostgreSQL is not installed")
        output = self.folder / f"{program}.txt"
        with output.open("w") as text:
            done = subprocess.run(
                [found, "-D", str(self.folder / "data"), *arguments], cwd=self.folder, stdout=text, stderr=text,
                user=self.account, timeout=60,
            )  # fmt: skip
        if done.returncode:
            raise NoServerError(f"{program} ended with {done.returncode}: {output.read_text()[-300:]}")

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories={self.folder}"
        options += "" if self.durable else " -c fsync=off"
        self.call("pg_ctl", "start", "-w", "-l", str(self.folder / "log"), "-o", options)

    def stop(self) -> None:
        self.call("pg_ctl", "stop", "-w", "-m", "immediate")


@contextlib.contextmanager
def postgres(durable: bool = False) -> Iterator[Postgres]:
    """Run a new, empty cluster; no password, loopback alone, and waiting for the disk only if ``durable``.

    Raises
    ------
    NoServerError
        PostgreSQL or its driver is not installed, or the server does not start.
    """
    try:
        import psycopg2  # noqa: F401
    except ImportError:
        raise NoServerError("psycopg2 is not installed") from None
    with tempfile.TemporaryDirectory(prefix="postgres") as name:
        accounts = [account.pw_name for account in pwd.getpwall() if account.pw_name in ("postgres", "nobody")]
        server = Postgres(Path(name), free_port(), max(accounts) if os.getuid() == 0 else None, durable)
        if server.account:
            shutil.chown(name, server.account)
        server.call("initdb", "--auth", "trust", "--username", USER, "--no-sync", "--no-instructions")
        server.start()
        try:
            yield server
        finally:
            with contextlib.suppress(NoServerError):
                server.stop()


@contextlib.contextmanager
def mlflow_server(uri: str, folder: Path) -> Iterator[str]:
    """Run ``mlflow server`` before a database, with artifacts through it into ``folder``; give its address."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", uri, "--artifacts-destination", str(folder), "--serve-artifacts"]
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    environment = {name: text for name, text in environment.items() if name != "PYTEST_CURRENT_TEST"}
    folder.mkdir(parents=True, exist_ok=True)
    said = folder.parent / "mlflow.log"
    with said.open("w") as log:
        server = subprocess.Popen(
            command, cwd=folder.parent, stdout=log, stderr=log, env=environment, start_new_session=True
        )
    address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 90
    try:
        while True:
            with contextlib.suppress(OSError):
                if urllib.request.urlopen(f"{address}/health", timeout=5).status == 200:
                    break
            if server.poll() is not None or time.monotonic() > deadline:
                raise NoServerError(f"mlflow server does not answer: {said.read_text()[-300:]}")
            time.sleep(0.2)
        yield address
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, 15)
        server.wait(timeout=30)
