"""The fingerprint of a user's module: what it is, and what it answers.

Two networks that differ in anything that changes an answer must differ in their fingerprints; equal networks must have
equal ones, in any process. So no addresses and no order of hashes enters, and no memory that a presentation leaves.
"""

import functools
import hashlib
import types
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from amb.errors import CheckpointError
from amb.installed import installed
from amb_problems.tensor_content import content

if TYPE_CHECKING:
    from amb_problems.targets.plain.responses import Responses


def identity(module: nn.Module, settings: object, volatile: set[str]) -> str:
    """A hash of a module's classes, weights, buffers and attributes, but for those that packages keep to themselves.

    Args:
        module: the module.
        settings: how it is measured; anything simple.
        volatile: attributes that a presentation assigns, `<part>.<attribute>` each; they are left out.
    """
    digest = hashlib.sha256()
    for line in _described(settings):
        digest.update(line)
    for name, part in module.named_modules():
        digest.update(f"\n{name} {_class(part)}".encode())
        if isinstance(part, torch.jit.ScriptModule):
            digest.update(str(getattr(part, "code", "")).encode())
            held: dict[str, Any] = {
                **dict(part.named_parameters(recurse=False)),
                **dict(part.named_buffers(recurse=False)),
            }
        else:
            held = {**_attributes(part), **part._parameters, **part._buffers}
        for key in sorted(held):
            if f"{name}.{key}" not in volatile:
                digest.update(f"\n{key}=".encode())
                for line in _described(held[key]):
                    digest.update(line)
    return digest.hexdigest()


def refuse_another(owner: str, found: str, expected: str | None) -> None:
    """Refuse what a function makes again, in a copy, if it is not the network that the fingerprint was told of.

    Args:
        owner: the target or generator, for the message.
        found, expected: the hashes of the network and of the one before; None: there was none.

    Raises:
        CheckpointError: they differ.
    """
    if expected not in (None, found):
        raise CheckpointError(
            f"{owner}: the function that makes its network returned another one than before: its hash is "
            f"{found[:16]}, expected {expected[:16]}; make the {owner.split()[0]} again, or pass the module itself"
        )


def assigned(module: nn.Module, use: Callable[[], object]) -> set[str]:
    """Attributes that a use of a module assigns, as `identity` takes them."""
    parts = dict(module.named_modules())
    before = {name: dict(vars(part)) for name, part in parts.items()}
    use()
    return {
        f"{name}.{key}"
        for name, part in parts.items()
        for key, value in vars(part).items()
        if before[name].get(key, parts) is not value
    }


def behaviour(responses: "Responses") -> str:
    """A hash of the answers of every layer to fixed images."""
    digest, names = hashlib.sha256(), tuple(responses.layers)
    images = torch.cat([responses.source.probes("grey", 1), responses.source.probes("random", 2)])
    for name, answer in responses.means(images, names).items():
        digest.update(f"\n{name} {responses.shapes[name]}".encode())
        digest.update(np.ascontiguousarray(answer + 0.0).tobytes())
    return digest.hexdigest()


def _described(value: Any, depth: int = 0) -> Iterator[bytes]:
    """A description of a value that is the same in every process."""
    if isinstance(value, Tensor):
        yield from _tensor(value)
    elif isinstance(value, np.ndarray):
        yield f"{value.dtype} {value.shape}".encode() + (b"" if value.dtype == object else value.tobytes())
    elif value is None or isinstance(value, bool | int | float | complex | str | bytes | torch.dtype | torch.device):
        yield repr(value).encode()
    elif isinstance(value, type):
        yield _name(value).encode()
    elif depth > _DEEP or isinstance(value, nn.Module):  # submodules are described under their own names
        yield _class(value).encode()
    elif isinstance(value, Mapping):
        yield _class(value).encode()
        for key, item in sorted(value.items(), key=lambda pair: repr(_simple(pair[0]))):
            yield repr(_simple(key)).encode()
            yield from _described(item, depth + 1)
    elif isinstance(value, list | tuple):
        yield _class(value).encode()
        for item in value:
            yield from _described(item, depth + 1)
    elif isinstance(value, set | frozenset):
        yield from sorted(b"".join(_described(item, depth + 1)) for item in value)
    else:
        yield from _other(value, depth)


_DEEP = 6
_OF_TORCH = frozenset(vars(nn.Module()))


def _attributes(owner: object) -> dict[str, Any]:
    """Attributes by which an object's answers may differ; private ones are a matter of who has written its class."""
    own = not installed(type(owner))
    return {
        key: value
        for key, value in getattr(owner, "__dict__", {}).items()
        if isinstance(key, str) and (key[0] != "_" or (own and key not in _OF_TORCH)) and key != "training"
    }


def _other(value: Any, depth: int) -> Iterator[bytes]:
    """Functions by name, defaults and what they close over; methods with their object; objects by class and attributes.

    Not by their code, which every version of Python compiles otherwise: it is told by its answers.
    """
    if isinstance(value, functools.partial):
        yield from _described([value.func, value.args, value.keywords], depth + 1)
    elif isinstance(value, types.FunctionType | types.MethodType | types.BuiltinFunctionType):
        yield _name(value).encode()
        owner = getattr(value, "__self__", None)
        if isinstance(value, types.MethodType) and not isinstance(owner, nn.Module):
            yield from _described(owner, depth + 1)
        function = getattr(value, "__func__", value)
        for cell in getattr(function, "__closure__", None) or ():
            try:
                yield from _described(cell.cell_contents, depth + 1)
            except ValueError:  # a variable that has not been assigned yet
                continue
        yield from _described(getattr(function, "__defaults__", None), depth + 1)
    else:
        yield _class(value).encode()
        if held := _attributes(value):
            yield from _described(held, depth + 1)


def _tensor(tensor: Tensor) -> Iterator[bytes]:
    yield f"{tensor.dtype} {list(tensor.shape)}".encode()
    held = (tensor,) if tensor.layout == torch.strided and not tensor.is_quantized else content(tensor)
    for part in held:
        if part.numel():
            yield part.detach().cpu().resolve_conj().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def _simple(key: object) -> object:
    return key if isinstance(key, str | int | float | bool | tuple | None) else _class(key)


def _class(value: object) -> str:
    return _name(type(value))


def _name(definition: Any) -> str:
    """Module and name; a process that is spawned calls the script that spawned it `__mp_main__`."""
    module = "__main__" if definition.__module__ == "__mp_main__" else definition.__module__
    return f"{module}.{definition.__qualname__}"
