"""Model cards: the description of a checkpoint, one typed record per kind of network.

A card is stored as a JSON object. Its entry `kind` selects the record, whose fields are validated on reading; other
entries, such as the author's remarks, are ignored. Nothing here imports torch.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from amb_problems.first_fingerprints import FIRST

LARGEST_COUNT = 2**24
Count = Annotated[int, Meta(ge=1, le=LARGEST_COUNT)]
LARGEST_DEPTH = 256
"""Blocks of a network: each is built, if without memory, before its weights are compared with it."""
LARGEST_SIDE = 4096
"""Pixels of an image's side."""
SMALLEST_THRESHOLD, LARGEST_THRESHOLD = 1e-12, 1e12
"""Beyond, a neuron fires always or never: in float32 the threshold is 0 or infinite, or far from every current."""
Depth = Annotated[int, Meta(ge=1, le=LARGEST_DEPTH)]
LayerShape = tuple[Count, Count, Count]
"""Channels (units), height and width of a layer; 1 x 1 for a fully connected one."""


@dataclass(frozen=True)
class SNGANShape:
    """Sizes of an SN-GAN: each step from one width to the next is a block that doubles the resolution."""

    latent: Count = 128
    bottom: Count = 4
    """Height and width of the first feature map."""
    widths: Annotated[tuple[Count, ...], Meta(min_length=1, max_length=16)] = (128, 128, 64, 32)
    channels: Count = 3

    def __post_init__(self) -> None:
        _check_side(self.size)

    @property
    def size(self) -> int:
        """Height and width of the images."""
        return int(self.bottom * 2 ** (len(self.widths) - 1))


@dataclass(frozen=True)
class VQVAEShape:
    """Sizes of a VQ-VAE; two convolutions of stride 2 make a grid of codes a quarter of the image's side."""

    size: Count = 32
    """Height and width of the images."""
    channels: Count = 3
    codes: Count = 512
    """Entries of the codebook."""
    dimensions: Count = 64
    """Dimensions of a code."""
    width: Count = 64
    """Channels at the codes' resolution; half as many at twice the resolution."""
    residual: Count = 32
    """Channels inside a residual block."""
    blocks: Depth = 2
    """Residual blocks of the encoder; the decoder has the same number."""

    def __post_init__(self) -> None:
        _check_side(self.size)

    @property
    def side(self) -> int:
        """Height and width of the grid of codes."""
        return self.size // 4

    @property
    def positions(self) -> int:
        """Codes of an image."""
        return self.side**2


def _check_side(side: int) -> None:
    if side > LARGEST_SIDE:
        raise ValueError(f"expected images with a side of at most {LARGEST_SIDE} pixels, got {side:,}")


Reset = Literal["zero", "subtract"]
"""What a spike does to the membrane potential: it becomes zero, or the threshold is subtracted from it."""


@dataclass(frozen=True)
class LIFConstants:
    """Constants of a leaky integrate-and-fire neuron.

    Raises:
        ValueError: a decay outside [0, 1], a threshold outside [1e-12, 1e12], or `strict` with
            `reset="subtract"`, which neither framework computes in this order of operations.
    """

    decay: float = 0.9
    """Factor of the membrane potential from one frame to the next."""
    threshold: float = 1.0
    """Potential at which the neuron fires."""
    strict: bool = False
    """Fire above the threshold only (snnTorch), not already at it (SpikingJelly)."""
    reset: Reset = "zero"

    def __post_init__(self) -> None:
        if not 0 <= self.decay <= 1:
            raise ValueError(f"expected a decay from 0 to 1, got {self.decay}")
        if not SMALLEST_THRESHOLD <= self.threshold <= LARGEST_THRESHOLD:
            bounds = f"from {SMALLEST_THRESHOLD:g} to {LARGEST_THRESHOLD:g}"
            raise ValueError(f"expected a positive, finite threshold, got {self.threshold}; it must be {bounds}")
        if self.strict and self.reset == "subtract":
            raise ValueError("a neuron that fires above the threshold only is reset to zero, not by subtraction")


