"""How stages write their logs and their results."""

import contextlib
import hashlib
import re
import sys
import traceback
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any, TextIO

import pandas as pd
from anndata import AnnData

from magan import keys
from magan.atomic_write import atomic_write
from magan.errors import InputError
from magan.stages.failures import machine_fault
from magan.stages.workflow_watch import end_with_workflow

__all__ = ["atomic_write", "code", "log_to", "read_gate", "read_metrics", "write", "write_table"]

# A spreadsheet runs a cell that begins so; a sign before a number is no formula.
FORMULA = re.compile(r"[=@\t\r]|[+-](?![\d.])|[+-][\d.][\d.eE+-]*[^\d.eE+-]")
QUOTED = re.compile(rf"'+(?:{FORMULA.pattern})")


def code() -> str:
    """Return twelve hexadecimal digits of the package's code, which change whenever the code changes."""
    root = Path(__file__).parents[1]
    return hashlib.sha256(b"".join(p.read_bytes() for p in sorted(root.rglob("*.py")))).hexdigest()[:12]


@contextlib.contextmanager
def log_to(path: str | Path) -> Iterator[None]:
    """Send what a job prints to its log file, and end the job when its workflow has gone.

    An `InputError`, and a failure of the disk, the memory or the device, end the job with 1 and a sentence on stderr;
    the log of the latter also holds the trace.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    log = Path(path).open("w")  # noqa: SIM115, closed below, where a full disk must not hide the first error
    try:
        with end_with_workflow(), contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            yield
        log.close()
    except InputError as error:
        _end(str(error), log)
    except Exception as error:
        sentence = machine_fault(error)
        if not sentence:
            with contextlib.suppress(OSError):
                log.close()
            raise
        with contextlib.suppress(OSError):
            traceback.print_exc(file=log)
        _end(sentence, log)
    finally:
        with contextlib.suppress(OSError):
            log.close()


def _end(sentence: str, log: TextIO) -> None:
    """Write the fault that stopped the job to stderr and to the log, which a full disk may refuse."""
    print(f"error: {sentence}", file=sys.__stderr__, flush=True)
    with contextlib.suppress(OSError, ValueError):
        print(f"error: {sentence}", file=log, flush=True)
    sys.exit(1)


def write(adata: AnnData, path: str | Path) -> None:
    """Write an AnnData as .h5ad."""
    with atomic_write(path) as part:
        adata.write_h5ad(part)


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table, tab separated; floats with all their digits, so that reading gives the same numbers.

    A text that a spreadsheet would run as a formula gets an apostrophe in front; `unquoted` takes it away.
    """
    texts = table.select_dtypes(exclude=["number", "bool"]).columns
    with atomic_write(path) as part:
        table.assign(**{c: table[c].map(_quoted) for c in texts}).to_csv(part, sep="\t", index=False)


def read_gate(path: str | Path) -> pd.DataFrame:
    """Read the safety gate's table; what names something is text, "" where there is none."""
    words = (keys.BATCH, "population", keys.MARKER, "partners", keys.FLAG)
    blank = {column: [""] for column in keys.GATE if column not in words}
    table = pd.read_csv(path, sep="\t", dtype=dict.fromkeys(words, str), keep_default_na=False, na_values=blank)
    return unquoted(table)


def read_metrics(path: str | Path) -> pd.DataFrame:
    """Read a metrics or summary table; seeds are words, "" where there is none."""
    text: dict[Hashable, Any] = {name: str for name in (*keys.METRICS[:-1], "best_baseline")}
    table = pd.read_csv(
        path, sep="\t", dtype=text, keep_default_na=False, na_values={"value": [""]}, float_precision="round_trip"
    )
    numbers = [c for c in table.columns if c not in text]
    return unquoted(table.assign(**{c: pd.to_numeric(table[c]) for c in numbers}))


def unquoted(table: pd.DataFrame) -> pd.DataFrame:
    """The table without the apostrophes that `write_table` put in front of texts."""
    texts = table.select_dtypes(exclude=["number", "bool"]).columns
    return table.assign(**{column: table[column].map(_unquoted) for column in texts})


def _quoted(value: object) -> object:
    formula = isinstance(value, str) and (FORMULA.match(value) or QUOTED.match(value))
    return f"'{value}" if formula else value


def _unquoted(value: object) -> object:
    return value[1:] if isinstance(value, str) and QUOTED.match(value) else value
