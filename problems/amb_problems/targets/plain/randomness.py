"""Modules that draw random numbers: whether they do, and seeds that make a value a function of the image alone."""

import hashlib
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

_one_at_a_time = threading.Lock()
"""The generators are those of the whole process."""


@contextmanager
def kept(device: torch.device) -> Iterator[None]:
    """Put the global generators of torch, numpy and Python back to their state at the end."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        numpys, pythons = np.random.get_state(), random.getstate()  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(numpys)  # noqa: NPY002
            random.setstate(pythons)


@contextmanager
def seeded(images: Tensor, identity: str, device: torch.device) -> Iterator[None]:
    """Seed the global generators from an image, for one thread at a time; they are put back at the end.

    Args:
        images: what the module is shown.
        identity: what the network is; two networks draw different numbers for the same image.
        device: whose generator is seeded besides that of the processor.
    """
    content = images.detach().cpu().contiguous()
    digest = hashlib.sha256(identity.encode())
    digest.update(content.numpy().tobytes())
    seed = int.from_bytes(digest.digest()[:8], "big") >> 1
    with _one_at_a_time, kept(device):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        random.seed(seed)
        yield


def generators(device: torch.device) -> tuple[bytes, ...]:
    """The state of the global generators, which changes when somebody draws."""
    numpys: Any = np.random.get_state()  # noqa: NPY002
    states = [
        torch.random.get_rng_state().numpy().tobytes(),
        np.asarray(numpys[1]).tobytes(),
        repr(numpys[2:]).encode(),
    ]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device).numpy().tobytes())
    return (*states, repr(random.getstate()).encode())
