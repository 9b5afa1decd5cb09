"""Every correspondence, by the name that studies use, and what it needs of the data."""

from magan.registry import Entry, Registry

CORRESPONDENCES = Registry(
    none=Entry("magan.correspondence:none"),
    shared_markers=Entry("magan.correspondence:shared_markers", ("shared markers",)),
    correlation=Entry("magan.correspondence:correlation", ("shared markers",)),
    pairs=Entry("magan.correspondence:pairs", ("pairs",)),
    labels=Entry("magan.correspondence:labels", ("labels",)),
    transformation=Entry("magan.correspondence:transformation", ("images",)),
    feature=Entry("magan.correspondence:feature", ("images",)),
)
