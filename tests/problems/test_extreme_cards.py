"""Cards whose entries and digests are right but whose network cannot be: refused before they take memory or time."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import amb
from amb.errors import CheckpointError, PluginError
from amb_problems import checkpoint
from amb_problems.cards import ExactSNGANCard, ExactVQVAECard, LIFConstants, SpikingTargetCard, parse
from amb_problems.generators.exact.sngan_generator import ExactSNGANGenerator
from amb_problems.generators.exact.vqvae_generator import ExactVQVAEGenerator
from amb_problems.targets.spiking.stack import parse_layers
from amb_problems.targets.spiking.target import SpikingTarget

FOLDER = Path(checkpoint.__file__).parent / "checkpoints"


def _tensors(name: str) -> dict[str, Tensor]:
    return load_file(FOLDER / f"{name}.safetensors")


def _written(folder: Path, name: str, tensors: dict[str, Tensor], kind: type, **entries: Any) -> Path:
    content = json.loads((FOLDER / f"{name}.card.json").read_text())
    card = parse({**content, **entries}, "mine", kind)
    checkpoint.save(folder / "mine", tensors, card)
    return folder / "mine"


@pytest.mark.parametrize(
    ("name", "kind", "generator", "changes"),
    [
        ("mnist-sngan-int8", ExactSNGANCard, ExactSNGANGenerator, {"widths": [2**24, 2**24, 2**24]}),
        ("mnist-sngan-int8", ExactSNGANCard, ExactSNGANGenerator, {"channels": 2**24}),
        ("cifar10-vqvae-int8", ExactVQVAECard, ExactVQVAEGenerator, {"width": 2**24}),
        ("cifar10-vqvae-int8", ExactVQVAECard, ExactVQVAEGenerator, {"size": 64}),
    ],
)
def test_an_exact_generator_of_another_shape_than_its_origins_is_refused(
    name: str, kind: type, generator: Callable[[Path], Any], changes: dict[str, Any], tmp_path: Path
) -> None:
    """Sizes for which no memory is enough ended in torch's error, and another size of image was shown."""
    shape = json.loads((FOLDER / f"{name}.card.json").read_text())["shape"]
    path = _written(tmp_path, name, _tensors(name), kind, shape={**shape, **changes})
    with pytest.raises(CheckpointError, match="another shape than"):
        _ = generator(path).network


def test_an_exact_generators_weights_are_compared_before_it_takes_memory(tmp_path: Path) -> None:
    """Its origin may be a file that states the same sizes."""
    wide = {"latent": 128, "bottom": 7, "widths": [2**24, 2**24, 16], "channels": 1}
    origin = tmp_path / "origin"
    content = json.loads((FOLDER / "mnist-sngan.card.json").read_text())
    checkpoint.save(origin, _tensors("mnist-sngan"), parse({**content, "shape": wide}, "origin", checkpoint.Card))
    path = _written(
        tmp_path, "mnist-sngan-int8", _tensors("mnist-sngan-int8"), ExactSNGANCard, shape=wide, origin=str(origin)
    )
    with pytest.raises(CheckpointError, match=r"linear\.weight as torch\.int8 \[822083584, 128\], the card's shape"):
        _ = ExactSNGANGenerator(path).network


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("cifar10-vqvae", {"blocks": 2**24}, "`shape.blocks`"),
        ("cifar10-vqvae", {"size": 2**24}, "a side of at most 4096 pixels, got 16,777,216"),
        ("cifar10-sngan", {"widths": [1] * 200}, "`shape.widths`"),
        ("cifar10-sngan", {"bottom": 2**24}, "a side of at most 4096 pixels, got 134,217,728"),
    ],
)
def test_shapes_that_take_forever_are_refused_when_the_card_is_read(
    name: str, changes: dict[str, Any], says: str
) -> None:
    """Sixteen million blocks are built for minutes, if without memory."""
    content = json.loads((FOLDER / f"{name}.card.json").read_text())
    with pytest.raises(ValueError, match=says):
        parse({**content, "shape": {**content["shape"], **changes}}, name, checkpoint.Card)


def test_a_notation_of_a_million_layers_is_refused() -> None:
    """Each is built before its weights are compared."""
    with pytest.raises(ValueError, match="at most 256 parts, got 1,000,001"):
        parse_layers("-".join(["8C3", *["4"] * 1_000_000]))


@pytest.mark.parametrize("threshold", [1e300, 1e13, 1e-13, 1e-300])
def test_thresholds_that_are_0_or_infinite_in_float32_are_refused(threshold: float) -> None:
    """A neuron with the one fires without any current, with the other never."""
    with pytest.raises(msgspec.ValidationError, match=r"finite threshold.*from 1e-12 to 1e"):
        msgspec.convert({"threshold": threshold}, LIFConstants)
    assert LIFConstants(threshold=1e-12).threshold < LIFConstants(threshold=1e12).threshold < math.inf


@pytest.mark.parametrize("outputs", [{"fc": [10, 1, 1]}, {"class": [10, 1, 1]}, {"sn1": [16, 1, 1]}])
def test_an_output_that_the_network_has_not_is_refused(outputs: dict[str, list[int]], tmp_path: Path) -> None:
    """Its readout was asked for, which the network lacks."""
    ((name, (units, _, _)),) = outputs.items()
    tensors = _tensors("mnist-snn") | {f"low/{name}": torch.zeros(units), f"high/{name}": torch.ones(units)}
    path = _written(tmp_path, "mnist-snn", tensors, SpikingTargetCard, outputs=outputs)
    with pytest.raises(CheckpointError, match=r"its outputs are .*those of its network none"):
        _ = SpikingTarget(path).network


def test_an_output_of_another_name_or_size_than_the_readout_is_refused(tmp_path: Path) -> None:
    """A layer of any name would be the readout."""
    for name, units in (("class", 10), ("fc", 3)):
        tensors = _tensors("snn-resnet18") | {f"low/{name}": torch.zeros(units), f"high/{name}": torch.ones(units)}
        path = _written(tmp_path, "snn-resnet18", tensors, SpikingTargetCard, outputs={name: [units, 1, 1]})
        with pytest.raises(CheckpointError, match=r"its outputs are .*those of its network \{'fc': \(10, 1, 1\)\}"):
            _ = SpikingTarget(path).network


def test_an_image_with_nan_is_refused_and_not_shown_as_black() -> None:
    """A network may have numbers for all latents that are tried first, and none for another."""

    class Painter(nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            made = z.sum(1).view(-1, 1, 1, 1).expand(-1, 3, 32, 32).tanh()
            return torch.where(made > 0.999999, math.nan, made)

    generator = amb.generator(Painter(), latent_dim=2)
    latents = np.zeros((1, 2), np.float32)
    assert generator.images(latents).max() == 128
    with pytest.raises(PluginError, match="NaN in place of an image"):
        generator.images(latents + 50)
