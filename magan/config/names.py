"""Types of names and numbers that a study may hold: what becomes a path, and what bounds a run."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

LONGEST = 100  # characters of a name
NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?")
# The tables have rows, and result folders, of these names.
RESERVED = ("all", "baseline", "ceiling", "control", "floor", "written")
DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,3})?")
STORES = ("sqlite", "postgresql", "mysql", "mssql", "http", "https")
STORE = re.compile(rf"({'|'.join(STORES)})(\+[a-z0-9_]+)?://.+", re.DOTALL)
MOST_SEEDS = 100_000
LARGEST_SEED = 2**63 - 1  # tables hold seeds as int64
MOST_STEPS = 1_000_000_000
LARGEST_MINIBATCH = 1_000_000


def checked_name(value: str) -> str:
    """Return a name that may be a part of a path: no separator, not "." or "..", not hidden, not an option.

    Raises
    ------
    ValueError
        The name is empty, too long, or holds anything but ASCII letters, digits, ``_``, ``-`` and inner dots.
    """
    if len(value) > LONGEST:
        raise ValueError(f"give a name of at most {LONGEST} characters")
    if not NAME.fullmatch(value):
        raise ValueError("give a name for a folder, of letters, digits, '_', '-' and, inside, '.'")
    return value


def checked_arm(value: str) -> str:
    """Return a name that an arm may have: `checked_name`, and no row of the tables has it already.

    Raises
    ------
    ValueError
        As `checked_name`; or the name is one of `RESERVED`, in any case.
    """
    if value.casefold() in RESERVED:
        raise ValueError(f"an arm may not be called {', '.join(RESERVED)}, as rows of the tables are; rename it")
    return checked_name(value)


def checked_device(value: str) -> str:
    """Return the name of a device.

    Raises
    ------
    ValueError
        PyTorch trains on no device of this name.
    """
    if not DEVICE.fullmatch(value):
        raise ValueError("give auto, cpu, cuda, cuda:<number> or mps")
    return value


def checked_store(value: str) -> str:
    """Return the address of a tracking store.

    Raises
    ------
    ValueError
        MLflow keeps no store at such an address.
    """
    if not STORE.fullmatch(value):
        raise ValueError(f"give the address of a store, sqlite:///results/mlflow.db or {'://, '.join(STORES[1:])}://")
    if value.startswith("sqlite") and not re.match(r"sqlite(\+\w+)?:///[^?]+", value):
        raise ValueError("give the path of the store's file after three slashes, as in sqlite:///results/mlflow.db")
    return value


def no_bool(value: Any) -> Any:
    """Return ``value``; Python takes true for 1, and nobody who writes ``steps: true`` means that.

    Raises
    ------
    ValueError
        It is true or false.
    """
    if isinstance(value, bool):
        raise ValueError("give a number")
    return value


def bounded_seeds(value: Any) -> Any:
    """Return a count, or a list, of seeds: not more than `MOST_SEEDS`, each an int64.

    Raises
    ------
    ValueError
        There are more, one is larger, or one is true or false.
    """
    if isinstance(value, bool):
        raise ValueError("give a positive count or a list of distinct numbers")
    n = value if isinstance(value, int) else len(value) if isinstance(value, list | tuple) else 0
    if n > MOST_SEEDS:
        raise ValueError(f"give at most {MOST_SEEDS} seeds")
    if isinstance(value, list | tuple):
        for seed in map(no_bool, value):
            if isinstance(seed, int) and seed > LARGEST_SEED:
                raise ValueError(f"give seeds up to {LARGEST_SEED}")
    return value


def _schema(pattern: str, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^({pattern})$", **more})


Name = Annotated[str, AfterValidator(checked_name), _schema(NAME.pattern, maxLength=LONGEST)]
ArmName = Annotated[str, AfterValidator(checked_arm), _schema(NAME.pattern, maxLength=LONGEST)]
Device = Annotated[str, AfterValidator(checked_device), _schema(DEVICE.pattern)]
StoreAddress = Annotated[str, AfterValidator(checked_store), _schema(STORE.pattern)]
Steps = Annotated[int, BeforeValidator(no_bool), Field(ge=1, le=MOST_STEPS)]
MinibatchSize = Annotated[int, BeforeValidator(no_bool), Field(ge=2, le=LARGEST_MINIBATCH)]
ReplicateCount = Annotated[int, BeforeValidator(no_bool), Field(ge=1, le=MOST_SEEDS)]
