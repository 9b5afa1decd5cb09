"""Fixtures that several rooms share."""

import resource
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from anndata import AnnData

from magan import keys

MIRROR = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole studies first: with several workers the longest files must not be the last."""
    items.sort(key=lambda item: item.path.parent.name != "workflow")


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of real data sets, laid out as ``data.mirror`` expects."""
    if not MIRROR.is_dir():
        pytest.skip(f"the real data are not beside the checkout ({MIRROR.name}/)")
    return MIRROR


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small networks spin when threads outnumber free cores."""
    torch.set_num_threads(1)


@pytest.fixture
def two_gigabytes():
    """No more than 2 GB of memory beyond what the process holds already; more is a MemoryError."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + 2 * 10**9, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.fixture(scope="session")
def stripes():
    """``stripes(n, seed)``: images of 16 pixels and their labels; "3" is bright on the left, "7" on the right."""

    def make(n, seed):
        labels = np.array(["3", "7"])[np.arange(n) % 2]
        images = np.random.default_rng(seed).uniform(0, 0.3, size=(n, 16))
        images[labels == "3", :8] += 0.6
        images[labels == "7", 8:] += 0.6
        return images, labels

    return make


@pytest.fixture(scope="session")
def looked():
    """``looked(images, classes)``: as a classifier leaves them that compares the sides of an image.

    Features are the brightness of the four quarters of the pixels.
    """

    def look(adata: AnnData, classes=("3", "7"), of: str = keys.CELL_TYPE) -> AnnData:
        for layer in ("", *adata.layers):
            values, end = np.asarray(adata.layers[layer] if layer else adata.X), f"_{layer}" if layer else ""
            quarters = values.reshape(len(values), 4, -1).mean(axis=2)
            left = 1 / (1 + np.exp(-20 * (quarters[:, :2].sum(1) - quarters[:, 2:].sum(1))))
            adata.obsm[keys.FEATURES + end] = quarters
            adata.obsm[keys.PROBABILITIES + end] = np.stack([left, 1 - left], axis=1)
        adata.uns[keys.CLASSIFIER] = {"classes": list(classes), "of": of, "sha256": "0" * 64}
        return adata

    return look
