"""Parameters of a function, read from its source: a study is checked without importing what it names."""

import ast
import typing
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from magan import option_types
from magan.errors import InputError

KNOWN = {**vars(typing), **vars(option_types), "Mapping": Mapping, "Sequence": Sequence}


class Parameter(NamedTuple):
    """An option of a function."""

    annotation: Any  # Any where the annotation names what only the module itself knows
    is_required: bool


@cache
def parameters(source: str) -> dict[str, Parameter]:
    """The parameters of "module:function", in order.

    Annotations may name the types of `magan.option_types`, of ``typing`` and the built-in ones.

    Raises
    ------
    InputError
        There is no such function in the module.
    """
    module, _, name = source.partition(":")
    spec = find_spec(module)
    tree = ast.parse(Path(spec.origin).read_text()) if spec and spec.origin else ast.Module([], [])
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return dict(_parameters(node.args))
    raise InputError(f"{source}: there is no such function; correct its entry in the registry")


def _parameters(arguments: ast.arguments) -> Iterator[tuple[str, Parameter]]:
    positional = [*arguments.posonlyargs, *arguments.args]
    given: list[ast.expr | None] = [*[None] * (len(positional) - len(arguments.defaults)), *arguments.defaults]
    for argument, default in [*zip(positional, given), *zip(arguments.kwonlyargs, arguments.kw_defaults)]:
        yield argument.arg, Parameter(_annotation(argument.annotation), default is None)


def _annotation(node: ast.expr | None) -> Any:
    if node is None:
        return Any
    try:
        return eval(ast.unparse(node), dict(KNOWN))  # the package's source, never a study
    except NameError:
        return Any
