"""The families of problems that come with `amb`: a shipped generator before a shipped target."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal, cast, get_args

from amb.contracts.family import Family
from amb.contracts.problem import UInt8Array
from amb.contracts.space import Space
from amb.errors import SpecError, unknown
from amb.spec import Value
from amb_problems import checkpoint
from amb_problems.network import NetworkProblem, Pair

Grid = Literal["even", "quantile"]


class NetworkFamily(Family):
    """Problems of one generator and one target, both by the names of their checkpoints.

    Options of a problem's spec:
        grid: "even", the paper's 64 levels in [-4, 4] (section 3.2.2), or "quantile", levels at the
            quantiles of the generator's own latent distribution.
    """

    generator: str
    target: str
    modes: int = 128
    levels: int = 64

    def layers(self) -> Mapping[str, int]:
        """Units of every layer, from the target's card; no network is loaded."""
        return layers_of(self.target)

    def natural_images(self, data: Path | None) -> UInt8Array | None:
        """The test half of the data set that the generator's name begins with, where it is one."""
        from amb_problems import data as datasets

        name = self.generator.split("-")[0]
        return datasets.load(cast(datasets.DatasetName, name), data).test_images if name in datasets.CLASSES else None

    def pair(self, device: str) -> Pair:
        """Generator and target on a device."""
        return _pair(self.generator, self.target, device)

    def problem(self, layer: str, unit: int, *, device: str = "cpu", **options: Value) -> NetworkProblem:
        """The problem of one unit; see the class for `options`."""
        for option in options:
            if option != "grid":
                raise unknown("option of a problem", option, ["grid"])
        grid = options.get("grid", "even")
        if grid not in get_args(Grid):
            raise SpecError(f"grid must be 'even' or 'quantile', got {grid!r}")
        space = _space(self.modes, self.levels, cast(Grid, grid))
        suffix = "" if grid == "even" else f"[grid={grid}]"
        problem_id = f"{self.generator}/{self.target}/{layer}/{unit}{suffix}"
        return NetworkProblem(self.pair(device), layer, unit, space, id=problem_id)


class SNGANBeforeSpikingCNN(NetworkFamily):
    """CIFAR-10 images from an SN-GAN, seen by snnTorch's convolutional spiking network."""

    generator = "cifar10-sngan"
    target = "snn-cnn"


class SNGANBeforeSpikingResNet18(NetworkFamily):
    """CIFAR-10 images from an SN-GAN, seen by SpikingJelly's spiking ResNet-18."""

    generator = "cifar10-sngan"
    target = "snn-resnet18"


class SNGANBeforeResNet(NetworkFamily):
    """CIFAR-10 images from an SN-GAN, seen by a plain ResNet-18."""

    generator = "cifar10-sngan"
    target = "ann-resnet"


class SNGANBeforeAlexNet(NetworkFamily):
    """CIFAR-10 images from an SN-GAN, seen by a small AlexNet."""

    generator = "cifar10-sngan"
    target = "ann-alexnet"


class SNGANBeforeVGG(NetworkFamily):
    """CIFAR-10 images from an SN-GAN, seen by a small VGG."""

    generator = "cifar10-sngan"
    target = "ann-vgg"


class SNGANBeforeDenseNet(NetworkFamily):
    """CIFAR-10 images from an SN-GAN, seen by a small DenseNet."""

    generator = "cifar10-sngan"
    target = "ann-densenet"


def layers_of(target: str) -> Mapping[str, int]:
    """Units of every layer of a target, from its card."""
    card = checkpoint.read_card(target).facts
    return {name: int(shape[0]) for name, shape in {**card["layers"], **card.get("outputs", {})}.items()}


@cache
def _space(modes: int, levels: int, grid: Grid) -> Space:
    return Space.uniform(modes, levels, low=-4.0, high=4.0, prior="normal", grid=grid)


@cache
def _pair(generator: str, target: str, device: str) -> Pair:
    from amb_problems import generators, targets

    cards = {"generator": checkpoint.read_card(generator).facts, "target": checkpoint.read_card(target).facts}
    return Pair(
        name=f"{generator}/{target}",
        device=device,
        generator=generators.load(generator, device=device),
        target=targets.load(target, device=device),
        digests=(checkpoint.fingerprint(generator), checkpoint.fingerprint(target)),
        activation=str(cards["target"]["activation"]),
        cards={f"{part} {key}": card[key] for part, card in cards.items() for key in card.get("facts", ())},
    )
