"""Nothing about a user's network differs after it was refused, and nothing is kept of one that was measured.

That a measured network is as it was is part of `test_values.py` and `test_stochastic.py`.
"""

import gc
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

import amb

from . import ZOO
from .refused_networks import REFUSED, Refused
from .specimen import Specimen
from .state import state, with_gradients


def tensors() -> int:
    """Bytes of all tensors that Python knows of."""
    gc.collect()
    real = (
        each for each in gc.get_objects() if type(each) in (Tensor, torch.nn.Parameter)
    )  # none that only has a shape
    return sum(each.nbytes for each in real if each.layout == torch.strided and each.device.type != "meta")


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: refused.name)
def test_a_refused_network_is_as_it_was(refused: Refused) -> None:
    network = with_gradients(refused.make())
    before = state(network)
    with pytest.raises(amb.AmbError):
        _ = amb.target(network, shape=refused.shape, layer=refused.layer, **refused.options).layers  # type: ignore[arg-type]
    assert state(network) == before


@pytest.mark.parametrize("make", [lambda: ZOO[3], lambda: ZOO[26]], ids=["snntorch", "spikingjelly"])
def test_memory_is_returned(make: Callable[[], Specimen]) -> None:
    """Once the target is gone, so are its copies."""
    specimen = make()
    network = specimen.built()

    def measure() -> None:
        target = amb.target(network, shape=specimen.shape, **specimen.options)  # type: ignore[arg-type]
        target.activations(specimen.images(2), [(specimen.layers[0], 0)] * 2)

    measure()  # what libraries allocate once
    before = tensors()
    for _ in range(3):
        measure()
    assert tensors() <= before + 10_000
    assert np.isfinite(before)
