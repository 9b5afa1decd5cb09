"""What the report asks and says of translated images."""

from magan.report.images import judge, partners
from magan.report.phrasing import Question

QUESTION = Question(
    "Images of one kind as another",
    "Images of one set are mapped to what they would be in another, trained without being told which belongs to "
    "which, or with a few pairs; images that were kept from training are compared with their true partner, where "
    "there is one, and with real images of the other set.",
    "retrieved",
    "group",
    "number of nearest",
    "retrieved",
    ("frechet", "sliced_wasserstein"),
    "images",
)

SENTENCES = (partners, judge)  # said after the answer
