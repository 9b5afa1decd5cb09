"""Two panels on different cells: a fold for each marker that is hidden from panel 1 and predicted."""

from collections.abc import Mapping, Sequence
from typing import cast

import anndata
import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.cytometry.check_markers import check
from magan.cytometry.harmonise_names import alike
from magan.errors import InputError
from magan.tasks.folds import (
    LABELLED,
    Conditions,
    Folds,
    enough,
    known_markers,
    measured,
    select_cells,
    unrelated,
    without_labels,
)
from magan.tasks.heldout_markers.settings import HeldOut


def split(settings: HeldOut, cells: Sequence[AnnData], batch_size: int) -> Folds:
    """Two panels on disjoint cells; one fold per held-out marker.

    Panels are the cells that match ``panel_1`` and ``panel_2`` (obs column ->
    values); without these, random halves of the cells outside the test set.
    Test cells are a random ``test_fraction`` of the cells of panel 1. In fold m, panel 1
    (and so the query) lacks marker m; panel 2 has it. Where no
    markers are named, the markers that the panels measure are used, see `measured`, but for shared
    markers whose staining failed in a panel, see `unrelated`.

    Raises
    ------
    InputError
        A marker is unknown, not measured or not shared, panels overlap elsewhere,
        a marker is constant, or too few cells are left for a minibatch.
    """
    adata = select_cells(cells[0], settings.where, "heldout.where")
    order = np.random.default_rng(settings.split_seed).permutation(adata.n_obs)
    if settings.panel_1 or settings.panel_2:
        in_1, in_2 = _cells_of_panels(adata, settings.panel_1, settings.panel_2)
        order = order[(in_1 | in_2)[order]][: settings.n_cells]
        order_1, second = order[in_1[order]], order[in_2[order]]
        n_test = round(settings.test_fraction * len(order_1))
        test, first = order_1[:n_test], order_1[n_test:]
    else:
        order = order[: settings.n_cells]
        n_test = round(settings.test_fraction * len(order))
        test, first, second = np.split(order, [n_test, n_test + (len(order) - n_test) // 2])
    test, first, second = (np.sort(part) for part in (test, first, second))
    enough({"panel 1": first, "panel 2": second}, batch_size)
    shared, only_1, only_2 = _panel_markers(settings, adata[np.sort([*test, *first])], adata[second])
    left_out: list[str] = []
    if settings.unrelated == "leave out" and settings.shared is None and settings.panel_1:
        failed = unrelated(adata[first, shared], adata[second, shared], ("1", "2"))
        shared, left_out = [marker for marker in shared if marker not in failed], list(failed.values())
    hold_out = list(shared if settings.hold_out is None else settings.hold_out)
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
    for sentence in left_out:
        print(f"not used: {sentence}", flush=True)
    truth = adata[test, hold_out].copy()
    truth.uns[keys.PAIRED] = {
        "markers": np.array(panel_1_markers),
        "train": np.asarray(adata[first, panel_1_markers].layers[keys.PREPROCESSED]),
        "query": np.asarray(adata[test, panel_1_markers].layers[keys.PREPROCESSED]),
    }
    return Folds(train, query, truth)


def join(mapped: Mapping[str, AnnData]) -> AnnData:
    """Join the folds by cell: each fold gives the column of its held-out marker."""
    return anndata.concat([part[:, [marker]] for marker, part in mapped.items()], axis="var", merge="same")


def _cells_of_panels(adata: AnnData, panel_1: Conditions, panel_2: Conditions) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the cells of panel 1 and of panel 2, ``(n,), (n,)`` booleans."""
    if not panel_1 or not panel_2:
        raise InputError(f"panel_{2 if panel_1 else 1} is missing; give conditions for both panels or for neither")
    in_1, in_2 = (
        adata.obs_names.isin(select_cells(adata, wanted, f"heldout.panel_{i}").obs_names)
        for i, wanted in enumerate((panel_1, panel_2), start=1)
    )
    if (in_1 & in_2).any():
        raise InputError(
            f"heldout: {(in_1 & in_2).sum()} cells are in both panel_1 {dict(panel_1)} and panel_2 {dict(panel_2)}; "
            "make the two disjoint"
        )
    return in_1, in_2


def _panel_markers(settings: HeldOut, first: AnnData, second: AnnData) -> tuple[list[str], list[str], list[str]]:
    """Markers of both panels, of panel 1 alone and of panel 2 alone: as named, else as measured."""
    has_1, has_2 = measured(first, "panel 1"), measured(second, "panel 2")
    named_1, named_2 = settings.only_1, settings.only_2
    shared = list(settings.shared) if settings.shared is not None else [m for m in has_1 if m in has_2]
    only_1 = list(named_1) if named_1 is not None else [m for m in has_1 if m not in [*has_2, *shared]]
    only_2 = list(named_2) if named_2 is not None else [m for m in has_2 if m not in [*has_1, *shared]]
    named = [*shared, *only_1, *only_2]
    known_markers(named, first)
    twice = sorted({m for m in named if named.count(m) > 1})
    if twice:
        raise InputError(f"marker '{twice[0]}' is listed twice among shared, only_1 and only_2; list it once")
    for panel, wanted, known in ((1, [*shared, *only_1], has_1), (2, [*shared, *only_2], has_2)):
        for marker in wanted:
            if marker not in known and cast(pd.DataFrame, first.var).loc[marker, keys.TO_CORRECT]:
                raise InputError(f"panel {panel} does not measure marker '{marker}'; correct shared, only_1 and only_2")
    for one, two in alike(only_1, only_2) if named_1 is None and named_2 is None else ():
        raise InputError(
            f"panel 1 measures '{one}' and panel 2 '{two}', which may be one marker; say so with aliases: "
            f"{{{two}: {one}}}, or give one of them another name"
        )
    if len(shared) < 2:
        raise InputError(
            f"the panels share {len(shared)} marker{'s' * (len(shared) != 1)}"
            f"{' (' + shared[0] + ')' if shared else ''}; the audit hides one and needs another to predict from"
        )
    return shared, only_1, only_2
