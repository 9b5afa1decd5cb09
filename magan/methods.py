"""Methods that a study can name, a row for each: the output of `magan methods`."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from magan.baselines import BASELINES
from magan.correspondences import CORRESPONDENCES
from magan.models import ALIGNING, GENERATING
from magan.presets import PRESETS
from magan.techniques import TECHNIQUES

# kind -> registry, and the parameters of its builders that are no options
REGISTRIES: Mapping[str, tuple[Mapping[str, Callable], Sequence[str]]] = {
    "model of two domains": (ALIGNING, ("shapes", "correspondence")),
    "model of samples": (GENERATING, ("shapes",)),
    "correspondence": (CORRESPONDENCES, ("x1", "x2", "seeds")),
    "technique": (TECHNIQUES, ("recipe",)),
    "baseline": (BASELINES, ("x1", "x2", "query")),
}


class Method(NamedTuple):
    """Name that a study may use. The options of a preset are its settings; all remaining options are defaults."""

    kind: str
    name: str
    options: Mapping[str, object]
    summary: str  # one line


def methods() -> Iterator[Method]:
    """Yield every preset, model, correspondence, technique and baseline, in the order of their registries."""
    for name, preset in PRESETS.items():
        yield Method("preset", name, {"version": preset.version, **preset.arm}, preset.summary)
    for kind, (registry, hidden) in REGISTRIES.items():
        for name, builder in registry.items():
            parameters = inspect.signature(builder).parameters.items()
            options = {option: parameter.default for option, parameter in parameters if option not in hidden}
            yield Method(kind, name, options, summary(builder))


def summary(builder: Callable) -> str:
    """Return the first line of the docstring of a function or of a partial function."""
    text = inspect.getdoc(getattr(builder, "func", builder)) or ""
    return text.split("\n")[0]


def table(kind: str | None = None) -> str:
    """Return text for a terminal: a line for each method of a kind (None: of all kinds), and below it its options."""
    lines: list[str] = []
    last = ""
    for method in methods():
        if kind is not None and method.kind != kind:
            continue
        if method.kind != last:
            lines += ["", f"{method.kind}:"] if lines else [f"{method.kind}:"]
            last = method.kind
        lines.append(f"  {method.name:26}{method.summary}")
        if method.options:
            lines.append(f"  {'':26}{', '.join(f'{name}={value!r}' for name, value in method.options.items())}")
    return "\n".join(lines)
