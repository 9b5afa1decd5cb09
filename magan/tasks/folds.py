"""From a data set to what training, mapping and scoring may each see.

A fold is one pair of domains trained on its own: one held-out marker, one
batch against the reference, one pair of digit sets. What a method must not
know is absent from the files it reads, not masked inside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import anndata
import numpy as np
from anndata import AnnData

from magan import keys
from magan.cytometry.check_markers import check
from magan.errors import InputError, among
from magan.images.arrays import pixels

# Populations of training cells are there for the correspondence that names them, and for nothing else.
LABELLED = (keys.BATCH, keys.SAMPLE, keys.CELL_TYPE)
MEDIAN = "median"  # as a reference: the batch in the middle of the others
LEVELS = 200  # quantiles that the distance of two batches is computed from


Conditions = Mapping[str, str | Sequence[str]]  # obs column -> kept values


@dataclass(frozen=True)
class Folds:
    """``train`` and ``query`` per fold; ``truth`` is for evaluation alone."""

    train: Mapping[str, tuple[AnnData, ...]]  # fold -> (domain 1, domain 2), or one domain to make samples of
    query: Mapping[str, AnnData]  # fold -> held-out samples of domain 1, to be mapped into domain 2
    truth: AnnData


def select_cells(adata: AnnData, conditions: Conditions, name: str) -> AnnData:
    """The cells whose obs columns hold the wanted values.

    Raises
    ------
    InputError
        An unknown column or value, with what there is; or no cell is left.
    """
    kept = np.ones(adata.n_obs, bool)
    for column, wanted in conditions.items():
        if column not in adata.obs:
            raise InputError(f"{name}: no obs column '{column}'; there are {', '.join(adata.obs.columns)}")
        present = adata.obs[column].astype(str)
        wanted = [wanted] if isinstance(wanted, str) else list(wanted)
        for value in wanted:
            if value not in set(present):
                raise InputError(f"{name}: no {column} is '{value}'; there are {', '.join(sorted(set(present)))}")
        kept &= present.isin(wanted).to_numpy()
    if not kept.any():
        raise InputError(f"{name}: no cell has all of {dict(conditions)}; widen the choice")
    return adata[kept].copy()


def heldout(
    adata: AnnData,
    *,
    panel_1: Conditions | None = None,
    panel_2: Conditions | None = None,
    shared: Sequence[str] | None = None,
    only_1: Sequence[str] | None = None,
    only_2: Sequence[str] | None = None,
    hold_out: Sequence[str] | None = None,
    n_cells: int | None = None,
    test_fraction: float = 0.2,
    batch_size: int,
    seed: int = 0,
) -> Folds:
    """Two panels on disjoint cells; one fold per held-out marker.

    Panels are the cells that match ``panel_1`` and ``panel_2`` (obs column ->
    values); without these, random halves of the cells that are no test cells.
    Test cells are a random ``test_fraction`` of panel 1's. In fold m, panel 1
    (and so the query) lacks marker m; panel 2 has it. Markers that are not
    named are those that the panels measure, see `measured`.

    Raises
    ------
    InputError
        A marker is unknown, not measured or not shared, panels overlap elsewhere,
        a marker is constant, or too few cells are left for a minibatch.
    """
    order = np.random.default_rng(seed).permutation(adata.n_obs)
    if panel_1 or panel_2:
        own, other = _cells_of_panels(adata, panel_1 or {}, panel_2 or {})
        order = order[(own | other)[order]][:n_cells]
        order_1, second = order[own[order]], order[other[order]]
        n_test = round(test_fraction * len(order_1))
        test, first = order_1[:n_test], order_1[n_test:]
    else:
        order = order[:n_cells]
        n_test = round(test_fraction * len(order))
        test, first, second = np.split(order, [n_test, n_test + (len(order) - n_test) // 2])
    test, first, second = (np.sort(part) for part in (test, first, second))
    enough({"panel 1": first, "panel 2": second}, batch_size)
    shared, only_1, only_2 = _panel_markers(adata[np.sort([*test, *first])], adata[second], shared, only_1, only_2)
    hold_out = list(shared) if hold_out is None else list(hold_out)
    for marker in hold_out:
        if marker not in shared:
            raise InputError(f"held-out marker '{marker}' is not shared; shared are {', '.join(shared)}")
    panel_1_markers, panel_2_markers = [*shared, *only_1], [*shared, *only_2]
    check(adata[first, panel_1_markers], "panel 1")
    check(adata[second, panel_2_markers], "panel 2")
    train, query = {}, {}
    for marker in hold_out:
        known = [m for m in panel_1_markers if m != marker]
        train[marker] = (
            without_labels(adata[first, known], LABELLED),
            without_labels(adata[second, panel_2_markers], LABELLED),
        )
        query[marker] = without_labels(adata[test, known])
    truth = adata[test, hold_out].copy()
    truth.uns[keys.PAIRED] = {
        "markers": np.array(panel_1_markers),
        "train": np.asarray(adata[first, panel_1_markers].layers[keys.PREPROCESSED]),
        "query": np.asarray(adata[test, panel_1_markers].layers[keys.PREPROCESSED]),
    }
    return Folds(train, query, truth)


def measured(adata: AnnData, name: str) -> list[str]:
    """The markers to be corrected that are finite in these cells; a panel that lacks a marker has nan in every cell.

    Raises
    ------
    InputError
        A marker is measured in some of the cells alone.
    """
    values = np.asarray(adata.layers[keys.PREPROCESSED])[:, adata.var[keys.TO_CORRECT].to_numpy(bool)]
    markers = adata.var_names[adata.var[keys.TO_CORRECT].to_numpy(bool)]
    n_known = np.isfinite(values).sum(axis=0)
    for marker, n in zip(markers, n_known):
        if 0 < n < len(values):
            raise InputError(
                f"{name}: marker '{marker}' is measured in {n} of {len(values)} cells; "
                "give the files that lack it a panel of their own"
            )
    return [marker for marker, n in zip(markers, n_known) if n]


def _cells_of_panels(adata: AnnData, panel_1: Conditions, panel_2: Conditions) -> tuple[np.ndarray, np.ndarray]:
    """Which cells each panel has, ``(n,), (n,)`` booleans."""
    if not panel_1 or not panel_2:
        raise InputError(f"panel_{2 if panel_1 else 1} is missing; give conditions for both panels or for neither")
    own, other = (
        adata.obs_names.isin(select_cells(adata, wanted, f"heldout.panel_{i}").obs_names)
        for i, wanted in enumerate((panel_1, panel_2), start=1)
    )
    if (own & other).any():
        raise InputError(
            f"heldout: {(own & other).sum()} cells are in both panel_1 {dict(panel_1)} and panel_2 {dict(panel_2)}; "
            "make the two disjoint"
        )
    return own, other


def _panel_markers(
    first: AnnData,
    second: AnnData,
    shared: Sequence[str] | None,
    only_1: Sequence[str] | None,
    only_2: Sequence[str] | None,
) -> tuple[list[str], list[str], list[str]]:
    """Markers of both panels, of panel 1 alone and of panel 2 alone: as named, else as measured."""
    has_1, has_2 = measured(first, "panel 1"), measured(second, "panel 2")
    shared = [m for m in has_1 if m in has_2] if shared is None else list(shared)
    only_1 = [m for m in has_1 if m not in [*has_2, *shared]] if only_1 is None else list(only_1)
    only_2 = [m for m in has_2 if m not in [*has_1, *shared]] if only_2 is None else list(only_2)
    named = [*shared, *only_1, *only_2]
    _known(named, first)
    twice = sorted({m for m in named if named.count(m) > 1})
    if twice:
        raise InputError(f"marker '{twice[0]}' is listed twice among shared, only_1 and only_2; list it once")
    for panel, wanted, known in ((1, [*shared, *only_1], has_1), (2, [*shared, *only_2], has_2)):
        for marker in wanted:
            if marker not in known and first.var.loc[marker, keys.TO_CORRECT]:
                raise InputError(f"panel {panel} does not measure marker '{marker}'; correct shared, only_1 and only_2")
    if len(shared) < 2:
        raise InputError(
            f"the panels share {len(shared)} marker{'s' * (len(shared) != 1)}"
            f"{' (' + shared[0] + ')' if shared else ''}; the audit hides one and needs another to predict from"
        )
    return shared, only_1, only_2


def batch(
    adata: AnnData,
    *,
    reference: str,
    markers: Sequence[str] | None = None,
    train: Mapping[str, str] | None = None,
    n_train: int = 20_000,
    test: Mapping[str, str] | None = None,
    test_fraction: float = 0.3,
    batch_size: int,
    seed: int = 0,
) -> Folds:
    """Every other batch against the reference; one fold per batch.

    Trained on the cells matching ``train``, scored on those matching ``test``, of
    which one may be left out: it is all other cells. Without either, scored on a
    random ``test_fraction`` of each batch. Of the training
    cells at most ``n_train`` of each batch are drawn. The reference "median" is
    the batch with the smallest mean earth mover's distance to the others, over
    markers, judged by training cells; ``truth.uns["reference"]`` holds its name.

    Raises
    ------
    InputError
        No such reference, a batch with no training or test cells, a constant
        marker, or too few cells for a minibatch.
    """
    markers = list(adata.var_names[adata.var[keys.TO_CORRECT]]) if markers is None else list(markers)
    _known(markers, adata)
    adata = adata[:, markers].copy()
    adata.var[keys.TO_CORRECT] = True  # what the user names is no longer in doubt
    of_batch = adata.obs[keys.BATCH].astype(str)
    names = sorted(set(of_batch))
    if reference not in (*names, MEDIAN):
        raise InputError(
            f"reference batch '{reference}' is not in the data; batches are {', '.join(names)}, or give {MEDIAN}"
        )
    if len(names) == 1:
        raise InputError(f"there is one batch, '{reference}', and nothing to align; give at least two")
    if train or test:
        named = {
            name: select_cells(adata, chosen, f"batch.{name}")
            for name, chosen in (("train", train), ("test", test))
            if chosen
        }
        training, testing = (
            named[part] if part in named else _rest(adata, *named.values()) for part in ("train", "test")
        )
        both = set(training.obs_names) & set(testing.obs_names)
        if both:
            raise InputError(f"batch: {len(both)} cells are in both train and test; make the two disjoint")
    else:
        random = np.random.default_rng(seed).random(adata.n_obs) < test_fraction
        training, testing = adata[~random].copy(), adata[random].copy()
    cells = {name: _some(training[training.obs[keys.BATCH].astype(str) == name], n_train, seed) for name in names}
    queries = {name: testing[testing.obs[keys.BATCH].astype(str) == name] for name in names}
    enough({f"batch '{name}'": part for name, part in cells.items()}, batch_size)
    for name in names:
        if not queries[name].n_obs:
            raise InputError(f"batch '{name}' has no test cell; widen batch.test or raise test_fraction")
    check(training, "training cells")
    if reference not in names:
        reference = _median(cells)
    others = [name for name in names if name != reference]
    truth = anndata.concat([queries[name] for name in names], merge="same")
    truth.uns = {**dict(adata.uns), keys.REFERENCE: reference}
    return Folds(
        {name: (without_labels(cells[name], LABELLED), without_labels(cells[reference], LABELLED)) for name in others},
        {name: without_labels(queries[name]) for name in others},
        truth,
    )


def _rest(adata: AnnData, part: AnnData) -> AnnData:
    return adata[~adata.obs_names.isin(part.obs_names)].copy()


def _some(adata: AnnData, n: int, seed: int) -> AnnData:
    """At most ``n`` cells, drawn at random and left in their order."""
    if adata.n_obs <= n:
        return adata
    # A stream of its own, apart from the one that tells training from test cells.
    return adata[np.sort(np.random.default_rng([seed, 2]).choice(adata.n_obs, n, replace=False))]


def _median(cells: Mapping[str, AnnData]) -> str:
    """The batch with the smallest mean earth mover's distance to all batches; of equals the first."""
    levels = (np.arange(LEVELS) + 0.5) / LEVELS
    quantiles = np.stack([np.quantile(x.layers[keys.PREPROCESSED], levels, axis=0) for x in cells.values()])
    # Between two samples of one marker the distance is the mean difference of their quantiles.
    distance = [np.abs(quantiles - own).mean() for own in quantiles]
    return list(cells)[int(np.argmin(distance))]


