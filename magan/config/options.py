"""Options of a builder, checked against its signature before anything runs."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from magan.config.signatures import parameters
from magan.errors import InputError, among


def check_options(given: Mapping[str, Any], source: str, place: str, hidden: Sequence[str]) -> None:
    """Refuse options that the builder does not have, and values of a wrong type or range.

    Parameters
    ----------
    given
        Option -> value, as in a study.
    source
        "module:function" whose parameters are the options. Its annotations say what values may be. Nothing is
        converted: a string is no boolean, and a boolean no number.
    place
        Key path of the options in the study.
    hidden
        Parameters that are no options.

    Raises
    ------
    InputError
        The first unknown option, with the nearest known one, or the first wrong value and what it should be.
    """
    model = options_model(source, tuple(hidden))
    for name in given:
        if name not in model.model_fields:
            raise InputError(f"{place}: unknown option '{name}'{among(name, model.model_fields)}")
    try:
        model.model_validate(dict(given))
    except ValidationError as invalid:
        first = invalid.errors(include_url=False)[0]
        name, *parts = first["loc"]
        path = ".".join([place, str(name), *(str(part) for part in parts if isinstance(part, int))])
        raise InputError(f"{path}: {_wanted(first)}, not {first['input']!r}{_number(first)}") from None


@cache
def options_model(source: str, hidden: tuple[str, ...]) -> type[BaseModel]:
    """Return the pydantic model of the options of "module:function": a field for each parameter that is not hidden.

    An option that is None by default may be None; a parameter without annotation may be anything.
    """
    fields: dict[str, Any] = {
        name: (_from_yaml(parameter.annotation), ... if parameter.is_required else None)
        for name, parameter in parameters(source).items()
        if name not in hidden
    }
    name = source.partition(":")[2]
    return create_model(name, __config__=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False), **fields)


def _wanted(error: Mapping[str, Any]) -> str:
    if error["type"] in ("is_instance_of", "sequence_str"):
        return "input should be a list"
    return f"{error['msg'][0].lower()}{error['msg'][1:]}"


def _number(error: Mapping[str, Any]) -> str:
    """Return the remedy for a number that YAML reads as a string, as it does 1e-3."""
    try:
        number = float(error["input"]) if isinstance(error["input"], str) and "num" in error["msg"] else None
    except ValueError:
        number = None
    return "" if number is None else f"; write {number}"


def _from_yaml(hint: Any) -> Any:
    """Return the type of an option in YAML, which has lists and no tuples; the items of a list stay strict."""
    return Annotated[hint, Field(strict=False)] if get_origin(hint) is tuple else hint
