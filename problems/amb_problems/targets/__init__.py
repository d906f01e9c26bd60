"""Target networks: the networks whose units are driven."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amb_problems.targets.plain.module import ModuleTarget
    from amb_problems.targets.spiking.activations import SpikingActivations


def load(name: str, *, device: str = "cpu") -> "SpikingActivations | ModuleTarget":
    """The shipped target of that name, ready to answer images with activations.

    Raises:
        CheckpointError: its checkpoint is missing, damaged or no target.
    """
    from amb_problems import checkpoint
    from amb_problems.cards import PlainTargetCard, TargetCard

    if isinstance(checkpoint.read_card(name, TargetCard), PlainTargetCard):
        from amb_problems.targets.plain.module import load_plain

        return load_plain(name, device=device)
    return load_spiking(name, device=device)


def load_spiking(name: str, *, device: str = "cpu") -> "SpikingActivations":
    """The shipped spiking target of that name.

    Raises:
        CheckpointError: its checkpoint is missing, damaged or no spiking target.
    """
    from amb_problems.targets.spiking.activations import SpikingActivations
    from amb_problems.targets.spiking.target import SpikingTarget

    return SpikingActivations(SpikingTarget.load(name, device=device))
