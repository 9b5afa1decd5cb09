import numpy as np
import pytest


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
