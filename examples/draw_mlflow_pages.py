"""Take the pictures of docs/tutorials/compare.md: MLflow's pages of a study, in a headless Chromium.

python examples/draw_mlflow_pages.py results/mlflow.db

needs the store of `make run`, or of any study with a batch correction that has an arm called cyclegan; with
``--log-jobs`` also its jobs are shown. A second path is the folder for the pictures.
"""

import base64
import contextlib
import io
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from mlflow import MlflowClient
from PIL import Image

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # the browser of the tests

from browser import Browser

WIDTH, HEIGHT = 1280, 640
COLOURS = 96  # of a picture; pages have few, and a file stays below 150 kB
SECONDS = 60.0  # that a page may take
SCORE = "batch/emd_reduction"
METHODS = "tags.deployed LIKE '%'"  # arms and baselines, not the seeds inside an arm
JOBS = "tags.kind = 'job'"


class Page(NamedTuple):
    """A page of MLflow: its picture, the part of its address after #, and words that it shows when it is complete."""

    name: str
    address: str
    words: str
    experiment: str = ""
    columns: tuple[str, ...] = ()  # metrics that a reader ticks under Columns
    charts: str = ""  # what a reader types above the charts


def pages(client: MlflowClient) -> Iterator[Page]:
    """The pages of a store that has a batch correction, and its jobs where they were logged."""
    experiments = client.search_experiments()
    batch = next(e.experiment_id for e in experiments if "/batch/" in e.name)
    jobs = next((e.experiment_id for e in experiments if e.name.endswith("/jobs")), "")
    runs = client.search_runs([batch], METHODS, order_by=[f"metrics.`{SCORE}` DESC"])
    arms = [run.info.run_id for run in runs if run.data.tags["kind"] == "arm"]
    methods = _runs(batch, METHODS, SCORE)
    yield Page("mlflow_runs", methods, SCORE, batch, (SCORE, "batch/emd", "batch/label_transfer"))
    yield Page("mlflow_charts", f"{methods}&compareRunsMode=CHART", SCORE, charts="emd_reduction")
    compared = f"/compare-runs?runs={quote(json.dumps(arms))}&experiments={quote(json.dumps([batch]))}"
    yield Page("mlflow_compare", compared, "Parallel Coordinates")
    seeds = client.search_runs([batch], "tags.kind = 'seed' AND params.arm = 'cyclegan'", order_by=["params.seed"])
    yield Page(
        "mlflow_curves",
        f"/experiments/{batch}/runs/{seeds[0].info.run_id}/model-metrics",
        "generator",
        charts="generator",
    )
    if jobs:
        yield Page("mlflow_jobs", _runs(jobs, JOBS, "seconds"), "memory_mb", jobs, ("seconds", "memory_mb"))


def _runs(experiment: str, search: str, score: str) -> str:
    order = f"orderByKey={quote(f'metrics.`{score}`')}&orderByAsc=false"
    return f"/experiments/{experiment}/runs?searchFilter={quote(search)}&{order}"


@contextlib.contextmanager
def served(uri: str) -> Iterator[str]:
    """The address of MLflow's pages of a store, while the block runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "ui", "--workers", "1", "--port", str(port), "--backend-store-uri", uri]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + SECONDS
        while socket.socket().connect_ex(("127.0.0.1", port)) and time.monotonic() < end:
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def prepare(browser: Browser, page: Page) -> None:
    """What a reader does once: choose Model training, close the assistant, and tick columns."""
    memory = {"mlflow.workflowType_v1": "machine_learning", "mlflow.assistant.panelOpen_v1": False}
    memory["mlflow.assistant.fab.autoOpenedOnFirstLoad_v1"] = True
    if page.columns:
        columns = {"selectedColumns": [f"metrics.`{metric}`" for metric in page.columns]}
        memory[f'MLflowLocalStorage-1.1-ExperimentPage-["{page.experiment}"]-ReactComponentState'] = columns
    for name, value in memory.items():
        browser.run(f"localStorage.setItem({json.dumps(name)}, {json.dumps(json.dumps(value))})")


def picture(browser: Browser, address: str, page: Page) -> bytes:
    """A page as PNG, once it shows its words and nothing in it changes any more."""
    browser.open(address, width=WIDTH, height=HEIGHT)
    prepare(browser, page)
    browser.open(f"{address}/#{page.address}", width=WIDTH, height=HEIGHT)
    typed, end, before = not page.charts, time.monotonic() + SECONDS, ""
    while time.monotonic() < end:
        time.sleep(2.0)
        text = browser.run("document.body.innerText")
        if page.words in text and text == before:
            if typed:
                break
            browser.run("document.querySelector('input[placeholder=\"Search metric charts\"]').focus()")
            browser.ask("Input.insertText", text=page.charts)
            typed = True
        before = text
    else:
        raise SystemExit(f"{page.address} does not show {page.words!r}")
    shot = browser.ask("Page.captureScreenshot", format="png")["data"]
    small = Image.open(io.BytesIO(base64.b64decode(shot))).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    file = io.BytesIO()
    small.save(file, "PNG", optimize=True)
    return file.getvalue()


def main(store: Path, folder: Path) -> None:
    uri = f"sqlite:///{store.resolve()}"
    with (
        served(uri) as address,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        contextlib.closing(Browser(Path(profile))) as browser,
    ):
        for page in pages(MlflowClient(tracking_uri=uri)):
            place = folder / f"{page.name}.png"
            place.write_bytes(picture(browser, address, page))
            print(f"{place}: {place.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(
        Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parents[1] / "docs" / "tutorials"
    )
