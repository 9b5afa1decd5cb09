"""What MLflow runs of a saved model: a table of markers in, the corrected table out.

The store keeps a copy of this file beside model.safetensors and runs it when the model is loaded.
"""

from functools import cache
from pathlib import Path

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from magan.correction import corrected_table, correction


class Corrector(PythonModel):
    """`magan.correction.corrected_table` with the batch and the seed as parameters."""

    def load_context(self, context):
        model = Path(context.artifacts["model"])
        self.correction = cache(lambda batch, seed: correction(model, batch or None, seed))

    def predict(self, context, model_input: pd.DataFrame, params: dict[str, str] | None = None) -> pd.DataFrame:
        """Correct a table of cells by markers, on the scale of the files.

        Parameters
        ----------
        model_input
            A row per cell, a column per marker.
        params
            ``batch``, which may be "" for a model of one batch, and ``seed``: "consensus" or a number.

        Raises
        ------
        InputError
            As `magan.correction.correction` and `magan.correction.corrected_table`.
        """
        asked = {"batch": "", "seed": "consensus"} | (params or {})
        return corrected_table(self.correction(asked["batch"], asked["seed"]), model_input)


set_model(Corrector())
