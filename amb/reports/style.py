"""The style in which `amb` draws figures: its own, whatever a matplotlibrc or a plug-in has set."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def own_style() -> Iterator[None]:
    """A context, or decorator, in which matplotlib has its defaults; without LaTeX, for instance.

    Figures are drawn and saved in it. The user's settings are back afterwards, and the backend stays.
    """
    from matplotlib import rc_context, rcdefaults, rcParams

    with rc_context():
        rcdefaults()
        rcParams["svg.hashsalt"] = "amb"  # or names in SVG files are drawn at random
        yield
