"""One function per rule: paths in, paths out, and every decision somewhere else."""

from magan.stages.cells import prepare, read, sources
from magan.stages.correct import correct_files, judge
from magan.stages.eyes import classifier
from magan.stages.files import beside, log_to, read_metrics
from magan.stages.generate import generate
from magan.stages.lectures import lecture
from magan.stages.merge import draw_merged, merge
from magan.stages.methods import align, baseline
from magan.stages.plan import plan
from magan.stages.scores import evaluate, summarise

__all__ = [
    "align",
    "baseline",
    "beside",
    "classifier",
    "correct_files",
    "draw_merged",
    "evaluate",
    "generate",
    "judge",
    "lecture",
    "log_to",
    "merge",
    "plan",
    "prepare",
    "read",
    "read_metrics",
    "sources",
    "summarise",
]