def wipe(adata: AnnData, *, marker: str, populations: Sequence[str], seed: int = 0) -> AnnData:
    """Cells of some populations in two batches: "intact", and "wiped" where the marker reads zero.

    ``layers["truth"]`` keeps what every cell did measure. The dropout
    experiment of the MAGAN lecture, on cells whose truth is known.
    """
    _known([marker], adata)
    adata = select_cells(adata, {keys.CELL_TYPE: list(populations)}, "wipe")
    # A stream of its own: `batch`, given the same seed, would take its test cells from the wiped ones alone.
    wiped = np.random.default_rng([seed, 1]).random(adata.n_obs) < 0.5
    adata.obs[keys.BATCH] = np.where(wiped, "wiped", "intact")
    adata.layers[keys.TRUTH] = adata.layers[keys.PREPROCESSED].copy()
    column = adata.var_names.get_loc(marker)
    adata.layers[keys.PREPROCESSED][wiped, column] = 0
    adata.X[wiped, column] = 0
    return adata


def image_truth(query: AnnData, answer: AnnData, real_train: AnnData, real_test: AnnData) -> AnnData:
    """What evaluation may see: the query with its answers, and real images of the target to judge by.

    Pixels are in [0, 1].
    """
    query = query.copy()
    query.layers[keys.TRUTH] = pixels(answer)
    parts = [query, real_train.copy(), real_test]
    for part, domain, split in zip(parts, "122", ("test", "train", "test")):
        part.X = pixels(part)
        part.obs = part.obs[[keys.CELL_TYPE]].assign(domain=domain, split=split)
        part.obs_names = [f"{name}:{domain}" if domain == "2" else name for name in part.obs_names]
        part.layers.setdefault(keys.TRUTH, np.full(part.shape, np.nan, np.float32))
    truth = anndata.concat(parts)
    truth.uns = dict(query.uns)
    return truth


