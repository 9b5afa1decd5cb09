"""What the report asks and says of generated images."""

from magan.report.images import asked, collapse, judge, order, published
from magan.report.phrasing import Question

QUESTION = Question(
    "Images made",
    "Models learn from images to make others like them; their samples are compared with real images that none of "
    "them saw, by the features of a classifier that saw real images alone. Distances on these features cannot be "
    "compared with published ones.",
    "frechet",
    "group",
    "class",
    "class_share",
    ("sliced_wasserstein",),
    "images",
    compared=False,
)

SENTENCES = (order, collapse, asked, published, judge)  # said after the answer
