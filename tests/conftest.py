"""Fixtures that several rooms share."""

from pathlib import Path

import pytest
import torch

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
