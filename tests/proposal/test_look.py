"""What is read of a file before anything is proposed."""

import pandas as pd
import pytest

from magan.cytometry.arcsinh import RAW_BELOW
from magan.proposal.look import _is_sheet, _seen


@pytest.mark.parametrize(
    ("lines", "is_sheet"),
    [
        (["path,batch", "a.fcs,1"], True),
        (["path,batch", ",", "a.h5ad,1"], True),  # the first row may be blank
        (["a.fcs", "1,2"], False),  # a header is no row
        (["CD3,CD4", "1,2", "3,4", "a.fcs,5"], False),
    ],
)
def test_a_sheet_has_the_name_of_a_file_near_its_head(tmp_path, lines, is_sheet):
    (tmp_path / "table.csv").write_text("\n".join(lines))
    assert _is_sheet(tmp_path / "table.csv") is is_sheet


@pytest.mark.parametrize(("value", "transform"), [(RAW_BELOW, ""), (RAW_BELOW - 0.1, "none")])
def test_values_are_taken_for_transformed_below_a_bound(tmp_path, value, transform):
    pd.DataFrame({"CD3": [value] * 4, "CD4": [1.0] * 4}, dtype=float).to_csv(tmp_path / "a.csv", index=False)
    found = _seen(tmp_path / "a.csv", ())
    assert (found.problem, found.transform) == ("", transform)
