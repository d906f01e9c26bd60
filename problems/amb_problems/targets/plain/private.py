"""A private copy of a user's module: what the user does later changes no value, and nothing here changes the module."""

import copy
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from amb.errors import SpecError


class Uncopyable(SpecError):
    """A module that cannot be copied.

    Args:
        owner: the target, for the message.
        error: what was raised.
    """

    def __init__(self, owner: str, error: Exception) -> None:
        super().__init__(
            f"{owner}: the module cannot be copied ({_line(error)}); pass a function that creates it instead: "
            "amb.target(make_network, ...)"
        )


def private_copy(module: nn.Module, owner: str) -> nn.Module:
    """A deep copy in evaluation mode, at whatever state the module is in.

    Compiled modules are replaced by the modules that they compile. Functions that the module keeps, hooks among them,
    are copied with the variables that they close over, so that they too act on the copy.

    Args:
        module: the user's module; it is only read.
        owner: the target, for messages.

    Raises:
        SpecError: it has no weights yet (lazy), or cannot be copied.
    """
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if is_lazy(tensor):
            raise SpecError(f"{owner}: {name} is lazy and has no values yet; run one image through the module first")
    if inner := _inside_itself(module):
        raise SpecError(
            f"{owner}: the module holds itself, as {inner}, and torch cannot walk through it; keep that reference "
            "in a list or a weakref"
        )
    memo: dict[int, Any] = {}
    try:
        with _Leaves():
            private = copy.deepcopy(module, memo)
        _refuse_shared(module, private)
        private = _uncompiled(private)
        if isinstance(private, torch.jit.ScriptModule):
            private = Scripted(private)
        for part in private.modules():
            if not isinstance(part, torch.jit.ScriptModule):
                _rebind_all(vars(part), memo)
            if isinstance(part, nn.TransformerEncoderLayer):
                part.register_forward_hook(_keep_slow_path)
    except Exception as error:  # anything may hang on a user's module
        raise Uncopyable(owner, error) from error
    evaluate(private)
    return private


class Scripted(nn.Module):
    """A scripted module, some of which take no hooks, inside one that does."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Any:
        """What the module returns."""
        return self.module(x)


def evaluate(module: nn.Module) -> None:
    """Evaluation mode; modules of torch.export have no modes."""
    try:
        module.eval()
    except NotImplementedError:
        return


def _refuse_shared(module: nn.Module, private: nn.Module) -> None:
    """A class may define its own `__deepcopy__`, whose result is the module itself or keeps its weights."""
    parts = list(module.modules())  # kept, so that no identity is used twice
    if {id(part) for part in parts} & {id(part) for part in private.modules()}:
        raise ValueError("its copy is the module itself, or holds parts of it")
    if shared := _storages(module) & _storages(private):
        raise ValueError(f"its copy shares {len(shared)} of its tensors")


def _storages(module: nn.Module) -> set[int]:
    """Addresses of the parameters' and buffers' memory."""
    tensors = [*module.parameters(), *module.buffers()]
    return {tensor.untyped_storage().data_ptr() for tensor in tensors if tensor.layout == torch.strided} - {0}


def _keep_slow_path(_: object, __: object, ___: object) -> None:
    """A hook that does nothing, on encoder layers: torch computes otherwise where no part of them has a hook, so a
    layer's values would depend on which other layers are read.
    """


def further_copy(module: nn.Module, *, share: bool = True) -> nn.Module:
    """Another copy of a private copy, for another thread, by default with the same parameters."""
    memo: dict[int, Any] = {id(p): p for p in module.parameters()} if share else {}
    with _Leaves():
        other = copy.deepcopy(module, memo)
    for part in other.modules():
        if not isinstance(part, torch.jit.ScriptModule):
            _rebind_all(vars(part), memo)
    return other


class _Leaves(TorchFunctionMode):
    """Inside, tensors that hang on a graph, such as a membrane after a training step, are copied without it."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is Tensor.__deepcopy__ and not args[0].is_leaf:
            tensor, memo = args
            memo[id(tensor)] = tensor.detach().clone()
            return memo[id(tensor)]
        return func(*args, **(kwargs or {}))


def _inside_itself(module: nn.Module) -> str:
    """The name of a submodule that is one of the modules that hold it; empty if there is none."""
    done: set[int] = set()

    def found(part: nn.Module, name: str, above: frozenset[int]) -> str:
        if id(part) in above:
            return name
        if id(part) in done:
            return ""
        inside = above | {id(part)}
        for key, child in part.named_children():
            if circle := found(child, f"{name}.{key}".lstrip("."), inside):
                return circle
        done.add(id(part))
        return ""

    return found(module, "", frozenset())


def _uncompiled(module: nn.Module) -> nn.Module:
    """The module with every result of `torch.compile` replaced by what it compiles."""
    inner = getattr(module, "_orig_mod", None)
    if isinstance(inner, nn.Module):
        return _uncompiled(inner)
    for name, child in module.named_children():
        if (plain := _uncompiled(child)) is not child:
            setattr(module, name, plain)
    return module


def _rebind_all(holder: dict[str, Any], memo: dict[int, Any]) -> None:
    for key, value in holder.items():
        if isinstance(value, types.FunctionType):
            holder[key] = _rebound(value, memo)
        elif isinstance(value, dict) and key != "_modules":
            for name, item in value.items():
                if isinstance(item, types.FunctionType):
                    value[name] = _rebound(item, memo)
        elif isinstance(value, list):
            value[:] = [_rebound(item, memo) if isinstance(item, types.FunctionType) else item for item in value]


_OWN = (list, dict, set, np.ndarray, Tensor, nn.Module)
"""What a function of the user's reaches outside of itself and could change."""


def _rebound(function: types.FunctionType, memo: dict[int, Any]) -> types.FunctionType:
    """The function over copies of its closed-over and global variables; itself if it has none that could change.

    `deepcopy` takes functions for constants; but `lambda m, i, o: seen.append(o)` writes into the user's list, and
    `lambda x: net.conv(x)` computes with the user's weights.
    """
    if id(function) in memo:
        return memo[id(function)]
    cells = function.__closure__ or ()
    names = set(function.__code__.co_names)
    reached = {
        name: function.__globals__[name]
        for name in names
        if isinstance(function.__globals__.get(name), _OWN)
    }  # fmt: skip
    if not reached and not any(_mutable(cell) for cell in cells):
        return function
    values = dict(function.__globals__)
    values |= {name: _copied(value, memo) for name, value in reached.items()}
    copies = tuple(types.CellType(_copied(cell.cell_contents, memo)) if _filled(cell) else cell for cell in cells)
    new = types.FunctionType(function.__code__, values, function.__name__, function.__defaults__, copies)
    new.__kwdefaults__, new.__qualname__, new.__module__ = (
        function.__kwdefaults__,
        function.__qualname__,
        function.__module__,
    )
    memo[id(function)] = new
    memo[id(new)] = new
    return new


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    """A copy of what a function reaches; what cannot be copied, such as a lock, stays what it is."""
    if isinstance(value, types.FunctionType):
        return _rebound(value, memo)
    try:
        with _Leaves():
            return copy.deepcopy(value, memo)
    except Exception:  # anything may hang on a user's function
        return value


def _filled(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:  # a variable that has not been assigned yet
        return False
    return True


def _mutable(cell: Any) -> bool:
    if not _filled(cell):
        return False
    value = cell.cell_contents
    if isinstance(value, types.FunctionType):
        return any(_mutable(inner) for inner in value.__closure__ or ())
    return not isinstance(value, int | float | complex | str | bytes | tuple | type | types.ModuleType | None)


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
