"""Which populations the explorer of a report shows."""

import pandas as pd
import pytest

from magan import keys
from magan.tasks.batch_correction.explorer import PARTS, _populations


@pytest.mark.parametrize("n_batches", [PARTS // 3, PARTS // 2, PARTS, 2 * PARTS])
def test_all_cells_and_the_largest_named_populations_are_shown_as_many_as_a_page_holds(n_batches):
    labels = [name for size, name in enumerate("abcdef", start=1) for _ in range(size)] + ["unknown"] * 9
    shown = _populations(pd.DataFrame({keys.CELL_TYPE: labels}), n_batches)
    assert shown == [keys.ALL, *"fe"][: max(PARTS // n_batches, 1)]
