"""The state of a training in one file: saving, loading, and extracting and restoring modules and optimizers."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from amb.errors import DataError
from amb.study.durable import make_folder, write_whole
from amb.study.untrusted import MEBIBYTE, json_object, read_bytes, refuse_unreadable

LARGEST = 16384 * MEBIBYTE
"""Bytes of a training's state that are read, of however large a network."""

_DIGEST = "sha256"
_BLANK = "0" * 64
"""In place of the digest while it is computed, so that it covers all other bytes of the file."""


_ENTRIES: Mapping[type[torch.optim.Optimizer], set[str]] = {
    torch.optim.SGD: {"momentum_buffer"},
    torch.optim.Adam: {"step", "exp_avg", "exp_avg_sq"},
}
"""What the optimizers of our recipes keep of every parameter that they have changed."""


def save_state(file: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and JSON facts durably as one safetensors file: a crash leaves the old state or the new one.

    Raises:
        DataError: the file cannot be written.
    """
    from safetensors.torch import save

    # Copies, since safetensors refuses tensors that share memory.
    copies = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }
    content = save(copies, metadata={"facts": json.dumps(dict(facts)), _DIGEST: _BLANK})
    content = _with_digest(content, _BLANK, _digest(content, _BLANK))
    advice = "free space or choose another folder"
    try:
        make_folder(file.parent)
    except OSError as error:
        raise DataError(f"cannot write {file}: {error.strerror}; {advice}") from error
    write_whole(file, content, error=DataError, advice=advice)


def largest_of(tensors: Mapping[str, Tensor]) -> int:
    """The most bytes that the state of a training with these tensors can have, which has taken no step.

    Optimizers keep up to two numbers for each of its own, and a count; names and facts take little.
    """
    return min(LARGEST, 4 * sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) + 16 * MEBIBYTE)


def load_state(file: Path, most: int = LARGEST) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """What `save_state` wrote, or None if there is no such file.

    Args:
        file: where.
        most: bytes that it may have.

    Raises:
        DataError: the file is not a training state, or is damaged.
        UnreadableError: it cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    if not file.is_file():
        return None
    try:
        content = read_bytes(file, most, links=True)
        tensors = load(content)  # checks the header, which is read again for the facts
        header = json_object(content[8:][: int.from_bytes(content[:8], "little")])
        metadata = header["__metadata__"]
        # States of version 0.1 have no digest. Neither has one whose entry is lost, but that has another in its place.
        if (digest := metadata.get(_DIGEST)) is None and metadata.keys() != {"facts"}:
            raise ValueError(f"it has the entries {', '.join(metadata)}")
        if digest is not None and _digest(content, digest) != digest:
            raise ValueError("it is damaged: its bytes are not those that were written")
        return tensors, dict(json_object(metadata["facts"]))
    except (SafetensorError, TypeError, KeyError, ValueError, RecursionError, OSError) as error:
        refuse_unreadable(file, error)
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())[:200]
        raise DataError(
            f"{file} is not a training state ({reason}); restore a copy, or delete it to restart the training"
        ) from error


def _digest(content: bytes, stored: str) -> str:
    """The digest of a state's bytes, in which `stored` is blank."""
    return hashlib.sha256(_with_digest(content, stored, _BLANK)).hexdigest()


def _with_digest(content: bytes, before: str, after: str) -> bytes:
    return content.replace(f'"{_DIGEST}":"{before}"'.encode(), f'"{_DIGEST}":"{after}"'.encode(), 1)


def optimizer_tensors(optimizer: torch.optim.Optimizer, prefix: str) -> dict[str, Tensor]:
    """An optimizer's per-parameter state as named tensors (`<prefix>.<parameter>.<entry>`)."""
    state = optimizer.state_dict()["state"]
    return {
        f"{prefix}.{index}.{entry}": torch.as_tensor(value)
        for index, entries in state.items()
        for entry, value in entries.items()
        if value is not None
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], prefix: str, *, begun: bool
) -> None:
    """Restore what `optimizer_tensors` returned; the hyperparameters of `optimizer` are kept.

    Args:
        optimizer: a fresh one.
        tensors: a stored training's.
        prefix: what the names of this optimizer's begin with.
        begun: whether it has taken steps and takes more, so that there must be some; a finished one needs none.

    Raises:
        ValueError: the tensors are not those of such an optimizer, which torch would notice in its next step, or never.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith(prefix + "."):
            index, _, entry = name.removeprefix(prefix + ".").partition(".")
            if not index.isdecimal() or int(index) >= len(parameters):
                raise ValueError(f"{name} is of none of the {len(parameters)} parameters")
            like = torch.empty(()) if entry == "step" else parameters[int(index)]
            state.setdefault(int(index), {})[entry] = fitting(name, tensor, like)
    if begun and not state:
        raise ValueError(f"it lacks what {prefix} had found")
    for number, entries in state.items():
        if entries.keys() != _ENTRIES[type(optimizer)]:
            expected = ", ".join(sorted(_ENTRIES[type(optimizer)]))
            raise ValueError(f"{prefix}.{number} has {', '.join(sorted(entries))}, expected {expected}")
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def module_tensors(module: torch.nn.Module, prefix: str) -> dict[str, Tensor]:
    """A module's parameters and buffers as named tensors."""
    return {f"{prefix}.{name}": tensor for name, tensor in module.state_dict().items()}


def restore_module(module: torch.nn.Module, tensors: Mapping[str, Tensor], prefix: str) -> None:
    """Restore what `module_tensors` returned.

    Raises:
        ValueError, RuntimeError: the tensors are not those of such a module.
    """
    start, own = prefix + ".", module.state_dict()
    stored = {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
    for name in stored.keys() & own.keys():
        fitting(start + name, stored[name], own[name])
    module.load_state_dict(stored)


def fitting(name: str, tensor: Tensor, like: Tensor) -> Tensor:
    """A stored tensor, if a training can continue with it.

    Raises:
        ValueError: it has another shape or number format than `like`, which torch would convert, or is not finite.
    """
    if tensor.shape != like.shape or tensor.dtype != like.dtype:
        had, expected = (f"{list(t.shape)} of {str(t.dtype).removeprefix('torch.')}" for t in (tensor, like))
        raise ValueError(f"{name} is {had}, expected {expected}")
    if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
        raise ValueError(f"{name} holds NaN or infinite numbers, as after a training that diverged")
    return tensor


def count(position: Mapping[str, Any], name: str, most: int) -> int:
    """A number of steps or phases in a position.

    Raises:
        KeyError, ValueError: it is missing, or no whole number from 0 to `most`.
    """
    number = position[name]
    if type(number) is not int or not 0 <= number <= most:
        raise ValueError(f"its {name} is {number!s:.80}, expected a whole number from 0 to {most:,}")
    return number
