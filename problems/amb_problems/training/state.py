"""Training that survives a kill: one file that holds the whole state, and randomness that needs none.

All that is drawn in a step follows from (seed, purpose, step or epoch), so a resumed training draws what an
uninterrupted one would have drawn, and no generator state has to be kept.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from amb.contracts.recipe import TrainingProgress
from amb.errors import DataError
from amb.study.durable import write_whole

__all__ = [
    "TrainingProgress",
    "batch_rows",
    "epoch_order",
    "load_state",
    "module_tensors",
    "optimizer_tensors",
    "restore_module",
    "restore_optimizer",
    "save_state",
    "stream",
]


def stream(seed: int, purpose: str, index: int = 0) -> torch.Generator:
    """A fresh generator for one purpose ("order", "latents", …) of one step or epoch; never a global one."""
    words = [seed, index, *purpose.encode()]
    word = int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(word >> 1)


def epoch_order(rows: int, *, seed: int, epoch: int) -> Tensor:
    """The order in which `epoch` visits the rows: int64 [rows], a function of (seed, epoch) alone."""
    return torch.randperm(rows, generator=stream(seed, "order", epoch))


def batch_rows(rows: int, batch: int, *, seed: int, index: int) -> Tensor:
    """The rows of the `index`-th batch since the start; an epoch's last, incomplete batch is left out."""
    per_epoch = rows // batch
    epoch, position = divmod(index, per_epoch)
    return epoch_order(rows, seed=seed, epoch=epoch)[position * batch : (position + 1) * batch]


def save_state(file: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and JSON facts as one safetensors file, whole and renamed into place."""
    from safetensors.torch import save as serialize

    file.parent.mkdir(parents=True, exist_ok=True)
    # A copy each: safetensors refuses tensors that share memory.
    plain = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }
    write_whole(file, serialize(plain, metadata={"facts": json.dumps(dict(facts))}), error=DataError)


def load_state(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """What `save_state` wrote, or None where there is no such file.

    Raises:
        DataError: a file that is no training state.
    """
    from safetensors import SafetensorError, safe_open

    if not file.is_file():
        return None
    try:
        with safe_open(file, framework="pt") as stored:
            facts = json.loads(stored.metadata()["facts"])
            return {name: stored.get_tensor(name) for name in stored.keys()}, facts  # noqa: SIM118
    except (SafetensorError, TypeError, KeyError, ValueError) as error:
        raise DataError(f"{file} is no training state ({error}); delete it to start anew") from error


def optimizer_tensors(optimizer: torch.optim.Optimizer, prefix: str) -> dict[str, Tensor]:
    """An optimizer's per-parameter state as named tensors (`<prefix>.<parameter>.<entry>`)."""
    state = optimizer.state_dict()["state"]
    return {
        f"{prefix}.{index}.{entry}": torch.as_tensor(value)
        for index, entries in state.items()
        for entry, value in entries.items()
        if value is not None
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], prefix: str) -> None:
    """Put back what `optimizer_tensors` took out; hyperparameters stay those of `optimizer`."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith(prefix + "."):
            index, _, entry = name.removeprefix(prefix + ".").partition(".")
            state.setdefault(int(index), {})[entry] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def module_tensors(module: torch.nn.Module, prefix: str) -> dict[str, Tensor]:
    """A module's parameters and buffers as named tensors."""
    return {f"{prefix}.{name}": tensor for name, tensor in module.state_dict().items()}


def restore_module(module: torch.nn.Module, tensors: Mapping[str, Tensor], prefix: str) -> None:
    """Put back what `module_tensors` took out."""
    start = prefix + "."
    module.load_state_dict({n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)})
