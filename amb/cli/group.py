"""Groups of commands whose help shows in words what an option takes, and nothing for a flag."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from amb.cli.running import interruptible
from amb.streams import ResultsOnly

F = TypeVar("F", bound=Callable[..., Any])
_VALUES = {"str": "TEXT", "path": "PATH", "list[path]": "PATH", "float": "X", "int": "N", "int range": "N"}
"""What an option takes, instead of Python's name of the type."""


def _with_words(parameters: list[Any], context: Any) -> list[Any]:
    for parameter in parameters:
        if isinstance(parameter, TyperArgument):
            _name_argument(parameter)
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""  # otherwise <bool>, as if `--json true` were right
        elif isinstance(parameter, TyperOption) and parameter.metavar is None and hasattr(parameter, "display_type"):
            parameter.metavar = _VALUES.get(str(parameter.display_type(context)).strip("<>").lower())
        if isinstance(parameter, TyperOption) and (words := _default_in_words(parameter)):
            # A text as `show_default` would be shown in parentheses, like a tuple of Python's.
            setattr(parameter, "_get_default_string", lambda words=words, **_: words)  # noqa: B010
    return parameters


def _default_in_words(option: TyperOption) -> str:
    """The default as help shows it, where that is not the value itself; a list can be wrapped in a narrow terminal."""
    if isinstance(option.show_default, str):
        return option.show_default
    return option.default.replace(",", ", ") if isinstance(option.default, str) and "," in option.default else ""


def _name_argument(argument: TyperArgument) -> None:
    """Show an argument as STUDY, or [STUDY] if it may be left out, without Python's name of its type."""
    name = argument.metavar or str(argument.name).upper()
    argument.metavar = name
    setattr(argument, "get_usage_pieces", lambda _: [name if argument.required else f"[{name}]"])  # noqa: B010
    setattr(argument, "display_type_rich", lambda *_, **__: None)  # noqa: B010


class _Command(TyperCommand):
    def get_params(self, ctx: Any) -> list[Any]:
        return _with_words(super().get_params(ctx), ctx)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """For an unknown option, name those whose help begins with its word rather than those spelled like it."""
        try:
            return super().parse_args(ctx, args)
        except Exception as error:  # of click, which newer versions of typer bring along under another name
            word = str(getattr(error, "option_name", "")).strip("-")
            if word and hasattr(error, "possibilities"):  # a known option that lacks its value has none
                meant = re.compile(rf"{re.escape(word.removesuffix('s'))}s?\b", re.IGNORECASE)
                options = [option for option in self.get_params(ctx) if meant.match(getattr(option, "help", "") or "")]
                error.possibilities = [o.opts[0] for o in options] or error.possibilities
            raise

    def invoke(self, ctx: Any) -> Any:
        """With `--json`, stdout has the JSON and nothing else."""
        if not ctx.params.get("json"):
            return super().invoke(ctx)
        with ResultsOnly():
            return super().invoke(ctx)


class EndOfFile(Exception):
    """Stands for an `EOFError`, of which typer would say "Aborted.", as if somebody had left a prompt."""

    def __init__(self, error: EOFError) -> None:
        super().__init__(error)
        self.error = error


class _Group(TyperGroup):
    """Also catches an interruption before typer does, which would end in silence, and the end of a file."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _with_words(super().get_params(ctx), ctx)

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with interruptible(), _ends_of_files():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with interruptible(), _ends_of_files():
            return super().invoke(ctx)


@contextmanager
def _ends_of_files() -> Iterator[None]:
    try:
        yield
    except EOFError as cause:
        raise EndOfFile(cause) from cause


class Group(typer.Typer):
    """A group of commands; without a command it shows its help."""

    def __init__(self, **options: Any) -> None:
        super().__init__(cls=_Group, no_args_is_help=True, **options)

    def command(self, name: str | None = None, **options: Any) -> Callable[[F], F]:
        """As `typer.Typer.command`."""
        return super().command(name, cls=_Command, **options)
