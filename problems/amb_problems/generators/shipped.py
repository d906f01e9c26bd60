"""The generators whose checkpoints are in the package, as the entry-point group `amb.generators` names them."""

from amb_problems.generators.exact.generator import ExactSNGANGenerator
from amb_problems.generators.torch_generator import SNGANGenerator
from amb_problems.generators.vqvae_generator import VQVAEGenerator


def cifar10_sngan() -> SNGANGenerator:
    """CIFAR-10's SN-GAN."""
    return SNGANGenerator("cifar10-sngan")


def cifar10_sngan_int8() -> ExactSNGANGenerator:
    """CIFAR-10's SN-GAN in int8."""
    return ExactSNGANGenerator("cifar10-sngan-int8")


def cifar10_vqvae() -> VQVAEGenerator:
    """CIFAR-10's VQ-VAE."""
    return VQVAEGenerator("cifar10-vqvae")


def mnist_sngan() -> SNGANGenerator:
    """MNIST's SN-GAN."""
    return SNGANGenerator("mnist-sngan")
