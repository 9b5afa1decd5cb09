"""Every model there is, by the name configurations use."""

from magan.models.cyclegan import cyclegan
from magan.models.discogan import discogan
from magan.models.magan import magan
from magan.models.travelgan import travelgan

MODELS = {
    "magan": magan,
    "cyclegan": cyclegan,
    "discogan": discogan,
    "travelgan": travelgan,
}
