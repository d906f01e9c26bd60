"""Checks of what plug-ins and a user's own objects hand back: attributes that they must set, arrays that they return.

An array of the wrong shape or type is refused and never broadcast, cut or cast: a generator that returns one image for
sixteen latents would otherwise give sixteen candidates one value.

What foreign code returns stays its own: it may write into the same array the next time that it is called. So `numbers`
and `images` return copies, and arrays and lists that are given to foreign code and used afterwards are copies as well.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np

from amb.contracts.real_numbers import is_masked
from amb.contracts.space import FloatArray
from amb.errors import PluginError
from amb.foreign import contained, in_a_line

_FLOAT64 = np.dtype(np.float64)


def is_column(values: object, rows: int) -> TypeGuard[FloatArray]:
    """Whether values are float64[rows] already and no masked array, so that `numbers` would return them as they are."""
    return type(values) is np.ndarray and values.dtype == _FLOAT64 and values.shape == (rows,)


def numbers(values: object, shape: tuple[int, ...], source: str) -> FloatArray:
    """Numbers as float64, a copy; they may be NaN or infinite.

    Args:
        values: what was returned.
        shape: the shape that was expected.
        source: what returned them, for the message, such as "target retina".

    Raises:
        PluginError: something other than numbers, or of another shape.
    """
    if is_masked(values):
        raise PluginError(f"{source} returned a masked array; expected numbers {_listed(shape)}, NaN for missing ones")
    array = _array(values)
    if array is None or array.dtype.kind not in "fiu" or array.shape != shape:
        raise PluginError(f"{source} returned {described(values)}; expected numbers {_listed(shape)}")
    return array.astype(np.float64)


def images(pixels: Any, shape: tuple[int | str, ...], source: str, *, copy: bool = True) -> Any:
    """Images uint8 of a shape, a copy; a word in `shape`, such as "h", stands for any number.

    Args:
        pixels: what was returned, an array or a tensor.
        shape: number, height, width and channels.
        source: what returned them, for the message, such as "generator bars".
        copy: False where they are copied at once anyway.

    Raises:
        PluginError: another type or shape.
    """
    actual = tuple(getattr(pixels, "shape", ()))
    fits = len(actual) == len(shape) and all(
        isinstance(expected, str) or expected == got for expected, got in zip(shape, actual, strict=True)
    )
    if not fits or str(getattr(pixels, "dtype", "")).removeprefix("torch.") != "uint8":
        raise PluginError(f"{source} returned {described(pixels)}; expected images uint8 {_listed(shape)}")
    return copied(pixels) if copy else pixels


def copied(array: Any) -> Any:
    """A copy of an array, or of a tensor on its device, for foreign code that may change it; anything else as it is."""
    copy = getattr(array, "clone", None) or getattr(array, "copy", None)
    return array if copy is None else copy()


@dataclass(frozen=True)
class Attribute:
    """An attribute that a contract requires.

    Attributes:
        holds: what it is, for messages.
        valid: whether a value can be one.
    """

    holds: str
    valid: Callable[[Any], bool]


def is_name(value: object) -> bool:
    """Whether a value can be a part of a problem's id."""
    return isinstance(value, str) and bool(re.fullmatch(r"[A-Za-z0-9_.:+-]+", value))


def is_shape(value: object) -> bool:
    """Whether a value is height, width and channels."""
    return isinstance(value, Sequence) and len(value) == 3 and all(map(is_count, value))


def is_count(value: object) -> bool:
    """Whether a value is an integer, at least 1."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= 1


def is_text(value: object) -> bool:
    """Whether a value is a string that is not empty, without halves of characters, which no file can hold."""
    return isinstance(value, str) and value != "" and not any("\ud800" <= sign <= "\udfff" for sign in value)


def is_switch(value: object) -> bool:
    """Whether a value is True or False."""
    return isinstance(value, bool)


def are_names(value: object) -> bool:
    """Whether a value is a sequence of strings."""
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(one, str) for one in value)


def facts(owner: Any, source: str) -> dict[str, object]:
    """What `owner.facts()` says, for `amb problems show`; names as texts.

    Args:
        owner: a problem, generator or target.
        source: what it is, for the message, such as "target retina".

    Raises:
        PluginError: they are no mapping, or a value cannot be shown.
    """
    with contained():
        found = owner.facts()
        if not isinstance(found, Mapping):
            raise PluginError(f"facts() of {source} returned {described(found)}; expected a mapping of names to values")
        try:
            named = {str(name): value for name, value in found.items()}
            "".join(map(str, named.values()))
        except Exception as cause:  # of a value's own text, or a number of too many digits
            raise PluginError(f"facts() of {source} cannot be shown: {in_a_line(cause)}") from cause
    return named


def are_layers(value: object) -> bool:
    """Whether a value maps names to numbers of units."""
    return isinstance(value, Mapping) and all(map(is_text, value)) and all(map(is_count, value.values()))


def attributes(instance: object, required: Mapping[str, Attribute], contract: str, owner: str) -> None:
    """Refuse an object that does not set an attribute of its contract, or not to a value that makes sense.

    Properties count as set and are not computed.

    Args:
        instance: a generator, target or problem.
        required: the attributes by name.
        contract: the class that describes them, such as "amb.Generator".
        owner: what lacks them, for the message.

    Raises:
        PluginError: an attribute is missing or wrong; the message names it and says what it holds.
    """
    absent = object()
    missing = {name: one for name, one in required.items() if inspect.getattr_static(instance, name, absent) is absent}
    if missing:
        holds = ", ".join(f"{name} is {one.holds}" for name, one in missing.items())
        raise PluginError(f"{owner} does not set {', '.join(missing)}; see {contract}: {holds}")
    for name, one in required.items():
        value = inspect.getattr_static(instance, name)
        if not _computed(value) and not one.valid(value):
            shown = repr(value)
            raise PluginError(f"{owner} sets {name} = {shown[:60]}; see {contract}: {name} is {one.holds}")


def described(value: object) -> str:
    """Type and shape of an array, or what else it is."""
    if not hasattr(value, "shape"):
        return f"{value!r:.60}" if value is None or isinstance(value, int | float | str) else type(value).__name__
    return f"{str(getattr(value, 'dtype', type(value).__name__)).removeprefix('torch.')} {list(value.shape)}"


def _computed(value: object) -> bool:
    """Whether a class attribute is a property of some kind, whose value may cost loading a network."""
    return hasattr(type(value), "__get__") and not inspect.isclass(value)


def _array(values: object) -> "np.ndarray[Any, Any] | None":
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError):  # ragged rows; a tensor with gradients or on another device
        return None


def _listed(shape: tuple[int | str, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"
