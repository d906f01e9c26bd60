"""Families of ImageNet's networks: CIFAR-10's generator, its images enlarged, before torchvision's weights."""

from collections.abc import Mapping
from functools import cached_property

from amb_problems.families import NetworkFamily
from amb_problems.problem import Pair
from amb_problems.targets.plain.imagenet_layers import LAYERS


class ImageNetFamily(NetworkFamily):
    """Problems whose target the user's machine downloads; its layers are known without it."""

    generator = "cifar10-sngan"

    def layers(self) -> Mapping[str, int]:
        known = LAYERS[self.target]
        return {**known, "prob": known[list(known)[-1]]}

    def pair(self, device: str) -> Pair:
        return self._family.pair(device)

    @cached_property
    def _family(self):  # type: ignore[no-untyped-def]
        from amb_problems.own_family import OwnFamily
        from amb_problems.targets.plain.imagenet import ImageNetTarget

        return OwnFamily(self.generator, ImageNetTarget(self.target))


class SNGANBeforeAlexNet(ImageNetFamily):
    """CIFAR-10 images from an SN-GAN, enlarged, seen by torchvision's AlexNet."""

    target = "imagenet-alexnet"


class SNGANBeforeVGG(ImageNetFamily):
    """CIFAR-10 images from an SN-GAN, enlarged, seen by torchvision's VGG-16."""

    target = "imagenet-vgg"


class SNGANBeforeDenseNet(ImageNetFamily):
    """CIFAR-10 images from an SN-GAN, enlarged, seen by torchvision's DenseNet-121."""

    target = "imagenet-densenet"
