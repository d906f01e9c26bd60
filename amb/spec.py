"""Spec strings: `name[option=value,...]`, the same on the command line and in Python."""

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature
from math import isfinite
from operator import index
from pathlib import Path
from typing import ParamSpec, TypeVar

from amb.errors import AmbError, SpecError

Value = bool | int | float | str
P = ParamSpec("P")
R = TypeVar("R")

_NAME = re.compile(r"[A-Za-z0-9_.*?/:+-]+")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STRING = re.compile(r"[A-Za-z0-9_.+-]+")


@dataclass(frozen=True)
class Spec:
    """A name with options, in canonical order.

    `str(Spec.parse(text))` is canonical: options sorted, no spaces; equal specs have equal strings.
    """

    name: str
    options: tuple[tuple[str, Value], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Spec":
        """Parse `name` or `name[key=value,...]`; values are true/false, integers, floats or bare words.

        Raises:
            SpecError: the text does not have this form, or names an option twice.
        """
        if not isinstance(text, str):
            raise SpecError(f"expected a text such as tt-b[k=50], got {text!r:.80}")
        stripped = text.strip()
        name, bracket, rest = stripped.partition("[")
        if not _NAME.fullmatch(name):
            raise SpecError(f"bad spec {text!r}: expected name or name[option=value,...]")
        if not bracket:
            return cls(name)
        if not rest.endswith("]") or "[" in rest or "]" in rest[:-1]:
            raise SpecError(f"bad spec {text!r}: expected one pair of brackets, at the end, as in tt-b[k=50,lr=0.1]")
        options: dict[str, Value] = {}
        for part in filter(None, (p.strip() for p in rest[:-1].split(","))):
            key, equals, value = (p.strip() for p in part.partition("="))
            if not equals or not _KEY.fullmatch(key):
                raise SpecError(f"bad option {part!r} in {text!r}: expected option=value")
            if key in options:
                raise SpecError(f"option {key!r} is given twice in {text!r}")
            options[key] = parse_value(value, text)
        return cls(name, tuple(sorted(options.items())))

    def __str__(self) -> str:
        if not self.options:
            return self.name
        return f"{self.name}[{','.join(f'{k}={format_value(v)}' for k, v in self.options)}]"


@dataclass(frozen=True)
class ProblemId:
    """The parts of ``<generator>/<target>/<layer>/<unit>[options]``.

    The id of a problem that you define yourself may have fewer parts; the missing ones are "".
    """

    generator: str
    target: str
    layer: str
    unit: str

    @classmethod
    def parse(cls, text: str) -> "ProblemId":
        """The parts of an id, its options left out. Never raises."""
        generator, target, layer, unit, *_ = [*str(text).split("[")[0].split("/"), "", "", "", ""]
        return cls(generator, target, layer, unit)

    @property
    def pair(self) -> str:
        """``<generator>/<target>``: problems of one pair share batches."""
        return "/".join(filter(None, (self.generator, self.target)))

    @property
    def address(self) -> str:
        """``<generator>/<target>/<layer>``: problems of one address differ in their units."""
        return f"{self.generator}/{self.target}/{self.layer}"


def spelt(name: str) -> str:
    """A name of Python's in signs that a spec can have: other letters by their numbers, `é` as `+0000e9`."""
    return re.sub(r"[^A-Za-z0-9_.:-]", lambda letter: f"+{ord(letter[0]):06x}", name)


def foreign_sign(name: str, *, globs: bool = True) -> str | None:
    """The first sign of a name, or of one part of a problem's id, that no spec can have; None: all are allowed.

    Args:
        name: letters and digits of ASCII, and ``_ . : + -``.
        globs: whether ``*`` and ``?`` are allowed: layers are named by their authors, and their own names come before
            globs.
    """
    return next(
        (sign for sign in name if sign == "/" or not _NAME.fullmatch(sign) or (sign in "*?" and not globs)), None
    )


NOISE_OPTIONS = ("noise", "trials", "spikes", "sigma", "std")
"""Options of a problem's spec that `amb` itself handles; problem families never see them.

noise: poisson, bernoulli or gaussian. trials: how many trials are averaged; 1 by default. spikes: how many spikes an
activation of 1 stands for; by default, what the problem counts. sigma: standard deviation of gaussian noise as a share
of the gap between chance and the best known value; 0.1 by default. std: the same in the activation's own units.
"""


TRIAL_OPTIONS = ("drift", "drift_trials", "adaptation", "adaptation_trials", "strong", "burst", "lost", "references")
"""The same for what else distinguishes a trial from an activation: see `amb.contracts.conditions.Conditions`.

strong, the activation on which the strength of adaptation is stated, is by default the best known value.
"""

MEASUREMENT_OPTIONS = (*NOISE_OPTIONS, *TRIAL_OPTIONS)


def split_noise(spec: Spec) -> tuple[Spec, dict[str, Value]]:
    """A problem's spec as it is without measurement, and the options of its measurement: noise and trial effects."""
    options = {key: value for key, value in spec.options if key in MEASUREMENT_OPTIONS}
    return Spec(spec.name, tuple((key, value) for key, value in spec.options if key not in options)), options


def without_noise(problem_id: str) -> str:
    """The id of the same problem without noise and trial effects: its reference points are those of this id."""
    return str(split_noise(Spec.parse(problem_id))[0])


def parse_value(value: str, text: str) -> Value:
    """One option's value; `text` is the whole spec, for the error message."""
    lowered = value.lower()
    if lowered in ("true", "false"):
        return lowered == "true"
    for number in (int, float) if is_plain_number(value) else ():
        try:
            parsed = number(value)
        except ValueError:
            continue
        if not _finite(parsed):
            break
        return parsed
    if not _STRING.fullmatch(value):
        raise SpecError(f"bad value {value!r} in {text!r}: expected a number, true, false or a bare word")
    return value


def _finite(number: int | float) -> bool:
    try:
        return isfinite(number)
    except OverflowError:  # an integer beyond any float
        return False


def format_value(value: Value) -> str:
    """The text that `parse_value` reads back as the same value of the same type."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def split_specs(text: str) -> list[str]:
    """Split `a,b[x=1,y=2],c` at the commas outside brackets; empty parts are dropped."""
    parts, depth, start = [], 0, 0
    for position, char in enumerate(text):
        depth += (char == "[") - (char == "]")
        if char == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


_LONGEST_NAME = 200
"""Bytes of a name. Nearly all file systems allow 255; temporary neighbours need some of them."""


def user_path(path: str | os.PathLike[str]) -> Path:
    """A path that a user gave, with `~` expanded; every path passes here once, where it enters `amb`.

    Raises:
        SpecError: it is empty, contains a zero byte, has a name that is too long for a file system or that is not
            UTF-8, or names no user's home.
    """
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str):
        raise SpecError(f"{path!r:.80} is not a path: expected a text or a pathlib.Path")
    if not text or "\0" in text:
        raise SpecError(f"{text!r} is not a path; the current folder is '.'")
    for name in Path(text).parts:
        try:
            size = len(name.encode())
        except UnicodeEncodeError:
            raise SpecError(
                f"{name!r:.80} is not UTF-8, which tables and pages need; rename the folder or file"
            ) from None
        if size > _LONGEST_NAME:
            raise SpecError(f"{name[:40]}... has {size} bytes; choose a name of at most {_LONGEST_NAME}")
    try:
        return Path(text).expanduser()
    except RuntimeError as cause:  # no such user, or no home
        raise SpecError(f"cannot expand {text!r}: {cause}; write the whole path") from cause


def real_path(path: Path, error: type[AmbError] = SpecError) -> Path:
    """The absolute path without links.

    Raises:
        AmbError: `error`, if a link in it leads back to itself.
    """
    try:
        return path.resolve()
    except (RuntimeError, OSError) as cause:  # until Python 3.12, a loop is a RuntimeError
        raise error(f"{path} is a link that leads back to itself, or cannot be looked up; delete the link") from cause


def user_cache() -> Path:
    """The folder of what can be made again: `AMB_CACHE`, else the user's cache folder; it need not exist."""
    import platformdirs

    return Path(os.environ.get("AMB_CACHE") or platformdirs.user_cache_dir("amb"))


def is_plain_number(text: str) -> bool:
    """Whether the text has none of the liberties that only Python takes with numbers: 1_0, digits of other scripts."""
    return text.isascii() and "_" not in text


def explained(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Of a function, missing, surplus and misspelt arguments are refused in a line that says what it takes.

    Args:
        name: what callers call the function, or the class whose `__init__` it is.
    """

    def explain(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except TypeError as cause:
                if cause.__traceback__ is None or cause.__traceback__.tb_next is not None:  # raised within the function
                    raise
                taken = [one for one in signature(function).parameters.values() if one.name not in ("self", "cls")]
                reason = str(cause).partition("() ")[2] or str(cause)
                raise SpecError(f"{name}: {reason}; it takes {', '.join(map(_described, taken))}") from None

        return call

    return explain


def _described(parameter: Parameter) -> str:
    if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
        return f"{'*' if parameter.kind == Parameter.VAR_POSITIONAL else '**'}{parameter.name}"
    return parameter.name if parameter.default is Parameter.empty else f"{parameter.name}="


def as_text(value: object, what: str) -> str:
    """A text.

    Raises:
        SpecError: it is none.
    """
    if not isinstance(value, str):
        raise SpecError(f"{what} must be a text, got {value!r:.80}")
    return value


def listed(values: Iterable[R], what: str) -> list[R]:
    """Several things, in a list.

    Raises:
        SpecError: they are a text, which would be taken letter by letter, or nothing that can be listed.
    """
    single = getattr(values, "ndim", None) == 0  # an array of one value says that it is iterable
    if isinstance(values, str | bytes) or not isinstance(values, Iterable) or single:
        raise SpecError(f"{what} must be a list, got {values!r:.80}")
    return list(values)


def flag(value: object, what: str) -> bool:
    """A truth value of Python or numpy; anything else, such as the text "no", is a mistake.

    Raises:
        SpecError: it is not True or False.
    """
    if type(value).__name__ not in ("bool", "bool_"):
        raise SpecError(f"{what} must be True or False, got {value!r:.80}")
    return bool(value)


def whole_number(value: object, what: str, least: int, most: int | None = None) -> int:
    """An integer of Python, numpy or any other kind, as a plain one.

    Raises:
        SpecError: it is not an integer, below `least`, or above `most`.
    """
    try:
        number = index(value)  # type: ignore[arg-type]
    except TypeError as cause:
        raise SpecError(f"{what} must be a whole number, got {value!r}") from cause
    if isinstance(value, bool) or number < least:
        raise SpecError(f"{what} must be a whole number of at least {least}, got {value!r}")
    if most is not None and number > most:
        got = f"{number:,}" if number < 10**15 else f"a number of {number.bit_length()} bits"
        raise SpecError(f"{what} must be at most {most:,}, got {got}")
    return number
