"""The family of a target that stands in no entry point, behind a shipped generator or one's own."""

from collections.abc import Mapping
from functools import cached_property

from amb.errors import SpecError
from amb_problems import generators
from amb_problems.families import NetworkFamily
from amb_problems.generators.base import Generator
from amb_problems.network import Pair
from amb_problems.targets.own import OwnTarget, ShippedTarget


class OwnFamily(NetworkFamily):
    """Problems of a generator, shipped (by its name) or one's own (a `Generator`), and a target of `amb.target`.

    Raises:
        SpecError: no such generator, or something that is neither name nor generator.
    """

    def __init__(self, source: object, target: OwnTarget | ShippedTarget) -> None:
        if isinstance(source, str) and source not in generators.names():
            generators.load(source)  # says which there are
        if not isinstance(source, str | Generator):
            raise SpecError(f"expected a generator's name or a Generator, got {source!r}")
        self._source, self._target = source, target
        self.generator = source if isinstance(source, str) else source.name
        self.target = target.name
        self._pairs: dict[str, Pair] = {}

    @cached_property
    def modes(self) -> int:  # type: ignore[override]
        """Coordinates of the generator's latent."""
        return self._generator("cpu").latent_dim

    def layers(self) -> Mapping[str, int]:
        return self._target.layers

    def pair(self, device: str) -> Pair:
        if device not in self._pairs:
            generator, target = self._generator(device), self._target.on(device)
            self._pairs[device] = Pair(
                name=f"{generator.name}/{target.name}",
                device=device,
                generator=generator,
                target=target,
                digests=(generator.fingerprint, target.fingerprint),
                cards={},
                activation=target.activation,
            )
        return self._pairs[device]

    def _generator(self, device: str) -> Generator:
        return generators.load(self._source, device=device) if isinstance(self._source, str) else self._source
