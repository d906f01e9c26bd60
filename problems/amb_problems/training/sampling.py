"""The random draws of a training step: a function of (seed, purpose, step or epoch).

A resumed training draws the same numbers as an uninterrupted one, without saving generator states.
"""

import numpy as np
import torch
from torch import Tensor


def stream(seed: int, purpose: str, index: int = 0) -> torch.Generator:
    """A fresh generator for one purpose ("order", "latents", …) of one step or epoch; never a global one."""
    words = [seed, index, *purpose.encode()]
    word = int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(word >> 1)


def epoch_order(rows: int, *, seed: int, epoch: int, purpose: str = "order") -> Tensor:
    """The order in which `epoch` visits the rows: int64 [rows], a function of (seed, purpose, epoch) alone."""
    return torch.randperm(rows, generator=stream(seed, purpose, epoch))


def batch_rows(rows: int, batch: int, *, seed: int, index: int, purpose: str = "order") -> Tensor:
    """The rows of the `index`-th batch since the start; an epoch's last, incomplete batch is left out."""
    epoch, position = divmod(index, rows // batch)
    return epoch_order(rows, seed=seed, epoch=epoch, purpose=purpose)[position * batch : (position + 1) * batch]


def image_batch(images: Tensor, batch: int, *, seed: int, index: int, flip: bool, device: torch.device) -> Tensor:
    """The `index`-th batch of uint8 images [n, c, h, w] as float32 in [-1, 1], mirrored at random with `flip`."""
    rows = batch_rows(len(images), batch, seed=seed, index=index)
    result = images[rows].to(device, torch.float32) / 127.5 - 1
    if flip:
        mirrored = torch.rand(len(rows), generator=stream(seed, "flip", index)) < 0.5
        result[mirrored] = result[mirrored].flip(3)
    return result
