"""How many images a module may be shown at a time so that no bit of an image's values depends on the other images.

Kernels round differently for other numbers of rows, and some even at other positions among the rows. Which sizes of a
batch agree is found by trial, for every operation of a forward pass, and by nothing else, so that every process on the
same kind of processor finds the same.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter, process_time
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from amb_problems.tensor_content import same_values

SIZES = (1, 2, 4, 8, 16, 32)
HEAVY = 200_000
"""Values a call returns on average, from which a single image keeps the kernels busy: batches gain little there, and a
single image must not wait for a batch to be filled."""


def exact_sizes(run: Callable[[Tensor], object], images: Tensor, *, values_per_call: float) -> tuple[int, ...]:
    """Sizes of batches in which an image's values are the same, bit for bit, at any position; an image alone is padded.

    Args:
        run: shows the module, at rest, images; a fresh start each time.
        images: random ones, as many as the largest size.
        values_per_call: how much a call computes.

    Returns:
        The most sizes that agree, of equally many the larger ones; (1,) if batches differ.
    """
    if values_per_call > HEAVY:
        return (1,)
    trial = _Trial(run, images)
    classes: list[list[tuple[int, _Sums]]] = []
    for size in SIZES:
        sums = trial.repeated(size)
        if sums is None:
            continue
        for known in classes:
            other, reference = known[0]
            if _agree(reference, other, sums, size):
                known.append((size, sums))
                break
        else:
            if trial.any_order(size):
                classes.append([(size, sums)])
    found = [tuple(size for size, _ in known) for known in classes]
    return max(found, key=lambda sizes: (len(sizes), sizes[-1])) if found else (1,)


def mixes(run: Callable[[Tensor], Mapping[str, Tensor]], images: Tensor) -> bool:
    """Whether images have other values among other images than among their like, be it in the last bit.

    Batches of one size round alike, so that what is scaled, clipped or stopped by something of the whole batch shows at
    its smallest.

    Args:
        run: shows the module, at rest, images, and returns its responses.
        images: as different as can be.
    """
    together = run(images)
    for i in range(len(images)):
        alike = run(images[i : i + 1].expand_as(images).contiguous())
        if any(not same_values(together[name][i], alike[name][i]) for name in together):
            return True
    return False


def fastest_size(
    run: Callable[[Tensor], Mapping[str, Tensor]], images: Tensor, sizes: Sequence[int]
) -> tuple[int, bool]:
    """The size with the most images a second, the largest of those that are nearly as fast; no bit depends on it.

    Args:
        run: shows the module, at rest, images, and returns its responses.
        images: as many as the largest size.
        sizes: sizes of batches.

    Returns:
        The size, and whether the responses themselves agree in all sizes.
    """
    # On a processor that others share, its own time tells more than the clock on the wall.
    clock = process_time if images.device.type == "cpu" else perf_counter
    seconds: dict[int, float] = {}
    answers: list[Mapping[str, Tensor]] = []
    for size in sizes:
        each = []
        for _ in range(3):
            start = clock()
            answer = run(images[:size])
            each.append((clock() - start) / size)
        answers.append(answer)
        seconds[size] = min(each)
    least = min(seconds.values())
    alike = all(
        torch.equal(answer[name].nan_to_num(), answers[-1][name][: len(answer[name])].nan_to_num())
        for answer in answers
        for name in answer
    )
    return max(size for size, each in seconds.items() if each <= 1.1 * least), alike


def split(count: int, sizes: Sequence[int], best: int, threads: int) -> list[tuple[int, int]]:
    """Batches for a number of images: pairs of images and size, the last one padded.

    Args:
        count: number of images.
        sizes: exact sizes, ascending.
        best: the fastest of them.
        threads: batches that run at the same time; images are spread over them.
    """
    share = -(-count // max(threads, 1))
    size = next((each for each in sizes if each >= share), sizes[-1])
    size = min(size, best) if best in sizes else size
    whole, rest = divmod(count, size)
    parts = [(size, size)] * whole
    if rest:
        parts.append((rest, next(each for each in sizes if each >= rest)))
    return parts


_Sums = list[tuple[str, int, int]]
"""Of every tensor that an operation returns: the operation, the number of values, the hash of their bits."""


class _Trial:
    """Batches in which some operations are hashed: the same ones in every size."""

    def __init__(self, run: Callable[[Tensor], object], images: Tensor) -> None:
        self._run, self._images = run, images
        self._hashed: set[int] | None = None

    def repeated(self, size: int) -> "_Sums | None":
        """Hashes for one image, repeated; None if the module does not take that size."""
        return self._sums(self._images[:1].expand(size, *self._images.shape[1:]).contiguous())

    def any_order(self, size: int) -> bool:
        """Whether different images have the same hashes in another order.

        Every image changes from an even to an odd place, or in the other direction.
        """
        if size == 1:
            return True
        order = [*range(1, size), 0]
        first, second = self._sums(self._images[:size]), self._sums(self._images[order])
        return first is not None and first == second

    def _sums(self, images: Tensor) -> "_Sums | None":
        try:
            with _Bits(self._hashed) as bits:
                self._run(images)
        except Exception:  # a module may take batches of some sizes only
            return None
        self._hashed = bits.hashed
        return bits.sums


def _agree(reference: _Sums, size: int, sums: _Sums, larger: int) -> bool:
    """Whether an image has the same bits in two sizes of batches, at every position."""
    if len(reference) != len(sums):
        return False
    for (name, n, a), (other, m, b) in zip(reference, sums, strict=True):
        times = larger // size if m * size == n * larger else 1  # operations on weights alone do not grow
        if name != other or m != n * times or (a * times - b) & _MASK:
            return False
    return True


_MASK = (1 << 64) - 1


_CONTRACTIONS = {
    **dict.fromkeys(("convolution", "_convolution", "conv1d", "conv2d", "conv3d"), (0, "map")),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), (0, "map")),
    **dict.fromkeys(("mm", "bmm", "linear", "matmul"), (0, "row")),
    **dict.fromkeys(("addmm", "baddbmm"), (1, "row")),
}
"""Operations that sum products: which argument is summed over, and along which axes."""
_TURNS = 8
"""Repetitions of an operation that are hashed: shapes decide how kernels round, and these repeat."""
_SHAPELESS = ("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided")
"""Operations that return whatever the memory holds."""


class _Bits(TorchDispatchMode):
    """Hashes what operations return: of those that repeat, as in a loop over time, the first few turns.

    The same dense pattern is added to every row that is summed over. Otherwise a layer that is silent for the images
    of the trial would seem to round alike in all batches.

    Args:
        hashed: numbers of the operations to hash; None: to be chosen.
    """

    def __init__(self, hashed: set[int] | None) -> None:
        super().__init__()
        self.sums: _Sums = []
        self.hashed = set() if hashed is None else hashed
        self._choose = hashed is None
        self._number = 0
        self._seen: Counter[tuple[object, ...]] = Counter()
        self._patterns: dict[tuple[object, ...], Tensor] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here; guarding every operation against it would double its time."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in _CONTRACTIONS and not func._schema.is_mutable:
            place, along = _CONTRACTIONS[name]
            x = args[place]
            if isinstance(x, Tensor) and x.is_floating_point() and x.ndim > 1:
                args = (*args[:place], x + self._pattern(x, along), *args[place + 1 :])
        out = func(*args, **(kwargs or {}))
        if name in _SHAPELESS:
            return out
        for leaf in (out,) if isinstance(out, Tensor) else tree_leaves(out):
            if isinstance(leaf, Tensor) and leaf.is_floating_point():
                self._note(name, leaf)
        return out

    def _note(self, name: str, leaf: Tensor) -> None:
        number, self._number = self._number, self._number + 1
        if self._choose:
            key = (name, leaf.shape)
            self._seen[key] += 1
            if self._seen[key] <= _TURNS:
                self.hashed.add(number)
        self.sums.append((name, leaf.numel(), _hash(leaf) if number in self.hashed else 0))

    def _pattern(self, x: Tensor, along: str) -> Tensor:
        shape = tuple(x.shape[1:]) if along == "map" else (x.shape[-1],)
        key = (shape, x.dtype, x.device)
        if key not in self._patterns:
            generator = torch.Generator().manual_seed(len(shape))
            self._patterns[key] = torch.randn(shape, generator=generator, dtype=torch.float32).to(x)
        return self._patterns[key]


_BITS = {
    torch.float64: torch.int64,
    torch.float32: torch.int32,
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
}


def _hash(tensor: Tensor) -> int:
    """A hash of the bits of all values, in any order; 0.0 and -0.0 are the same value."""
    tensor = tensor.detach() + 0.0
    bits = tensor.contiguous().view(_BITS.get(tensor.dtype, torch.int32)).to(torch.int64)
    mixed = bits * -7046029254386353131
    mixed = (mixed ^ (mixed >> 29)) * -4658895280553007687
    return int((mixed ^ (mixed >> 32)).sum()) & _MASK
