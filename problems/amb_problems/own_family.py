"""The family of a target that stands in no entry point, behind a shipped generator or one's own."""

from collections.abc import Mapping

from amb.catalogue.generators import generator
from amb.catalogue.plugins import find
from amb.contracts.generator import Generator
from amb.errors import SpecError
from amb_problems.families import NetworkFamily, cards
from amb_problems.problem import Pair
from amb_problems.targets.plain.own import OwnTarget, ShippedTarget


class OwnFamily(NetworkFamily):
    """Problems of a generator, shipped (by its name) or one's own (a `Generator`), and a target of `amb.target`.

    Raises:
        SpecError: no such generator, or something that is neither name nor generator.
    """

    def __init__(self, source: object, target: OwnTarget | ShippedTarget) -> None:
        if isinstance(source, str):
            find("generators", source)  # says which there are
        elif not isinstance(source, Generator):
            raise SpecError(f"expected a generator's name or a Generator, got {source!r}")
        self._source, self._target = source, target
        self.generator = source if isinstance(source, str) else source.name
        self.target = target.name
        self._pairs: dict[str, Pair] = {}

    def layers(self) -> Mapping[str, int]:
        return self._target.layers

    def pair(self, device: str) -> Pair:
        if device not in self._pairs:
            made, target = self._generator(device), self._target.on(device)
            self._pairs[device] = Pair(
                name=f"{made.name}/{target.name}",
                device=device,
                generator=made,
                target=target,
                digests=(made.fingerprint, target.fingerprint),
                cards=cards(generator=made.facts()),
                activation=target.activation,
            )
        return self._pairs[device]

    def _generator(self, device: str) -> Generator:
        return generator(self._source, device=device) if isinstance(self._source, str) else self._source.on(device)
