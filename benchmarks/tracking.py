"""Seconds to collect 2,000 runs into SQLite, into PostgreSQL, and into an MLflow server before PostgreSQL.

    python benchmarks/tracking.py --runs 2000 --stores sqlite postgresql http

Each run has ten scores and, of a training, eight curves of thirty points. Prints seconds, the limit and their ratio;
then seconds of a second collect, which changes nothing, and of the first page of runs as the UI asks for it.
A store whose server is not installed is left out with its reason.
"""

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from private_servers import NoServerError, mlflow_server, postgres  # noqa: E402

from magan import keys  # noqa: E402
from magan.tracking import EventLog, Run, collect  # noqa: E402

LIMIT = 120.0  # seconds for 2,000 runs
SEEDS, TERMS, SCORES = 98, 8, 10  # of an arm: with the arm itself and its consensus these are a hundred runs


def study(folder: Path, runs: int) -> dict:
    """What a study of ``runs`` runs hands to `collect`."""
    draw = np.random.default_rng(0)
    every = {"group": keys.ALL, "feature": keys.ALL}
    arms, metrics, summary = [], [], []
    for name in (f"arm_{i}" for i in range(max(1, runs // (SEEDS + 2)))):
        log = EventLog(folder / name / "events.jsonl", range(SEEDS))
        for step in range(30):
            log.metrics(step, {f"term_{term}": draw.random(SEEDS) for term in range(TERMS)})
        log.end(seconds=60.0, steps=30, replicates=SEEDS, device="cpu")
        arm = {"task": "heldout", "dataset": "toy", "method": "magan", "arm": name}
        arms.append(Run(**arm, name=name, events=log.path, params={"steps": 30, "model": "magan"}))
        for metric in (f"metric_{i}" for i in range(SCORES)):
            rows = [(seed, metric, draw.random()) for seed in (*range(SEEDS), keys.CONSENSUS)]
            metrics.append(pd.DataFrame(rows, columns=["seed", "metric", "value"]).assign(**every, **arm))
            summary.append({**arm, **every, "metric": metric, "mean": 0.5, "n_seeds": SEEDS, "n_failed": 0})
    return {
        "study": {"name": "large"}, "runs": arms, "metrics": pd.concat(metrics, ignore_index=True),
        "summary": pd.DataFrame(summary), "commit": "abc", "artifacts": {}, "notes": {"heldout/toy": ""},
    }  # fmt: skip


@contextlib.contextmanager
def store(kind: str, folder: Path) -> Iterator[str]:
    """Start what a kind of store needs and give its address."""
    with contextlib.ExitStack() as servers:
        if kind == "sqlite":
            yield f"sqlite:///{folder}/mlflow.db"
            return
        server = servers.enter_context(postgres(durable=True))
        yield (
            server.uri
            if kind == "postgresql"
            else servers.enter_context(mlflow_server(server.uri, folder / "artifacts"))
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--stores", nargs="+", default=["sqlite", "postgresql", "http"])
    asked = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    late = False
    for kind in asked.stores:
        with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
            folder = Path(name)
            wanted = study(folder / "study", asked.runs)
            try:
                with store(kind, folder) as uri:
                    seconds, cpu, table = timed(uri, wanted)
                    again, _, same = timed(uri, wanted)
                    page = first_page(uri)
            except NoServerError as error:
                print(f"{kind}: left out, {error}")
                continue
        assert set(table["action"]) == {"logged"} and set(same["action"]) == {"kept"}
        limit = LIMIT * len(table) / 2000
        late |= seconds > limit
        print(
            f"{kind}: {len(table)} runs in {seconds:.1f} s ({cpu:.1f} of this process), limit {limit:.0f}, "
            f"ratio {seconds / limit:.2f}; again {again:.1f} s; first page {page:.2f} s",
            flush=True,
        )
    sys.exit(late)


def timed(uri: str, wanted: dict) -> tuple[float, float, pd.DataFrame]:
    start, cpu = time.monotonic(), time.process_time()
    table = collect(uri, **wanted)
    return time.monotonic() - start, time.process_time() - cpu, table


def first_page(uri: str) -> float:
    """Seconds of what the UI asks for when it opens an experiment."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.get_experiment_by_name("large/heldout/toy")
    start = time.monotonic()
    assert client.search_runs([experiment.experiment_id], max_results=100, order_by=["attributes.start_time DESC"])
    return time.monotonic() - start


if __name__ == "__main__":
    main()
