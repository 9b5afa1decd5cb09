import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys


@pytest.fixture(scope="session")
def table():
    """``table(values, markers)``: cells with the values as preprocessed layer, and an X that no baseline may read."""

    def make(values, markers):
        values = np.asarray(values, dtype=np.float32)
        obs = pd.DataFrame(index=[f"c{i}" for i in range(len(values))])
        x = AnnData(np.full_like(values, np.nan), obs=obs, var=pd.DataFrame(index=list(markers)))
        x.layers[keys.PREPROCESSED] = values
        return x

    return make


@pytest.fixture(scope="session")
def panels(table):
    """Training cells of two panels and a query of panel 1, with a batch effect on every marker.

    Panel 1 measures a, b, c and panel 2 c, d, b in that order, where d = 2 c - b.
    """
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(3, 1, size=(3, 300))
    d = 2 * c - b
    rows = np.split(np.arange(300), [100, 220])
    x1 = table(np.stack([a, b + 0.5, c], axis=1)[rows[0]], "abc")
    x2 = table(np.stack([c, d, b], axis=1)[rows[1]], "cdb")
    query = table(np.stack([a, b + 0.5, c], axis=1)[rows[2]], "abc")
    return x1, x2, query
