"""The targets whose checkpoints are in the package, as the entry-point group `amb.targets` names them.

A new target of an existing architecture needs no code besides its recipe: see "Adding a target" in
`docs/guides/problems.md`.
"""

from amb_problems import checkpoint
from amb_problems.cards import PlainTargetCard, TargetCard
from amb_problems.targets.plain.target import PlainTarget
from amb_problems.targets.spiking.target import SpikingTarget


def load(name: str, *, device: str = "cpu") -> SpikingTarget | PlainTarget:
    """The target of a checkpoint, in the class that its card's kind selects; the network is loaded when needed.

    Raises:
        CheckpointError: the card is missing, damaged or not a target's.
    """
    card = checkpoint.read_card(name, TargetCard)
    return (PlainTarget if isinstance(card, PlainTargetCard) else SpikingTarget)(name, device=device)
