"""Exact generators as integers give them: sums in int64, rounding by remainders, no library's kernel."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from amb_problems.cards import SNGANShape, VQVAEShape
from amb_problems.generators.exact import screen
from amb_problems.targets.spiking.exact import ExactLayer

Maps = tuple[np.ndarray, np.ndarray]
"""Integers int64 [n, c, h, w], and for each channel the power of two whose inverse they are multiples of."""
_COMMON = 24
"""A power of two that is fine enough for all sums of layers."""


class IntegerLayers:
    """Layers by name, and the table of pixels."""

    def __init__(self, layers: Mapping[str, ExactLayer], table: Tensor) -> None:
        self._table = table.numpy()
        self._stored = {
            f"{name}.{part}": getattr(layer, part).numpy().astype(np.int64)
            for name, layer in layers.items()
            for part in ("weight", "shift", "bias")
        }

    def sngan(self, shape: SNGANShape, latents: np.ndarray) -> np.ndarray:
        """Images uint8 [n, h, w, c] of latents."""
        z = np.clip(np.rint(latents.astype(np.float64) * 32), -128, 127).astype(np.int64)
        sums, have = self._layer("linear", z[:, :, None, None], 5)
        x, _ = _finest((sums.reshape(len(z), -1, 1, 1), have))
        x = x.reshape(len(z), -1, shape.bottom, shape.bottom)
        for block in range(len(shape.widths) - 1):
            y = self._up(f"blocks.{block}.up", _rectified((x, np.full(x.shape[1], _COMMON))))
            conv, _ = _finest(self._layer(f"blocks.{block}.conv", _rectified(y), 4, padding=1))
            signed = _rounded((x, np.full(x.shape[1], _COMMON)), 4, -128, 127)
            direct, _ = _finest(self._layer(f"blocks.{block}.shortcut", signed, 4))
            x = conv + direct.repeat(2, 2).repeat(2, 3)
        return self._pixels(self._layer("conv", _rectified((x, np.full(x.shape[1], _COMMON))), 4, padding=1))

    def decoder(self, shape: VQVAEShape, codes: np.ndarray) -> np.ndarray:
        """Images uint8 [n, h, w, c] of numbers of codes [n, positions]."""
        book = self._stored["codes.weight"][:, codes.astype(int)].transpose(1, 0, 2)
        vectors = book.reshape(len(codes), -1, shape.side, shape.side)
        vectors = _rounded((vectors, self._stored["codes.shift"]), 4, -128, 127)
        x, have = _finest(self._layer("first", vectors, 4, padding=1))
        for block in range(shape.blocks):
            y = self._layer(f"blocks.{block}.conv1", _rectified((x, have)), 4, padding=1)
            x = x + _finest(self._layer(f"blocks.{block}.conv2", _rectified(y), 4))[0]
        return self._pixels(self._up("up2", _rectified(self._up("up1", _rectified((x, have))))))

    def _layer(self, name: str, x: np.ndarray, bits: int, padding: int = 0) -> Maps:
        weight = self._stored[f"{name}.weight"]
        weight = weight if weight.ndim == 4 else weight[:, :, None, None]
        k, side = weight.shape[-1], x.shape[-1] + 2 * padding - weight.shape[-1] + 1
        x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
        sums = np.zeros((len(x), len(weight), side, side), np.int64) + self._stored[f"{name}.bias"][:, None, None]
        for row in range(k):
            for column in range(k):
                seen = x[:, :, row : row + side, column : column + side]
                sums += np.einsum("nchw,oc->nohw", seen, weight[:, :, row, column])
        return sums, self._stored[f"{name}.shift"] + bits

    def _up(self, name: str, x: np.ndarray) -> Maps:
        """An up-convolution of rectified bytes."""
        phases, have = self._layer(name, x, 4, padding=1)
        outputs, side = phases.shape[1] // 4, x.shape[-1]
        phases, have = _finest((phases, have))
        y = np.zeros((len(x), outputs, 2 * side, 2 * side), np.int64)
        for a in (0, 1):
            for b in (0, 1):
                first = (2 * a + b) * outputs
                y[:, :, a::2, b::2] = phases[:, first : first + outputs, a : a + side, b : b + side]
        return y, have[:outputs]

    def _pixels(self, tones: Maps) -> np.ndarray:
        entries = _rounded(tones, screen.BITS, -screen.HALF, screen.HALF - 1) + screen.HALF
        return self._table[entries].transpose(0, 2, 3, 1)


def _finest(maps: Maps) -> Maps:
    """The same numbers, all as multiples of 2^-_COMMON."""
    sums, have = maps
    assert (have <= _COMMON).all()
    return sums << (_COMMON - have)[:, None, None], np.full(len(have), _COMMON)


def _rounded(maps: Maps, bits: int, low: int, high: int) -> np.ndarray:
    """The nearest multiples of 2^-`bits`, of two equally near ones the even one, from `low` to `high` of them."""
    sums, _ = _finest(maps)
    drop = _COMMON - bits
    floor, rest, half = sums >> drop, sums & ((1 << drop) - 1), 1 << (drop - 1)
    return np.clip(floor + ((rest > half) | ((rest == half) & (floor % 2 == 1))), low, high)


def _rectified(maps: Maps) -> np.ndarray:
    return _rounded(maps, 4, 0, 127)
