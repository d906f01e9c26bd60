"""What the code of a function looks up: names, what it captures, and variables of the environment."""

import dis
import re
from collections.abc import Iterator
from types import CodeType, FunctionType

from amb.variables import unchanged

NO_VALUE = object()
"""Stands for a captured variable that has no value."""
_BY_TEXT = {"getattr", "attrgetter", "methodcaller", "vars", "globals", "__dict__", "__globals__", "f_globals"}
"""What looks names up that are texts."""
_BY_EXPRESSION = {"eval", "exec", "query", "evaluate"}
"""What computes texts, as Python, pandas and numexpr do."""


class Environment:
    """The variables of the environment that some content reads, if it reads any.

    Attributes:
        is_read: whether it does.
        texts: of the content, which may be names of variables.
    """

    def __init__(self) -> None:
        self.is_read = False
        self.texts: set[str] = set()

    def of_named(self) -> str:
        """A text of the variables that are read and named."""
        if not self.is_read:
            return ""
        variables = unchanged()
        return f" environment {[(name, variables[name]) for name in sorted(self.texts & variables.keys())]}"

    def note_names(self, names: set[str]) -> None:
        """Note what some code looks up."""
        self.is_read |= "environ" in names or "getenv" in names


def names_in(code: CodeType) -> set[str]:
    """Names that a function and the functions inside it look up: globals, attributes and modules."""
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*map(names_in, inner))


def read_globals(function: FunctionType, names: set[str]) -> list[str]:
    """Names of the globals that a function and the functions inside it read or set, in order.

    Args:
        function: the function.
        names: what it looks up (`looked_up`): where that may be by texts, all of them may be read.
    """
    by_text = names_in(function.__code__) & (_BY_TEXT | _BY_EXPRESSION)
    read = names if by_text else _read_globals(function.__code__)
    return sorted(read & function.__globals__.keys())


def _read_globals(code: CodeType) -> set[str]:
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    own = (one.argval for one in dis.get_instructions(code) if "GLOBAL" in one.opname or one.opname == "LOAD_NAME")
    return {str(name) for name in own}.union(*map(_read_globals, inner))


def looked_up(function: FunctionType) -> set[str]:
    """Names that a function looks up, with those that may be texts or in texts."""
    own = names_in(function.__code__)
    names = own | set(_texts(function.__code__)) if own & _BY_TEXT else own
    if own & _BY_EXPRESSION:
        given = *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()
        captured = (value for _, value in captured_by(function))
        named = (function.__globals__[name] for name in sorted(own & function.__globals__.keys()))
        return names.union(*map(_in_expression, (function.__code__, *given, *captured, *named)))
    return names


def _in_expression(value: object) -> set[str]:
    """Names in a text, in those of code, or in those of a list."""
    if isinstance(value, str):
        return set(re.findall(r"[^\W\d]\w*", value))
    if isinstance(value, CodeType):
        return names_in(value).union(*map(_in_expression, value.co_consts))
    return set().union(*map(_in_expression, value)) if isinstance(value, list | tuple) else set()


def _texts(code: CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _texts(constant)
        elif isinstance(constant, str):
            yield from constant.split(".")  # operator.attrgetter takes more than one name


def captured_by(function: FunctionType) -> Iterator[tuple[str, object]]:
    """Names and values that a function captures."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # the variable has no value yet, or no longer
            yield name, NO_VALUE
