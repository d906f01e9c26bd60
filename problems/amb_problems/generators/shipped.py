"""The generators whose checkpoints are in the package, as the entry-point group `amb.generators` names them."""

from amb_problems.generators.exact.sngan_generator import ExactSNGANGenerator
from amb_problems.generators.exact.vqvae_generator import ExactVQVAEGenerator
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


def cifar10_vqvae_int8() -> ExactVQVAEGenerator:
    """CIFAR-10's VQ-VAE, its decoder in int8."""
    return ExactVQVAEGenerator("cifar10-vqvae-int8")


def mnist_sngan() -> SNGANGenerator:
    """MNIST's SN-GAN."""
    return SNGANGenerator("mnist-sngan")


def mnist_sngan_int8() -> ExactSNGANGenerator:
    """MNIST's SN-GAN in int8."""
    return ExactSNGANGenerator("mnist-sngan-int8")
