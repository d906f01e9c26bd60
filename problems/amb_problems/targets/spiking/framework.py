"""The same network in its framework's own neurons: the reference that every faster evaluation is compared with.

Needs the extra `reference` (`pip install amb[reference]`).
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from amb_problems.targets.spiking.exact_network import ExactNetwork, UInt8Array
from amb_problems.targets.spiking.lif import LIF


def framework_neuron(lif: LIF) -> nn.Module:
    """A layer of neurons, one frame per call: snnTorch's `Leaky` if `lif` is strict, else SpikingJelly's `LIFNode` or
    `IFNode`."""
    if lif.strict:
        import snntorch

        return snntorch.Leaky(beta=lif.decay, threshold=lif.threshold, reset_mechanism="zero", init_hidden=True)
    from spikingjelly.activation_based.neuron import IFNode, LIFNode

    reset = 0.0 if lif.reset == "zero" else None
    if lif.decay == 1:
        return IFNode(v_threshold=lif.threshold, v_reset=reset, step_mode="s")
    tau = 1 / (1 - lif.decay)
    # The reciprocal of a decimal decay differs by a rounding error from the tau that users write: 10.000000000000002.
    return LIFNode(tau=round(tau, 9), decay_input=False, v_threshold=lif.threshold, v_reset=reset, step_mode="s")


def spike_trains(exact: ExactNetwork, images: UInt8Array) -> Iterator[dict[str, Tensor]]:
    """Every layer's spikes, frame by frame, from the framework's own forward pass with the target's weights, from rest.

    Yields one dictionary a frame: layer to float32 `[n, channels, ...]` of zeros and ones.
    """
    network = exact.build(lambda: framework_neuron(exact.lif))
    x = exact.input(images)
    for _ in range(exact.frames):
        with torch.no_grad():
            yield {firing.layer: firing.spikes for firing in network.walk(x)}
