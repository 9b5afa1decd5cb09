"""What the report asks and says of translated images."""

from magan.report.images import judge, partners
from magan.report.phrasing import Question

QUESTION = Question(
    "Images of one kind as another",
    "Images of one set are mapped to what they would be in another, trained without known pairs, or with a few; "
    "held-out images are compared with their true partner, if it is known, and with real images of the target set.",
    "retrieved",
    "group",
    "number of nearest",
    "retrieved",
    ("frechet", "sliced_wasserstein"),
    "images",
)

SENTENCES = (partners, judge)  # said after the answer
