"""Scales on which intensities are compared: arcsinh, logicle, hyperlog, or as they are; each with its inverse.

A scale is written as a number (the cofactor of an arcsinh), as "none", or as a name with parameters, such as
``logicle(t=262144, w=0.5, m=4.5, a=0)``: so studies ask for it, and so models remember it.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
from flowutils import transforms

from magan.errors import InputError, among

DECADES = 4.5  # of logicle and hyperlog, the usual number
NARROWEST = 0.1  # w of a hyperlog without negative values: it has no inverse at 0


class Kind(NamedTuple):
    """What scales of one name have in common; both functions take values and the parameters by name."""

    parameters: dict[str, float | None]  # with their defaults; None: to be estimated from the data
    forward: Callable[..., np.ndarray]
    inverse: Callable[..., np.ndarray]


SCALES = {
    "arcsinh": Kind(
        {"cofactor": 5.0},
        lambda x, cofactor: np.arcsinh(x / cofactor),
        lambda y, cofactor: cofactor * np.sinh(y),
    ),
    "logicle": Kind(
        {"t": None, "w": None, "m": DECADES, "a": 0.0},
        lambda x, **p: transforms.logicle(x, None, **p),
        lambda y, **p: transforms.logicle_inverse(y, None, **p),
    ),
    "hyperlog": Kind(
        {"t": None, "w": None, "m": DECADES, "a": 0.0},
        lambda x, **p: transforms.hyperlog(x, None, **p),
        lambda y, **p: transforms.hyperlog_inverse(y, None, **p),
    ),
    "none": Kind({}, lambda x: x, lambda y: y),
}
SAME = {"null": "none", "linear": "none", "asinh": "arcsinh", "biexponential": "logicle"}  # other words for a name


@dataclass(frozen=True)
class Scale:
    """A scale by name and parameters, in the order of `SCALES`; a parameter of None is yet to be estimated."""

    name: str
    parameters: tuple[tuple[str, float | None], ...] = ()

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Measured values on this scale, float64; what is not finite stays so."""
        return self._apply(SCALES[self.name].forward, values)

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """The way back from `forward`."""
        return self._apply(SCALES[self.name].inverse, values)

    @property
    def is_complete(self) -> bool:
        """Whether no parameter is left to be estimated."""
        return None not in dict(self.parameters).values()

    @property
    def spec(self) -> float | str:
        """A number for an arcsinh, else its text, which `scale_of` reads."""
        if self.name == "arcsinh":
            return cast(float, dict(self.parameters)["cofactor"])
        given = ", ".join(f"{key}={value!r}" for key, value in self.parameters if value is not None)
        return f"{self.name}({given})" if given else self.name

    def _apply(self, function: Callable[..., np.ndarray], values: np.ndarray) -> np.ndarray:
        out = np.array(values, dtype=np.float64)
        finite = np.isfinite(out)
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused where it is written
            out[finite] = function(out[finite], **dict(self.parameters))
        return out


def scale_of(spec: float | str | None, where: str = "transform") -> Scale:
    """The scale that a number, a text or None (the values as they are) asks for.

    Raises
    ------
    InputError
        The name or a parameter is unknown, or a parameter is out of its range.
    """
    if spec is None:
        return Scale("none")
    if isinstance(spec, int | float) and not isinstance(spec, bool):
        return _checked("arcsinh", {"cofactor": float(spec)}, where)
    text = str(spec).strip().lower()
    with_parameters = re.fullmatch(r"([a-z]+)\s*(?:\((.*)\))?", text)
    if not with_parameters:
        try:
            return _checked("arcsinh", {"cofactor": float(text)}, where)
        except ValueError:
            raise InputError(f"{where} is {spec!r}; write a cofactor, or one of {', '.join(SCALES)}") from None
    name, inside = with_parameters.groups()
    name = SAME.get(name, name)
    if name not in SCALES:
        raise InputError(f"{where}: there is no scale {name!r}{among(name, SCALES)}")
    given = {}
    for part in filter(str.strip, (inside or "").split(",")):
        key, _, value = (piece.strip() for piece in part.partition("="))
        if key not in SCALES[name].parameters:
            raise InputError(f"{where}: {name} has no parameter {key!r}{among(key, SCALES[name].parameters)}")
        try:
            given[key] = float(value)
        except ValueError:
            raise InputError(f"{where}: {key} of {name} is {value!r}; give a number") from None
    return _checked(name, given, where)


def estimated(scale: Scale, values: np.ndarray, top: float | None = None) -> Scale:
    """The scale with its missing parameters taken from the values of one channel.

    The top ``t`` is the channel's range ``top`` or, where that is unknown or below the 99.9th percentile, the largest
    value. The width of the linear part is ``w = (m - log10(t / |r|)) / 2`` with r the 5th percentile of the negative
    values, so that they lie in it, as flowCore's ``estimateLogicle`` has it; without negative values w is 0, and 0.1
    for a hyperlog.

    Raises
    ------
    InputError
        There is no positive value to take the top from.
    """
    if scale.is_complete:
        return scale
    found: dict[str, Any] = dict(scale.parameters)
    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    if found["t"] is None:
        largest = float(values.max(initial=0.0))
        enough = top is not None and math.isfinite(top) and len(values) and top >= np.percentile(values, 99.9)
        found["t"] = float(top) if top is not None and enough and top > 0 else largest
        if not found["t"] > 0:
            raise InputError(f"{scale.name} cannot be estimated without positive values; give its t")
    if found["w"] is None:
        below = values[values < 0]
        least = max(NARROWEST if scale.name == "hyperlog" else 0.0, -found["a"])
        found["w"] = least
        if len(below):
            reference = abs(np.percentile(below, 5))
            wanted = (found["m"] - math.log10(found["t"] / reference)) / 2
            found["w"] = float(np.clip(wanted, least, (found["m"] - max(found["a"], 0)) / 2))
    return _checked(scale.name, found, "transform")


def complete(spec: float | str | None, values: np.ndarray, top: float | None = None) -> float | str:
    """The spec of a scale with its missing parameters `estimated`."""
    return estimated(scale_of(spec), values, top).spec


def _checked(name: str, given: Mapping[str, float | None], where: str) -> Scale:
    found: dict[str, Any] = {**SCALES[name].parameters, **given}
    for key, value in found.items():
        if value is not None and (not math.isfinite(value) or (key in ("cofactor", "t", "m") and value <= 0)):
            what = key if name == "arcsinh" else f"{where}: {key} of {name}"
            raise InputError(f"{what} must be positive, not {value:g}")
    if "w" in found and found["w"] is not None:
        w, m, a = found["w"], found["m"], found["a"]
        if not (0 <= w <= m / 2 and -w <= a <= m - 2 * w):
            said = f"w={w:g} m={m:g} a={a:g}"
            raise InputError(f"{where}: {name} needs 0 <= w <= m / 2 and -w <= a <= m - 2 w, not {said}")
        if name == "hyperlog" and w <= 0:
            raise InputError(f"{where}: hyperlog needs a linear part; give a w above 0")
    return Scale(name, tuple(found.items()))
