"""What jobs write down while they run, and how it reaches MLflow.

Jobs only append to an event log beside their outputs; one process collects all logs afterwards. So no number of
parallel jobs can meet in the database, and nothing here imports mlflow until `collect` is called.
"""

from magan.tracking.entries import Run
from magan.tracking.events import EventLog, Events, flat, read_events
from magan.tracking.models import Model
from magan.tracking.store import collect

__all__ = ["EventLog", "Events", "Model", "Run", "collect", "flat", "read_events"]
