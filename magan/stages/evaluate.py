"""From maps to tables."""

from collections.abc import Sequence
from pathlib import Path

import anndata
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.metrics.summary import summarise as summary_of
from magan.stages.atomic_files import read_metrics, write_table
from magan.tasks.registry import TASKS


def evaluate(task: str, truth: str, mapped: Sequence[str], metrics: str, classifier: str | None = None) -> None:
    """Rule `evaluate`: score every method of a data set by the same functions, with the floors and the controls.

    Images are scored with the predictions of the ``classifier``.
    """
    answers = annotated(classifier, anndata.read_h5ad(truth))
    entry = TASKS[task]
    tables = [entry.score(answers, annotated(classifier, anndata.read_h5ad(path))) for path in mapped]
    tables.append(entry.floor(answers))
    if entry.controls:
        tables.append(entry.controls(answers))
    write_table(pd.concat(tables, ignore_index=True), metrics)


def annotated(path: str | None, images: AnnData) -> AnnData:
    """The images with the predictions of the classifier in a file; unchanged without a file or with an empty file."""
    if not path or not Path(path).stat().st_size:
        return images
    from magan import classifier  # torch is imported where images are scored

    return classifier.annotate(classifier.load(path), images)


def summarise(parts: Sequence[str], metrics: str, summary: str) -> None:
    """Rule `summarise`: join the scores of all data sets in a table, and summarise them over seeds.

    A study of lecture experiments alone has none; its tables are empty.
    """
    none = pd.DataFrame(columns=list(keys.METRICS))
    table = pd.concat([read_metrics(path) for path in parts], ignore_index=True) if parts else none
    write_table(table, metrics)
    write_table(summary_of(table), summary)
