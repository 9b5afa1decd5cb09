import numpy as np
import pytest
from cell_tables import counts

from magan.cytometry.arcsinh import arcsinh
from magan.cytometry.check_markers import check, markers
from magan.errors import InputError


def test_markers_are_what_is_not_technical():
    assert list(markers(counts()).var_names) == ["CD3", "pSTAT5"]


def test_sound_cells_pass():
    check(counts(), "blood")
    check(arcsinh(counts()), "blood")


def broken(what):
    adata = counts(n=10)
    if what == "nan":
        adata.X[:3, 1] = np.nan
    elif what == "nan in the layer":
        adata = arcsinh(adata)
        adata.layers["preprocessed"][:2, 0] = np.inf
        adata.layers["preprocessed"][:3, 1] = np.inf
    elif what == "constant":
        adata.X[:, 1] = 4
    elif what == "one cell in a batch":
        adata.obs["batch"] = ["a"] * 9 + ["b"]
    elif what == "no cells":
        adata = adata[:0].copy()
    elif what == "twins":
        adata.var_names = ["CD3", "CD3", "Time"]
    return adata


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("nan", "blood: marker 'pSTAT5' is not finite in 3 of 10 cells; remove these cells"),
        ("nan in the layer", r"marker 'pSTAT5' is not finite in 3 of 10 .* \(2 such markers: pSTAT5, CD3\)"),
        ("constant", "blood: marker 'pSTAT5' has the same value in 10 of 10 cells; leave it out of the panel"),
        ("one cell in a batch", "blood: batch 'b' has 1 cell; leave it out"),
        ("no cells", "blood has 0 cells by 3 markers"),
        ("twins", "blood: marker 'CD3' is listed 2 times"),
    ],
)
def test_what_training_cannot_survive_is_said_before(what, message):
    with pytest.raises(InputError, match=message):
        check(broken(what), "blood")


def test_a_technical_channel_may_be_constant():
    adata = counts(n=10)
    adata.X[:, 2] = 7
    check(adata, "blood")


def test_nan_is_right_only_where_a_whole_panel_lacks_what_another_measures():
    adata = arcsinh(counts(), 5.0)
    adata.obs["panel"] = adata.obs["batch"].to_numpy()
    adata.layers["preprocessed"][:250, 0] = np.nan
    check(adata, "cells")
    for bad in (slice(0, 250), 250):  # no panel has it; one cell of a panel that has it
        broken = adata.copy()
        broken.layers["preprocessed"][bad, 1] = np.nan
        broken.layers["preprocessed"][250:, 1] = np.nan if bad != 250 else broken.layers["preprocessed"][250:, 1]
        with pytest.raises(InputError, match="marker 'pSTAT5' is not finite in "):
            check(broken, "cells")
    del adata.obs["panel"]
    with pytest.raises(InputError, match="marker 'CD3' is not finite in 250 of 500 cells"):
        check(adata, "cells")
