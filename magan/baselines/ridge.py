"""Predict unshared markers by a linear function of shared markers."""

import numpy as np
from anndata import AnnData
from sklearn.linear_model import Ridge

from magan.baselines.panels import regress


def ridge(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Predict unshared markers by ridge regression (penalty 1) in ``x2``, see `regress`; ``(n, M2)`` float32."""
    return regress(x1, x2, query, lambda features, targets, queries: Ridge(1.0).fit(features, targets).predict(queries))
