"""The families of problems that come with `amb`: a shipped generator before a shipped target."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import cast

from amb.catalogue.generators import generator as find_generator
from amb.contracts.family import Family
from amb.contracts.generator import Generator
from amb.contracts.problem import UInt8Array
from amb.errors import unknown
from amb.spec import NOISE_OPTIONS, Spec, Value
from amb_problems import checkpoint
from amb_problems.cards import TargetCard
from amb_problems.encoding import OPTIONS as INPUT_OPTIONS
from amb_problems.encoding import Encoding
from amb_problems.problem import NetworkProblem, Pair


class NetworkFamily(Family):
    """Problems of one generator and one target, both by the names of their checkpoints.

    Options of a problem's spec are those of the generator, which choose the grid: of an SN-GAN `grid`, "even", the
    paper's 64 levels in [-4, 4] (section 3.2.2), or "quantile", levels at the quantiles of the generator's own latent
    distribution; of a VQ-VAE `codes`.
    A spiking target takes `input` too, "bernoulli" or "gaussian" (with `deviation`): its frames are drawn (`Encoding`).
    """

    generator: str
    target: str

    def layers(self) -> Mapping[str, int]:
        """Units of every layer, from the target's card; no network is loaded."""
        return layers_of(self.target)

    def natural_images(self, data: Path | None) -> UInt8Array | None:
        """The test half of the data set that the generator's name begins with, where it is one."""
        from amb_problems.data import image_sets as datasets

        name = self.generator.split("-")[0]
        return datasets.load(cast(datasets.DatasetName, name), data).test_images if name in datasets.CLASSES else None

    def pair(self, device: str) -> Pair:
        """Generator and target on a device."""
        return _pair(self.generator, self.target, device)

    def problem(self, layer: str, unit: int, *, device: str = "cpu", **options: Value) -> NetworkProblem:
        """The problem of one unit; see the class for `options`."""
        return self.group(layer, (unit,), device=device, **options)

    def group(self, layer: str, units: tuple[int, ...], *, device: str = "cpu", **options: Value) -> NetworkProblem:
        """The problem of one unit or of several's mean; see the class for `options`."""
        pair = self.pair(device)
        shown = {name: options.pop(name) for name in INPUT_OPTIONS if name in options}
        for option in options:
            if option not in pair.generator.options:
                known = [*pair.generator.options, *INPUT_OPTIONS, *NOISE_OPTIONS]
                raise unknown("option of a problem", option, known)
        grid = pair.generator.grid(**options)
        chosen = tuple(sorted([*_chosen(pair.generator, options), *shown.items()]))
        name = f"{self.generator}/{self.target}/{layer}/{'+'.join(map(str, units))}"
        encoding = Encoding.of(shown)
        return NetworkProblem(pair, layer, units, grid, id=str(Spec(name, chosen)), encoding=encoding)


class SNGANBeforeSpikingCNN(NetworkFamily):
    """CIFAR-10 images from an SN-GAN, seen by snnTorch's convolutional spiking network."""

    generator = "cifar10-sngan"
    target = "snn-cnn"


class SNGANBeforeSpikingResNet18(NetworkFamily):
    """CIFAR-10 images from an SN-GAN, seen by SpikingJelly's spiking ResNet-18."""

    generator = "cifar10-sngan"
    target = "snn-resnet18"


class SNGANBeforePaperResNet18(NetworkFamily):
    """CIFAR-10 images from an SN-GAN, seen by a spiking ResNet-18 with ImageNet's stem, as in the paper's framework."""

    generator = "cifar10-sngan"
    target = "snn-resnet18-paper"


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


class VQVAEBeforeSpikingCNN(NetworkFamily):
    """CIFAR-10 images from a VQ-VAE, seen by snnTorch's convolutional spiking network."""

    generator = "cifar10-vqvae"
    target = "snn-cnn"


class VQVAEBeforeSpikingResNet18(NetworkFamily):
    """CIFAR-10 images from a VQ-VAE, seen by SpikingJelly's spiking ResNet-18."""

    generator = "cifar10-vqvae"
    target = "snn-resnet18"


class VQVAEBeforeResNet(NetworkFamily):
    """CIFAR-10 images from a VQ-VAE, seen by a plain ResNet-18."""

    generator = "cifar10-vqvae"
    target = "ann-resnet"


class VQVAEBeforeAlexNet(NetworkFamily):
    """CIFAR-10 images from a VQ-VAE, seen by a small AlexNet."""

    generator = "cifar10-vqvae"
    target = "ann-alexnet"


class VQVAEBeforeVGG(NetworkFamily):
    """CIFAR-10 images from a VQ-VAE, seen by a small VGG."""

    generator = "cifar10-vqvae"
    target = "ann-vgg"


class VQVAEBeforeDenseNet(NetworkFamily):
    """CIFAR-10 images from a VQ-VAE, seen by a small DenseNet."""

    generator = "cifar10-vqvae"
    target = "ann-densenet"


class MNISTSNGANBeforeSpikingCNN(NetworkFamily):
    """Digits from an SN-GAN, seen by the spiking network for digits."""

    generator = "mnist-sngan"
    target = "mnist-snn"


def layers_of(target: str) -> Mapping[str, int]:
    """Units of every layer of a target, from its card."""
    return checkpoint.read_card(target, TargetCard).units


def _chosen(generator: Generator, options: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    """The options that differ from their defaults, sorted: a problem has one id."""
    defaults = {name: values[0] for name, values in generator.options.items()}
    return tuple(sorted((name, value) for name, value in options.items() if value != defaults[name]))


def cards(**parts: Mapping[str, object]) -> Mapping[str, object]:
    """Facts of generator and target under names that say whose they are."""
    return {f"{part} {key}": value for part, facts in parts.items() for key, value in facts.items()}


@cache
def _pair(generator: str, target: str, device: str) -> Pair:
    from amb_problems import targets

    made, card = find_generator(generator, device=device), checkpoint.read_card(target, TargetCard)
    return Pair(
        name=f"{generator}/{target}",
        device=device,
        generator=made,
        target=targets.load(target, device=device),
        digests=(made.fingerprint, card.sha256),
        activation=card.activation,
        cards=cards(generator=made.facts(), target=card.summary),
    )
