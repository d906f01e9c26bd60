"""Generators: networks and analytic maps that turn a latent into an image."""

from typing import TYPE_CHECKING

from amb.errors import unknown

if TYPE_CHECKING:
    from amb_problems.generators.base import Generator

_NETWORKS = ("cifar10-sngan", "mnist-sngan")


def names() -> tuple[str, ...]:
    """The generators that can be loaded here: the analytic one, and those whose checkpoint is shipped."""
    from amb_problems import checkpoint

    return ("toy", *(name for name in checkpoint.shipped() if name in _NETWORKS))


def load(name: str, *, device: str = "cpu") -> "Generator":
    """The generator called `name`, ready on `device`.

    Raises:
        SpecError: no such generator.
        CheckpointError: its checkpoint is damaged.
    """
    if name not in names():
        raise unknown("generator", name, names())
    if name == "toy":
        from amb_problems.generators.toy import ToyGenerator

        return ToyGenerator()
    from amb_problems.generators.network import SNGANGenerator

    return SNGANGenerator(name, device=device)