def without_labels(adata: AnnData, columns: Sequence[str] = (keys.BATCH, keys.SAMPLE)) -> AnnData:
    """A copy with what a method may know: no truth, and of obs the given columns."""
    without_labels = AnnData(
        adata.X.copy(),
        obs=adata.obs[[c for c in columns if c in adata.obs]].copy(),
        var=adata.var.copy(),
        uns=dict(adata.uns),
    )
    if keys.PREPROCESSED in adata.layers:
        without_labels.layers[keys.PREPROCESSED] = adata.layers[keys.PREPROCESSED].copy()
    return without_labels


def _known(markers: Sequence[str], adata: AnnData) -> None:
    for marker in markers:
        if marker not in adata.var_names:
            raise InputError(f"marker '{marker}' is not in the data{among(marker, adata.var_names)}")


def enough(parts: Mapping[str, Sequence], batch_size: int) -> None:
    """`InputError` for the first part with fewer samples than a minibatch."""
    for name, part in parts.items():
        if len(part) < batch_size:
            raise InputError(
                f"{name} has {len(part)} training samples, fewer than a minibatch of {batch_size}; "
                "lower training.batch_size"
            )


def gather(task: str, mapped: Mapping[str, AnnData]) -> AnnData:
    """The maps of all folds as one AnnData, the shape that evaluation reads.

    Held-out markers: the same cells, and of each fold the column of its own
    marker. Batches: the cells of all batches, one after another. Digits: the
    one fold there is. ``obs["fold"]`` names the fold where rows have one.
    """
    if task == "heldout":
        columns = [part[:, [marker]] for marker, part in mapped.items()]
        whole = anndata.concat(columns, axis="var", merge="same")
    else:
        parts = [part.copy() for part in mapped.values()]
        for fold, part in zip(mapped, parts):
            part.obs["fold"] = fold
        whole = anndata.concat(parts, axis="obs", merge="same")
    return whole
