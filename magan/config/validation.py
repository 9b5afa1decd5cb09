"""What is wrong with settings, in a sentence."""

from collections.abc import Mapping, Sequence
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError

from magan.config.arms import Arm, Training
from magan.errors import InputError, nearest


def arm_of(values: Any) -> Arm:
    """Return a checked arm; ``training`` may also be a `Training`.

    Raises
    ------
    InputError
        The first thing wrong: key, value and remedy in a sentence.
    """
    if isinstance(values, Mapping) and isinstance(values.get("training"), Training):
        values = {**values, "training": values["training"].model_dump(exclude_unset=True)}
    try:
        return Arm.model_validate(values)
    except ValidationError as error:
        raise InputError(sentence(error, values, Arm)) from None


def sentence(invalid: ValidationError, values: Any, root: type[BaseModel]) -> str:
    """The first thing wrong with ``values`` of the model ``root``: full key path, value and remedy."""
    first = _telling(invalid.errors(include_url=False))
    error = first.get("ctx", {}).get("error")
    location = tuple(part for part in first["loc"] if part != "[key]")  # pydantic's mark of a wrong name
    *parents, key = _path(location, values) or ["arm"]
    path = ".".join(parents)
    if first["type"] == "extra_forbidden":
        return f"{path + ': ' if path else ''}unknown key '{key}'{nearest(key, _keys_at(first['loc'][:-1], root))}"
    if first["type"] == "missing":
        return f"{path + ': ' if path else ''}key '{key}' is missing; add it"
    if isinstance(error, InputError):
        return f"{'.'.join([*parents, key])}: {error}"
    message = first["msg"].removeprefix("Value error, ")
    if isinstance(first["input"], Mapping):  # the sentence is about several keys of it
        return f"{'.'.join([*parents, key])}: {message}"
    return f"{'.'.join([*parents, key])}: {message[0].lower()}{message[1:]}, not {first['input']!r}"


def _telling(errors: Sequence[Any]) -> Any:
    """The first error, or the misspelt key that explains it where it is a missing key."""
    first = errors[0]
    *place, key = first["loc"] or ("",)
    if first["type"] == "missing":
        unknown = (e for e in errors if e["type"] == "extra_forbidden" and [*e["loc"][:-1]] == place)
        return next((e for e in unknown if nearest(str(e["loc"][-1]), [str(key)])), first)
    return first


def _path(location: tuple, values: Any) -> list[str]:
    """The keys of a location; pydantic adds the type it tried where a value may be of several."""
    path = []
    for part in location:
        if not isinstance(values, Mapping | list | tuple):
            break
        path.append(str(part))
        within = part in values if isinstance(values, Mapping) else isinstance(part, int) and part < len(values)
        values = values[part] if within else {}
    return path


def _keys_at(location: tuple, root: type[BaseModel]) -> list[str]:
    """Known keys of the model at a location below ``root``."""
    model: Any = root
    is_name = False  # a data set, an arm or a place in a list, whatever it is called
    for part in location:
        if is_name:
            is_name = False
        elif isinstance(model, type) and issubclass(model, BaseModel) and part in model.model_fields:
            annotation = model.model_fields[part].annotation
            model, is_name = _model_in(annotation), get_origin(annotation) in (dict, tuple)
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _model_in(annotation: Any) -> Any:
    """The pydantic model inside ``dict[str, M]``, ``tuple[M, ...]`` or ``M | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _model_in(part)
        if found is not None:
            return found
    return None
