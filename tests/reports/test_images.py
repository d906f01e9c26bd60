import numpy as np
import pytest

from amb.reports.images import as_rgb


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3), (4, 5, 4)])
def test_every_image_is_shown_with_three_channels(shape: tuple[int, ...]) -> None:
    """Grey in all three, colours as they are, an opacity left out."""
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    shown = as_rgb(image)
    assert shown.shape == (4, 5, 3)
    expected = image if image.ndim == 3 and image.shape[2] > 1 else image.reshape(4, 5, 1)
    for channel in range(3):
        np.testing.assert_array_equal(shown[..., channel], expected[..., min(channel, expected.shape[2] - 1)])
