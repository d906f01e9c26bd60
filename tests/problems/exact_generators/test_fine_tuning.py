"""Training int8 weights: closer to the float32 generator, exact as before, and resumable to the bit."""

import pytest
import torch

from amb.errors import CheckpointError
from amb_problems import checkpoint
from amb_problems.cards import ExactSNGANCard, SNGANShape
from amb_problems.generators.exact.derivation import change_of, changed
from amb_problems.generators.exact.sngan import ExactSNGAN
from amb_problems.generators.exact.weights import read_layers
from amb_problems.generators.sngan import SNGAN
from amb_problems.targets.spiking.exact import load_weights
from amb_problems.training.fine_tuning import FineTuning, RoundingTraining
from amb_problems.training.folding import fold
from amb_problems.training.scaling import unrounded

SHAPE = SNGANShape(widths=(16, 8))


def training_of(steps: int) -> RoundingTraining:
    """A training of a small network with random weights; the same one at every call."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        original = SNGAN(SHAPE)
        samples = torch.randn(64, 128)
        with torch.no_grad():
            for _ in range(3):  # batch statistics of its own in every layer
                original(torch.randn(32, 128))
            scaled = fold(original.eval(), samples)
        network = unrounded(ExactSNGAN(SHAPE), scaled, original.state_dict())
    return RoundingTraining(FineTuning(steps, batch=16, rate=1e-3), network, original, seed=1, device="cpu")


def test_images_come_closer_to_the_original() -> None:
    """Samples that the training does not draw come closer than rounding alone brings them."""
    training = training_of(30)
    latents = torch.randn(200, 128, generator=torch.Generator().manual_seed(9))

    def error() -> float:
        with torch.no_grad():
            return float((training.network(latents) - training.original(latents)).square().mean())

    before = error()
    while training.done < training.steps:
        training.advance()
    assert error() < 0.95 * before


def test_the_exported_layers_are_the_trained_network() -> None:
    """What is stored makes the images that the training saw: all values stay exact."""
    training = training_of(5)
    for _ in range(5):
        training.advance()
    stored = ExactSNGAN(SHAPE)
    load_weights(stored, training.layers())
    latents = torch.randn(16, 128, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        torch.testing.assert_close(stored(latents), training.network(latents), atol=0.02, rtol=0)
        assert (stored(latents) - training.network(latents)).abs().mean() < 1e-3


def test_a_resumed_training_is_an_uninterrupted_one() -> None:
    """Five steps, saved, and five more give the weights of ten."""
    whole, first, second = training_of(10), training_of(10), training_of(10)
    for _ in range(10):
        whole.advance()
    for _ in range(5):
        first.advance()
    second.restore(first.tensors(), first.position())
    while second.done < second.steps:
        second.advance()
    for name, layer in whole.layers().items():
        assert torch.equal(layer.weight, second.layers()[name].weight)
        assert torch.equal(layer.bias, second.layers()[name].bias)


def test_changes_that_fit_no_byte_are_refused() -> None:
    """A change of a weight is stored in one byte, and comes back exactly or not at all."""
    rounded, trained = torch.tensor([-100, 5, 127]).to(torch.int8), torch.tensor([20, 4, -128]).to(torch.int8)
    with pytest.raises(CheckpointError, match=r"changed a weight by 255 units"):
        change_of(rounded, trained)
    assert torch.equal(changed(rounded[:2], change_of(rounded[:2], trained[:2])), trained[:2])
    for wrong in (torch.zeros(2), torch.zeros(3, dtype=torch.int8)):
        with pytest.raises(ValueError, match="its change is"):
            changed(rounded[:2], wrong)


def test_altered_changes_give_no_image() -> None:
    """The digest covers the trained weights."""
    tensors, card = checkpoint.load("cifar10-sngan-int8", ExactSNGANCard)
    altered = tensors["conv.change"].clone()
    altered.view(-1)[0] ^= 1
    with pytest.raises(CheckpointError, match="not those that cifar10-sngan was rounded to"):
        read_layers(ExactSNGAN(card.shape), {**tensors, "conv.change": altered}, card.origin)