class Card(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """The entries that every checkpoint has.

    Attributes:
        name: name of the checkpoint; taken from the file name, not stored.
        sha256: digest of the tensors' file; set when the checkpoint is saved.
        data: data set that the network was trained on, and its encoding.
        metrics: quality of the network, by the name of the metric.
    """

    name: str = ""
    sha256: str = ""
    data: str = ""
    metrics: Mapping[str, int | float] = {}

    decisive: ClassVar[tuple[str, ...]] = ()
    """The entries that the network's values depend on, besides the tensors."""

    @property
    def fingerprint(self) -> str:
        """The digest by which problems know the network: of its tensors, its kind and the decisive entries.

        For the checkpoints of `FIRST` it is that of the tensors' file alone, by which stored runs know them.
        """
        entries = [[name, _stated(getattr(self, name))] for name in self.decisive]
        content = [self.sha256, str(self.__struct_config__.tag), entries]
        digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        return self.sha256 if digest in FIRST else digest

    @property
    def summary(self) -> Mapping[str, object]:
        """What `amb problems show` prints about the network, by the name of the fact."""
        return {"data": self.data} if self.data else {}


class TargetCard(Card, frozen=True, kw_only=True, omit_defaults=True):
    """A target network.

    Attributes:
        network: class of the network.
        arguments: its keyword arguments.
        activation: what an activation of its units is.
        layers: shape of every layer of the network that can be addressed, shallow to deep.
        outputs: shape of what can be addressed in addition: a readout, or the class probabilities.
        normalization: normalization of the pixels.
        weights: number formats of the weights.
        classes: names of the classes, in the order of the class output.
        training: how the network was trained: recipe, seed, steps, date.
    """

    network: str
    arguments: Mapping[str, Any]
    activation: str
    layers: Annotated[Mapping[str, LayerShape], Meta(min_length=1)]
    outputs: Mapping[str, LayerShape] = {}
    normalization: str = ""
    weights: str = ""
    classes: tuple[str, ...] = ()
    training: Mapping[str, Any] = {}

    decisive: ClassVar[tuple[str, ...]] = ("network", "arguments", "layers", "outputs")

    @property
    def units(self) -> Mapping[str, int]:
        """Number of units of everything that can be addressed, by layer: `layers`, then `outputs`."""
        return {layer: shape[0] for layer, shape in {**self.layers, **self.outputs}.items()}

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the images that the network takes; networks default to 32 x 32 x 3."""
        side, channels = int(self.arguments.get("side", 32)), int(self.arguments.get("channels", 3))
        return side, side, channels

    @property
    def summary(self) -> Mapping[str, object]:
        arguments = ", ".join(f"{name}={value}" for name, value in self.arguments.items())
        facts = {"network": f"{self.network}({arguments})", **super().summary}
        facts |= {name: getattr(self, name) for name in ("normalization", "weights") if getattr(self, name)}
        if (accuracy := self.metrics.get("test accuracy")) is not None:
            facts["accuracy"] = f"{accuracy:.1%} of {self.metrics.get('test images', 'the')} test images"
        return facts


class SpikingTargetCard(TargetCard, frozen=True, kw_only=True, omit_defaults=True, tag="spiking target"):
    """A spiking target with exact integer weights.

    Attributes:
        lif: constants of the neuron of every layer.
        frames: number of frames for which an image is shown.
        readout: what the score of a class is.
        reset, fires: the neuron's reset and threshold rules.
    """

    lif: LIFConstants
    frames: Count
    readout: str = ""
    reset: str = ""
    fires: str = ""

    decisive: ClassVar[tuple[str, ...]] = (*TargetCard.decisive, "lif", "frames")

    @property
    def summary(self) -> Mapping[str, object]:
        model = "IF" if self.lif.decay == 1 else f"LIF, decay {self.lif.decay:g}"
        neuron = f"{model}, fires {self.fires or f'at {self.lif.threshold:g}'}"
        if self.lif.reset == "subtract":
            neuron += ", reset by subtraction"
        return {**super().summary, "frames": self.frames, "neuron": neuron}


class PlainTargetCard(TargetCard, frozen=True, kw_only=True, omit_defaults=True, tag="plain target"):
    """A target without spikes.

    Attributes:
        output: the layer that gives the class scores.
    """

    output: str

    decisive: ClassVar[tuple[str, ...]] = (*TargetCard.decisive, "output")


class GeneratorCard(Card, frozen=True, kw_only=True, omit_defaults=True):
    """A generator.

    Attributes:
        prior: distribution of the latents.
        method: training method, with its source.
        recipe: settings of the training.
        seed: seed of the training.
        steps: number of steps taken.
        training_seconds: wall-clock time of all sessions.
        finished: whether the recipe's steps are all done.
        torch: version of torch that trained it.
        written: when the checkpoint was written, ISO 8601.
    """

    prior: str = ""
    method: str = ""
    recipe: Mapping[str, Any] = {}
    seed: int | None = None
    steps: int | None = None
    training_seconds: int | None = None
    finished: bool | None = None
    torch: str = ""
    written: str = ""

    decisive: ClassVar[tuple[str, ...]] = ("shape",)

    @property
    def summary(self) -> Mapping[str, object]:
        facts = {"method": self.method, "steps": self.steps}
        return {**super().summary, **{name: value for name, value in facts.items() if value}}


class SNGANCard(GeneratorCard, frozen=True, kw_only=True, omit_defaults=True, tag="sngan"):
    """An SN-GAN of the given shape."""

    shape: SNGANShape


class VQVAECard(GeneratorCard, frozen=True, kw_only=True, omit_defaults=True, tag="vqvae"):
    """A VQ-VAE of the given shape."""

    shape: VQVAEShape


class ExactCard(GeneratorCard, frozen=True, kw_only=True, omit_defaults=True):
    """A generator with int8 weights, whose images have the same bits on any processor.

    Attributes:
        source: the float32 generator that was rounded.
        origin: the shipped checkpoint from whose weights the int8 ones are derived on loading.
    """

    source: str = ""
    origin: str


class ExactSNGANCard(ExactCard, frozen=True, kw_only=True, omit_defaults=True, tag="exact sngan"):
    """An SN-GAN of the given shape."""

    shape: SNGANShape


class ExactVQVAECard(ExactCard, frozen=True, kw_only=True, omit_defaults=True, tag="exact vqvae"):
    """A VQ-VAE of the given shape with an exact decoder; its encoder and codebook are those of `origin`."""

    shape: VQVAEShape


KINDS: Mapping[str, type[Card]] = {
    "spiking target": SpikingTargetCard,
    "plain target": PlainTargetCard,
    "sngan": SNGANCard,
    "vqvae": VQVAECard,
    "exact sngan": ExactSNGANCard,
    "exact vqvae": ExactVQVAECard,
}
"""The record of each `kind`."""

AnyCard = TypeVar("AnyCard", bound=Card)


def parse(content: Mapping[str, Any], name: str, expected: type[AnyCard]) -> AnyCard:
    """The card of checkpoint `name` that a JSON object holds.

    Args:
        content: the object.
        name: name of the checkpoint.
        expected: the record that the reader needs, or a base class of it.

    Raises:
        ValueError: an entry is missing or invalid, or the card is of another kind; the message names the entry and what
            was expected.
    """
    kind = content.get("kind")
    record = KINDS.get(kind) if isinstance(kind, str) else None
    if record is None or not issubclass(record, expected):
        kinds = " or ".join(repr(kind) for kind, record in KINDS.items() if issubclass(record, expected))
        raise ValueError(f"`kind` is {kind!r}, expected {kinds}")
    try:
        card = msgspec.convert({**content, "name": name}, record)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$.")
        raise ValueError(f"`{path.rstrip('`')}`: {_lower(problem)}" if path else _lower(problem)) from error
    if isinstance(card, TargetCard):
        for entry in ("side", "channels"):
            value = card.arguments.get(entry, 1)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST_COUNT:
                raise ValueError(f"`arguments.{entry}` is {value!r}, expected a whole number of at least 1")
    return card


def as_json(card: Card) -> dict[str, Any]:
    """The JSON object to store: `kind` and the fields, without name and digest."""
    content: dict[str, Any] = msgspec.to_builtins(card)
    return {key: value for key, value in content.items() if key not in ("name", "sha256")}


def _stated(value: object) -> object:
    """An entry as JSON values, in the order of the card; of a record, only what differs from the defaults."""
    if is_dataclass(value):
        stated = {f.name: getattr(value, f.name) for f in fields(value) if getattr(value, f.name) != f.default}
        return _stated(stated)
    content = msgspec.to_builtins(value)
    return [[key, _stated(entry)] for key, entry in content.items()] if isinstance(content, dict) else content


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
