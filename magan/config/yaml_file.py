"""Read a YAML file that a user wrote: plain values, no key twice, nothing that grows when it is read."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from magan.errors import InputError

LARGEST = 10_000_000  # bytes of a file
MOST_VALUES = 1_000_000  # in a file, those that an alias repeats counted again


class _Loader(yaml.SafeLoader):
    """The safe loader, which makes plain values only, but for a key that stands twice."""


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict:
    seen: set[Hashable] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise yaml.constructor.ConstructorError(None, None, "a key is a list or a mapping", key_node.start_mark)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"key '{key}' stands twice", key_node.start_mark)
        seen.add(key)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=deep)


def _construct(loader: _Loader, node: yaml.MappingNode):
    values: dict = {}
    yield values
    values.update(_mapping(loader, node))


_Loader.add_constructor("tag:yaml.org,2002:map", _construct)


def read_yaml(path: str | Path) -> Any:
    """Return the plain values of a YAML file, None where it is empty.

    Raises
    ------
    InputError
        The file is missing, too large, not UTF-8 or not YAML; a key stands twice; values are nested too deeply, hold
        themselves, or multiply through aliases.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; correct the path")
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path} has {path.stat().st_size} bytes, more than {LARGEST}; give a file of settings")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the file") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, name: str) -> Any:
    """Return the plain values of YAML text; ``name`` is what an error calls it.

    Raises
    ------
    InputError
        As `read_yaml`.
    """
    try:
        values = yaml.load(text, Loader=_Loader)
        _count(values, name, {}, set())
    except yaml.YAMLError as error:
        raise InputError(f"{name}: not YAML, {' '.join(str(error).split())}; correct the file") from None
    except RecursionError:
        raise InputError(f"{name}: values are nested too deeply; correct the file") from None
    except (ValueError, OverflowError) as error:  # a date such as 2020-99-99
        raise InputError(f"{name}: not YAML, {error}; correct the file") from None
    return values


def _count(value: Any, name: str, known: dict[int, int], above: set[int]) -> int:
    """Count the values inside a value, an aliased value at every place where it stands."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) in above:
        raise InputError(f"{name}: a value holds itself through an alias; write it out")
    if id(value) not in known:
        inner = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_count(part, name, known, above | {id(value)}) for part in inner)
        if known[id(value)] > MOST_VALUES:
            raise InputError(f"{name}: aliases make more than {MOST_VALUES} values; write out what is meant")
    return known[id(value)]
