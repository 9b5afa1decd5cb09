"""One function per rule: paths in, paths out, and every decision somewhere else."""

from magan.stages.cells import prepare, read
from magan.stages.files import beside, log_to, read_metrics
from magan.stages.methods import align, baseline
from magan.stages.plan import plan
from magan.stages.scores import evaluate, summarise

__all__ = [
    "align",
    "baseline",
    "beside",
    "evaluate",
    "log_to",
    "plan",
    "prepare",
    "read",
    "read_metrics",
    "summarise",
]
