"""The event log of a run: a JSON object a line, readable while it grows and after a crash."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from magan.errors import InputError

CURVES = ("step", "seed", "term", "value")
HEALTH = ("seed", "sign", "term", "step", "lasted")
WORSE = {"ok": 0, "retried": 1, "failed": 2}  # a seed has the worst of its statuses


class EventLog:
    """A record of one run, written line by line.

    Opening a log empties its file: a job that is run again starts its log afresh.

    Parameters
    ----------
    path
        The file; its folder is made.
    seeds
        The seeds trained together, in the order of the replicate axis.
    """

    def __init__(self, path: Path | str, seeds: Sequence[int]):
        self.path, self.seeds = Path(path), [int(seed) for seed in seeds]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("")

    def params(self, values: Mapping[str, object]) -> None:
        """Record the settings of the run, name to value."""
        self._append({"kind": "params", "values": dict(values)})

    def metrics(self, step: int, values: Mapping[str, Any], seeds: Sequence[int] | None = None) -> None:
        """Record ``name -> (R,)`` at a step, one value per seed; tensors and arrays are taken as they are.

        ``seeds`` says whose values they are where not all seeds train at once.

        Raises
        ------
        ValueError
            A name has more or fewer values than there are seeds.
        """
        seeds = self.seeds if seeds is None else [int(seed) for seed in seeds]
        columns = {name: [_finite(x) for x in _listed(value)] for name, value in values.items()}
        for name, column in columns.items():
            if len(column) != len(seeds):
                raise ValueError(f"{name} has {len(column)} values for {len(seeds)} seeds; give one for each seed")
        self._append({"kind": "metrics", "step": int(step), "seeds": seeds, "values": columns})

    def status(self, seed: int, status: str, detail: str = "") -> None:
        """Record how a seed ended: "ok", "retried" or "failed"."""
        if status not in WORSE:
            raise ValueError(f"status {status!r} is unknown; use one of {', '.join(WORSE)}")
        self._append({"kind": "status", "seed": int(seed), "status": status, "detail": detail})

    def health(self, seed: int, sign: str, term: str, step: int, lasted: bool) -> None:
        """Record what went wrong in a seed's training: which curve showed it, from when, whether to the end."""
        self._append(
            {"kind": "health", "seed": int(seed), "sign": sign, "term": term, "step": int(step), "lasted": bool(lasted)}
        )

    def error(self, message: str, log: Path | str = "") -> None:
        """Record that the whole method failed, and where the log of its job lies."""
        self._append({"kind": "error", "message": message, "log": str(log)})

    def end(self, *, seconds: float, steps: int, replicates: int, device: str, per_sample: float | None = None) -> None:
        """Record that the run came to its end, and its cost; ``per_sample`` is the seconds that one sample takes."""
        cost = {"seconds": float(seconds), "steps": int(steps), "replicates": int(replicates), "device": str(device)}
        cost |= {} if per_sample is None else {"per_sample": float(per_sample)}
        self._append({"kind": "end", **cost})

    def _append(self, event: Mapping[str, object]) -> None:
        # Opened for every line: nothing waits in a buffer when the job is killed.
        with self.path.open("a") as log:
            log.write(json.dumps(event, default=_plain) + "\n")


@dataclass(frozen=True)
class Events:
    """What a log says.

    ``curves`` has the columns step, seed, term and value (nan where training was not finite), of a seed that was
    trained twice the second time, ``status`` the worst status of each seed, ``health`` one row (seed, sign, term,
    step, lasted) for each thing that went wrong, ``error`` is empty unless the whole method failed, ``end`` unless
    the run came to its end.
    """

    params: dict[str, object] = field(default_factory=dict)
    curves: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(CURVES)))
    status: dict[int, str] = field(default_factory=dict)
    detail: dict[int, str] = field(default_factory=dict)
    health: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(HEALTH)))
    error: dict[str, str] = field(default_factory=dict)
    end: dict[str, object] = field(default_factory=dict)


def read_events(path: Path | str) -> Events:
    """Read a log; a last line that a crash cut in two is passed over.

    Raises
    ------
    InputError
        A line before the last is not JSON.
    """
    params, rows, status, detail, health, error, end = {}, [], {}, {}, [], {}, {}
    for event in _events(Path(path)):
        match event["kind"]:
            case "params":
                params |= event["values"]
            case "metrics":
                step, seeds = event["step"], event["seeds"]
                rows += [(step, s, name, x) for name, column in event["values"].items() for s, x in zip(seeds, column)]
            case "status":
                if WORSE[event["status"]] >= WORSE[status.get(event["seed"], "ok")]:
                    status[event["seed"]], detail[event["seed"]] = event["status"], event["detail"]
            case "health":
                health.append([event[name] for name in HEALTH])
            case "error":
                error = {"message": event["message"], "log": event["log"]}
            case "end":
                end = {name: value for name, value in event.items() if name != "kind"}
    curves = pd.DataFrame(rows, columns=list(CURVES)).astype({"value": float})
    curves = curves.drop_duplicates(["step", "seed", "term"], keep="last", ignore_index=True)
    return Events(params, curves, status, detail, pd.DataFrame(health, columns=list(HEALTH)), error, end)


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings with dotted names."""
    out: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            out |= flat(value, f"{prefix}{name}.")
        else:
            out[f"{prefix}{name}"] = list(value) if isinstance(value, tuple) else value
    return out


def _events(path: Path) -> list[dict]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{path} is no event log; run its job again") from None
    events = []
    for number, line in enumerate(lines, start=1):
        try:
            event = json.loads(line)
            events.append({"kind": event["kind"], **event})
        except (ValueError, TypeError, KeyError, RecursionError) as fault:
            if number < len(lines):
                raise InputError(f"{path}: line {number} is not an event; run its job again") from fault
    return events


def _listed(value) -> list[float]:
    return value.tolist() if hasattr(value, "tolist") else list(value)


def _finite(x) -> float | None:
    return float(x) if x is not None and math.isfinite(x) else None


def _plain(value):
    return value.tolist() if hasattr(value, "tolist") else str(value)
