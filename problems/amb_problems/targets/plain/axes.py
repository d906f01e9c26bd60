"""Which axis of a layer's output holds its units: a position, a token or a time step must never pass for one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from torch import nn
from torch.nn.modules import activation, batchnorm, conv, dropout, instancenorm, padding, pooling

from amb_problems.targets.plain.neurons import is_neuron
from amb_problems.targets.plain.outputs import Unreadable

_FIRST: tuple[type[nn.Module], ...] = (
    conv._ConvNd, batchnorm._BatchNorm, instancenorm._InstanceNorm, nn.GroupNorm, nn.LocalResponseNorm,
    pooling._MaxPoolNd, pooling._AvgPoolNd, pooling._AdaptiveMaxPoolNd, pooling._AdaptiveAvgPoolNd, pooling._LPPoolNd,
    nn.Upsample, nn.PixelShuffle, nn.PixelUnshuffle, nn.Unfold, nn.Fold, nn.ChannelShuffle, nn.Dropout1d, nn.Dropout2d,
    nn.Dropout3d, padding._ConstantPadNd, padding._ReflectionPadNd, padding._ReplicationPadNd,
)  # fmt: skip
_LAST: tuple[type[nn.Module], ...] = (
    nn.Linear, nn.Bilinear, nn.Embedding, nn.MultiheadAttention, nn.TransformerEncoder, nn.TransformerEncoderLayer,
    nn.TransformerDecoder, nn.TransformerDecoderLayer, nn.RNNBase, nn.RNNCellBase,
)  # fmt: skip
_PACKAGES = ("torch.", "spikingjelly.", "snntorch.")


def convention(module: nn.Module) -> str | None:
    """Where the class of a layer puts its channels; a subclass with a forward pass of its own may do anything.

    Returns:
        "first": right after the batch; "last": the last axis; "same": where its input has them; None: not known.
    """
    owner = next(base for base in type(module).__mro__ if "forward" in vars(base))
    if is_neuron(module):
        return "first" if type(module).__name__ == "SConv2dLSTM" else "same"
    if not owner.__module__.startswith(_PACKAGES):
        return None
    if isinstance(module, nn.LayerNorm | nn.RMSNorm):
        return "last" if len(module.normalized_shape) == 1 else "same"  # [tokens, width] or [channels, height, width]
    if isinstance(module, _LAST):
        return "last"
    if isinstance(module, _FIRST):
        return "first"
    elementwise = type(module).__module__ in (activation.__name__, dropout.__name__) or isinstance(module, nn.Identity)
    return "same" if elementwise else None


def batch_axis(one: tuple[int, ...], three: tuple[int, ...] | None) -> tuple[int, int]:
    """The axis of the images in an output, and its length for one image.

    Args:
        one: the output's shape for one image.
        three: for three images; None if the module takes one image only.

    Raises:
        Unreadable: no axis is that of the images.
    """
    if three is None:
        for axis in (0, 1):
            if len(one) > axis and one[axis] == 1:
                return axis, 1
        raise Unreadable(f"its output {list(one)} has no axis of one image, and the module takes one image at a time")
    if len(one) != len(three):
        raise Unreadable(
            f"its output is {list(one)} for one image and {list(three)} for three: it loses the axis of the images "
            "(a squeeze?)"
        )
    grown = [axis for axis, (a, b) in enumerate(zip(one, three, strict=True)) if a != b]
    if not grown:
        raise Unreadable(f"its output {list(one)} does not have an entry for each image")
    if len(grown) > 1 or three[grown[0]] != 3 * one[grown[0]]:
        raise Unreadable(f"its output is {list(one)} for one image and {list(three)} for three: images are mixed")
    return grown[0], one[grown[0]]


@dataclass(frozen=True)
class Sizes:
    """Numbers of channels that layers of known class have, by their convention and number of axes after the batch.

    `square` is whether the images are, so that their maps are too.
    """

    first: Mapping[int, Collection[int]]
    last: Mapping[int, Collection[int]]
    square: bool = False


def channel_axis(
    shape: tuple[int, ...],
    batch: int,
    *,
    known: str | None,
    sizes: Sizes,
    steps: Collection[int] = (),
    stated: int | None = None,
    time: int | None = None,
) -> int | None:
    """The axis of the units; None if there is only one unit.

    Args:
        shape: the output for one image.
        batch: the axis of the images.
        known: the convention of the layer's class, "first" or "last", if known.
        sizes: numbers of channels elsewhere in the network.
        steps: numbers of time steps in the network, for a layer that is called once and may return them all.
        stated: the axis that the user states.
        time: the axis of time that the user states.

    Raises:
        Unreadable: more than one axis may hold the units.
    """
    count = len(shape)
    if stated is not None:
        axis = stated + count if stated < 0 else stated
        if not 0 <= axis < count or axis == batch:
            raise Unreadable(f"channel_axis={stated} is not an axis of units of its output {list(shape)}")
        return axis
    if time is not None:
        axis = time + count if time < 0 else time
        if not 0 <= axis < count or axis == batch:
            raise Unreadable(f"time_axis={time} is not an axis of steps of its output {list(shape)}")
        time = axis
    after = [axis for axis in range(batch + 1, count) if axis != time]
    if not after:
        if any(shape[axis] > 1 for axis in range(batch) if axis != time):
            raise Unreadable(f"its output {list(shape)} has the images last; state channel_axis=")
        return None
    if len(after) == 1:
        return after[0]
    if known == "first":
        return after[0]
    if known == "last":
        return after[-1]
    if time is None:
        after = _without_time(shape, after, sizes, steps)
    if len(after) == 1:
        return after[0]
    agreed = _agreed(shape, after, sizes)
    if agreed is None:
        raise Unreadable(f"any axis of its output {list(shape)} may hold the units; state channel_axis=")
    return agreed


def _without_time(shape: tuple[int, ...], after: list[int], sizes: Sizes, steps: Collection[int]) -> list[int]:
    """The axes without that of time, where a network that steps returns all steps with the images first."""
    timed = [axis for axis in after if shape[axis] in steps and shape[axis] > 1]
    if not timed:
        return after
    channels = {size for table in (sizes.first, sizes.last) for some in table.values() for size in some}
    if len(timed) > 1 or shape[timed[0]] in channels:
        raise Unreadable(f"its output {list(shape)} may hold time steps in axis {timed[0]}; state time_axis=")
    return [axis for axis in after if axis != timed[0]]


def _agreed(shape: tuple[int, ...], after: list[int], sizes: Sizes) -> int | None:
    """The one axis that agrees with what layers of known class do in this network; None: none does, or several may."""
    if len(after) > 2 and 2 in sizes.last:  # tokens that attention splits into heads may look like any map
        return None
    first, last = sizes.first.get(len(after), ()), sizes.last.get(len(after), ())
    if len(after) == 3 and sizes.square:
        one, two, three = (shape[axis] for axis in after)
        if two == three != one:
            return after[0]
        if one == two != three:
            return after[-1]
    elif len(after) > 2 and not last and [axis for axis in after if shape[axis] in first] == after[:1]:
        return after[0]
    # A linear layer that sees vectors says nothing about tokens, but forbids to take its width for a number of tokens.
    everywhere = {size for table in (sizes.first, sizes.last) for some in table.values() for size in some}
    for axis, other, channels, others in ((after[0], after[-1], first, last), (after[-1], after[0], last, first)):
        if shape[axis] in channels and shape[axis] not in others and shape[other] not in everywhere:
            return axis
    return None
