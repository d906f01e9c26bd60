"""Images in a terminal: two pixels per character, as the colours of an upper half block and its background."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from amb.contracts.problem import UInt8Array

GAP = 2


def side_by_side(images: "Sequence[UInt8Array]", *, side: int) -> "Text":
    """Images next to each other, each `side` characters wide and half as many lines high."""
    import numpy as np
    from rich.color import Color
    from rich.style import Style
    from rich.text import Text

    from amb.reports.images import as_picture

    small = [np.asarray(as_picture(image).resize((side, side))) for image in images]
    text = Text(no_wrap=True)
    for y in range(0, side - 1, 2):
        for number, image in enumerate(small):
            text.append(" " * GAP if number else "")
            for upper, lower in zip(image[y], image[y + 1], strict=True):
                text.append("▀", Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower)))
        text.append("\n")
    return text
