"""What the report asks and says of matched cells."""

from magan.report.phrasing import Question

QUESTION = Question(
    "Cells measured in two ways",
    "The same cells were measured in two ways that share no marker. A few pairs of measurements are known; the "
    "other cells are mapped and compared with their own second measurement.",
    "foscttm",
    "group",
    "draw",
    "foscttm",
)
