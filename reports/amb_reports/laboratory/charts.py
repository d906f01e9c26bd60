"""Charts as SVG inside the page: no script draws them, and their colours follow the page's."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from markupsafe import Markup, escape
from matplotlib.ticker import MaxNLocator

WIDTH, HEIGHT = 440, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 10, 40


@dataclass(frozen=True)
class Point:
    """A point with an interval (NaN: none) and a text that is shown when it is pointed at."""

    x: float
    y: float
    low: float = float("nan")
    high: float = float("nan")
    title: str = ""


@dataclass(frozen=True)
class Series:
    """Points of one colour and shape, joined by a line if wanted; `style` is a class of the page's style sheet."""

    name: str
    style: str
    points: Sequence[Point] = field(default_factory=tuple)
    joined: bool = True


def chart(series: Sequence[Series], *, x: str, y: str, description: str, zero: bool = False) -> Markup:
    """A chart of some series; empty if they have no points.

    Args:
        series: what is drawn, the last on top.
        x, y: labels of the axes.
        description: what a reader who cannot see it should know.
        zero: draw a line at 0.
    """
    points = [p for s in series for p in s.points if np.isfinite(p.y)]
    if not points:
        return Markup("")
    horizontal = _Axis([p.x for p in points], LEFT, WIDTH - RIGHT)
    ends = [v for p in points for v in (p.y, p.low, p.high) if np.isfinite(v)]
    vertical = _Axis(ends + [0.0] * zero, HEIGHT - BOTTOM, TOP)
    parts = [*_frame(horizontal, vertical, x, y)]
    if zero:
        parts.append(f'<path class="zero" d="M{LEFT} {vertical(0):.1f}H{WIDTH - RIGHT}"/>')
    for one in series:
        parts += _drawn(one, horizontal, vertical)
    opening = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(description)}">'
    return Markup(opening + "".join(parts) + "</svg>")


class _Axis:
    """A linear scale from numbers to pixels, with round ticks."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        low, high = min(values), max(values)
        margin = (high - low or abs(high) or 1) * 0.06
        self.low, self.high, self.start, self.end = low - margin, high + margin, start, end

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    @property
    def ticks(self) -> list[float]:
        found = MaxNLocator(5).tick_values(self.low, self.high)
        return [float(t) for t in found if self.low <= t <= self.high]


def _frame(horizontal: _Axis, vertical: _Axis, x: str, y: str) -> list[str]:
    floor = HEIGHT - BOTTOM
    parts = []
    for tick in vertical.ticks:
        at = vertical(tick)
        parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="end" x="{LEFT - 6}" y="{at + 4:.1f}">{tick:g}</text>')
    for tick in horizontal.ticks:
        parts.append(f'<text class="middle" x="{horizontal(tick):.1f}" y="{floor + 16}">{tick:g}</text>')
    parts.append(f'<text class="middle" x="{(LEFT + WIDTH - RIGHT) / 2:g}" y="{HEIGHT - 6}">{escape(x)}</text>')
    middle = (TOP + floor) / 2
    parts.append(f'<text class="middle" transform="translate(13 {middle:g}) rotate(-90)">{escape(y)}</text>')
    return parts


def _drawn(series: Series, horizontal: _Axis, vertical: _Axis) -> list[str]:
    shown = [p for p in series.points if np.isfinite(p.y)]
    places = [(horizontal(p.x), vertical(p.y)) for p in shown]
    parts = [f'<g class="{escape(series.style)}">']
    if series.joined and len(places) > 1:
        parts.append(f'<path class="line" d="M{"L".join(f"{a:.1f} {b:.1f}" for a, b in places)}"/>')
    for point, (a, b) in zip(shown, places, strict=True):
        title = f"<title>{escape(point.title)}</title>"
        if np.isfinite(point.low) and np.isfinite(point.high):
            top, bottom = vertical(point.high), vertical(point.low)
            parts.append(f'<path class="bar" d="M{a:.1f} {top:.1f}V{bottom:.1f}">{title}</path>')
        parts.append(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5">{title}</circle>')
    return [*parts, "</g>"]
