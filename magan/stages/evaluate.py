"""From maps to tables."""

from collections.abc import Sequence
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.metrics.paired_gain import gain
from magan.metrics.summary import GAINS, best_baselines, with_gains
from magan.metrics.summary import summarise as summary_of
from magan.metrics.tidy import maps, same_rows
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


def compare(truth: str, mapped: Sequence[str], metrics: str, output: str) -> None:
    """Rule `compare`: each arm against the best baseline, by Pearson's r on the same cells, see `paired_gain.gain`.

    Writes a row for each arm, marker and kind of map: of all seeds ("") and of their consensus. The best baseline of a
    marker need not be that of the mean over markers.
    """
    answers = anndata.read_h5ad(truth)
    found = [anndata.read_h5ad(path) for path in mapped]
    best = best_baselines(read_metrics(metrics))
    baselines = {str(part.uns[keys.METHOD]): part for part in found if keys.BASELINE in part.layers}
    rows: list[tuple] = []
    for part in found:
        seeds, values = maps(part)
        if keys.BASELINE in part.layers or not seeds:
            continue
        about = tuple(str(part.uns[key]) for key in (keys.TASK, keys.DATASET, keys.METHOD, keys.ARM))
        known = np.asarray(same_rows(answers, part).layers[keys.PREPROCESSED])
        features = [*map(str, part.var_names), keys.ALL]
        rivals = [best.get((*about[:2], keys.ALL, feature, "pearson"), ("", 0.0))[0] for feature in features]
        is_consensus = np.array([seed == keys.CONSENSUS for seed in seeds])
        for name in dict.fromkeys(rival for rival in rivals if rival in baselines):
            against = np.asarray(same_rows(baselines[name], part).layers[keys.BASELINE])
            for kind, chosen in (("", ~is_consensus), (keys.CONSENSUS, is_consensus)):
                of = gain(known, values[chosen], against)
                numbers = zip(features, rivals, of.difference, of.low, of.high)
                rows += [(*about, kind, *row) for row in numbers if row[1] == name]
    write_table(pd.DataFrame(rows, columns=list(GAINS)), output)


def summarise(parts: Sequence[str], metrics: str, summary: str, comparisons: Sequence[str] = ()) -> None:
    """Rule `summarise`: join the scores of all data sets in a table, and summarise them over seeds.

    ``comparisons`` are what rule `compare` wrote. A study of lecture experiments alone has no scores; its tables are
    empty.
    """
    none = pd.DataFrame(columns=list(keys.METRICS))
    table = pd.concat([read_metrics(path) for path in parts], ignore_index=True) if parts else none
    write_table(table, metrics)
    gains = [
        pd.read_csv(path, sep="\t", dtype=dict.fromkeys(GAINS[:7], str), keep_default_na=False) for path in comparisons
    ]
    write_table(with_gains(summary_of(table), gains), summary)
