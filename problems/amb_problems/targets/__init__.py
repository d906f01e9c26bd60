"""Target networks: the networks whose units are driven."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amb_problems.targets.activations import SpikingActivations


def load(name: str, *, device: str = "cpu") -> "SpikingActivations":
    """The shipped target of that name, ready to answer images with activations.

    Raises:
        CheckpointError: its checkpoint is missing, damaged or no target.
    """
    from amb_problems.targets.activations import SpikingActivations
    from amb_problems.targets.target import SpikingTarget

    return SpikingActivations(SpikingTarget.load(name, device=device))
