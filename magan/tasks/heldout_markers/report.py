"""What the report asks and says of held-out markers."""

from magan.report.phrasing import Question

QUESTION = Question(
    "Markers a panel did not measure",
    "A marker both panels share is removed from one of them before training, predicted by the map, and compared "
    "with what was measured.",
    "pearson",
    "feature",
    "marker",
    "pearson",
)
