"""What a user should consider of files that can be used: the layout of samples, small batches, unlike zeros."""

import pandas as pd

from magan import keys
from magan.cytometry.consistent_markers import Files
from magan.metrics.batch_distance import labelled
from magan.metrics.group_effects import confounded

FEW_PER_BATCH, FEW_PER_FILE = 1000, 100  # cells: fewer are a reason for caution
MANY, FEW_SAMPLES, NEIGHBOURS = 12, 3, 4  # of batches, samples in a batch, and batches on either side to be proposed
UNLIKE = 0.15  # difference between shares of zeros or negatives that a network sees at once


def design(samples: pd.DataFrame, batches: pd.DataFrame) -> list[str]:
    """Cautions about what the layout of samples over batches leaves open."""
    found = []
    if len(batches) == 1:
        found.append(f"There is one batch, {batches[keys.BATCH].iloc[0]}: nothing to align it with.")
    is_control = (
        samples[keys.IS_CONTROL].astype(bool) if keys.IS_CONTROL in samples else pd.Series(False, samples.index)
    )
    people = samples[~is_control]
    found += [*layout(people), *daily(people)]
    without = list(batches.loc[batches["controls"] == 0, keys.BATCH])
    if 0 < len(without) < len(batches):
        found.append(f"No control is in batch {', '.join(without)}.")
    unnamed = samples[is_control]
    if keys.DONOR in unnamed:
        unnamed = unnamed[~labelled(unnamed[keys.DONOR].astype(str).to_numpy())]
    if len(unnamed) and unnamed.groupby(keys.BATCH).size().max() > 1:
        found.append(
            "A batch has several controls without a donor: they are taken for one sample; name each control in the "
            "column donor."
        )
    return found


def daily(people: pd.DataFrame) -> list[str]:
    """Advice for many batches of few samples, which tell a drift only together."""
    sizes = people.groupby(keys.BATCH).size()
    if len(sizes) < MANY or sizes.median() > FEW_SAMPLES:
        return []
    return [
        f"There are {len(sizes)} batches, most of at most {FEW_SAMPLES} samples: a batch alone does not tell a drift "
        "from its donors. If the names are in the order of acquisition and the drift is slow, learn each map from "
        f"neighbouring batches too (neighbours: {NEIGHBOURS}, or magan correct --neighbours {NEIGHBOURS})."
    ]


def layout(people: pd.DataFrame) -> list[str]:
    """Cautions about groups and donors, from rows with ``batch`` and, where known, ``group`` and ``donor``."""
    found = []
    if keys.GROUP in people and (sentence := confounded(people[keys.BATCH], people[keys.GROUP])):
        found.append(sentence)
    if keys.DONOR in people and people[keys.BATCH].nunique() > 1:
        known = people[labelled(people[keys.DONOR].to_numpy())]
        donors = known.groupby(keys.DONOR, observed=True)[keys.BATCH].nunique()
        if len(donors) and donors.max() == 1:
            found.append("No donor is in two batches: differences between donors cannot be told from a batch effect.")
    return found


def small(batches: pd.DataFrame, files: Files) -> list[str]:
    sizes = zip(batches[keys.BATCH], batches["cells"])
    few = [f"{batch} ({n})" for batch, n in sizes if n < FEW_PER_BATCH]
    found = [f"Batches with fewer than {FEW_PER_BATCH:,} cells are hard to align: {', '.join(few)}."] if few else []
    sizes = {str(row.get(keys.SAMPLE, row["path"])): files.cells[str(row["path"])].n_obs for row in files.rows
             if str(row["path"]) in files.cells}  # fmt: skip
    tiny = [f"{sample} ({n})" for sample, n in sizes.items() if n < FEW_PER_FILE]
    return found + ([f"Samples with fewer than {FEW_PER_FILE} cells: {', '.join(tiny)}."] if tiny else [])


def unlike(below: pd.DataFrame) -> list[str]:
    found = []
    for what in ("zeros", "negatives"):
        shares = below.pivot(index="marker", columns=keys.BATCH, values=what)
        spread = (shares.max(axis=1) - shares.min(axis=1)).sort_values(ascending=False)
        unlike = list(spread.index[spread > UNLIKE])
        if unlike:
            worst = shares.loc[unlike[0]]
            found.append(
                f"Batches differ in their share of {what} for {len(unlike)} markers ({', '.join(unlike[:5])}"
                f"{', ...' if len(unlike) > 5 else ''}): {unlike[0]} has {worst.max():.0%} in {worst.idxmax()} and "
                f"{worst.min():.0%} in {worst.idxmin()}."
            )
    return found
