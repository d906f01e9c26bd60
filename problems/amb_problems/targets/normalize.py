"""The normalization that all shipped targets share, in training and inference."""

from torch import Tensor


def normalize(images: Tensor) -> Tensor:
    """`(u8 - 128) / 64`: `[n, h, w, c]`, uint8 or float32 in 0..255, to float32 `[n, c, h, w]`.

    The result is channels last in memory, and gradients flow through it.
    """
    return images.permute(0, 3, 1, 2).float().sub(128.0).div_(64.0)
