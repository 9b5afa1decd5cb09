"""One page that answers a study: every sentence and every table is worked out from the tidy tables."""

from magan.report.page import render

__all__ = ["render"]
