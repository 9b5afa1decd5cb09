"""How stages write: beside the place and renamed, so that nothing half-written is ever taken for a result."""

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from anndata import AnnData

from magan import keys
from magan.errors import InputError
from magan.tasks.batch_correction.safety_gate import GATE


def code() -> str:
    """Twelve hexadecimal digits of the package's own code: whether the same is run again."""
    root = Path(__file__).parents[1]
    return hashlib.sha256(b"".join(p.read_bytes() for p in sorted(root.rglob("*.py")))).hexdigest()[:12]


@contextlib.contextmanager
def log_to(path: str | Path) -> Iterator[None]:
    """Send what a job prints to its log file; an `InputError` ends the job with its sentence alone."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with Path(path).open("w") as log, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        try:
            yield
        except InputError as error:
            print(f"error: {error}", file=log, flush=True)
            print(f"error: {error}", file=sys.__stderr__, flush=True)
            sys.exit(1)


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """A path to write to, which takes its place as ``path`` once the block has ended well.

    Raises
    ------
    InputError
        The folder cannot be written to.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
    except OSError as error:
        raise InputError(f"{path.parent} cannot be written to ({error.strerror}); choose another folder") from None
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write(adata: AnnData, path: str | Path) -> None:
    """An AnnData as .h5ad."""
    with atomic_write(path) as part:
        adata.write_h5ad(part)


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """A table, tab separated; floats with all their digits, so that reading gives the same numbers."""
    with atomic_write(path) as part:
        table.to_csv(part, sep="\t", index=False)


def read_gate(path: str | Path) -> pd.DataFrame:
    """The safety gate's table; what names something is text, "" where there is none."""
    words = ("batch", "population", "marker", "flag")
    blank = {column: [""] for column in GATE if column not in words}
    return pd.read_csv(path, sep="\t", dtype=dict.fromkeys(words, str), keep_default_na=False, na_values=blank)


def read_metrics(path: str | Path) -> pd.DataFrame:
    """A metrics or summary table; seeds are words, "" where there is none."""
    text = {name: str for name in (*keys.METRICS[:-1], "best_baseline")}
    table = pd.read_csv(
        path, sep="\t", dtype=text, keep_default_na=False, na_values={"value": [""]}, float_precision="round_trip"
    )
    numbers = [c for c in table.columns if c not in text]
    return table.assign(**{c: pd.to_numeric(table[c]) for c in numbers})
