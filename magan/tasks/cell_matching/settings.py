"""Settings of cells to be matched."""

from typing import ClassVar

from pydantic import PositiveInt

from magan.config.tasks import TaskSettings


class Matching(TaskSettings):
    """The same cells measured in two ways without a common marker; ``n_pairs`` of the pairs are known, the rest scored.

    Cells of the two sets with the same word in the obs column "pair" are a pair;
    cells without a pair are trained on and mapped, and not scored. Each of several
    draws knows different pairs, and every method is trained again for each draw.
    """

    reads: ClassVar[tuple[str, ...]] = ("cells_1", "cells_2")
    offered: ClassVar[frozenset[str]] = frozenset({"cells", "pairs"})

    cells_1: str
    cells_2: str
    n_pairs: PositiveInt = 20
    n_draws: PositiveInt = 1


SETTINGS = Matching
