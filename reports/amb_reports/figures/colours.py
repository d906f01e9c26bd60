"""The colour of every solver, the same in every figure and on every page.

A solver that `amb` ships has a colour of its own. Any other name, and a solver with options, gets one of the remaining
colours by a hash of the name; if two names on a page hash to the same colour, one takes the next free one.
"""

from collections.abc import Sequence
from zlib import crc32

PAIRS = (
    ("#0072b2", "#56a8e8"),
    ("#d55e00", "#ff8a3d"),
    ("#009e73", "#2fc79a"),
    ("#cc79a7", "#e79ac6"),
    ("#c48700", "#f0b429"),
    ("#3e9bd0", "#8fd3ff"),
    ("#000000", "#e8e8e8"),
    ("#4e4a09", "#8b8318"),
    ("#8f2e8a", "#bd5ab6"),
    ("#a82418", "#d95544"),
    ("#0e6c66", "#239991"),
    ("#0b4a7a", "#0085da"),
    ("#3c740d", "#7bd23b"),
    ("#985d70", "#c07b90"),
    ("#9a62c9", "#be89ed"),
    ("#6442b3", "#8b6ee2"),
    ("#ef546c", "#feb9bd"),
    ("#8b8318", "#b3a90f"),
    ("#73699c", "#9488c5"),
    ("#91683c", "#b78754"),
    ("#5f377f", "#d7b1fc"),
    ("#0d919a", "#14bac5"),
    ("#567e52", "#72a16d"),
    ("#4e3053", "#f8cdfe"),
    ("#03464b", "#9deef5"),
    ("#1053dd", "#91b7fe"),
    ("#cb4f6f", "#f17993"),
    ("#005d37", "#74dda3"),
    ("#ba54a2", "#df7dc6"),
    ("#3b9736", "#68bc62"),
    ("#763b0c", "#fdb080"),
    ("#949a19", "#d0d83c"),
    ("#573312", "#fdd5b7"),
    ("#264623", "#c0ecbc"),
    ("#05585e", "#35dce9"),
    ("#357b95", "#4d9ebc"),
    ("#6b72dd", "#909bfb"),
    ("#d85bbb", "#fdb2e7"),
    ("#9022b6", "#de96fd"),
    ("#894c06", "#c26e12"),
    ("#0a7044", "#199f64"),
    ("#176688", "#1d91c2"),
    ("#b9003d", "#ff939c"),
    ("#ce5342", "#f47c6b"),
    ("#8a7dfa", "#c8c8fb"),
    ("#6c6610", "#c7bc1c"),
    ("#3b51bc", "#5f7ceb"),
    ("#b26f08", "#e19020"),
    ("#a9008e", "#fe85e0"),
    ("#5b2c36", "#fdd1d8"),
    ("#095807", "#0d9b0b"),
    ("#293c62", "#d0dff9"),
    ("#328173", "#4aa494"),
    ("#80369e", "#ac61cb"),
    ("#9b5f55", "#c37d71"),
    ("#6d37d2", "#baa9fe"),
    ("#8c6088", "#b27ead"),
    ("#a14206", "#fc9b6f"),
    ("#7e2a4a", "#faa9c1"),
    ("#c55089", "#ea7aae"),
    ("#e86518", "#fbbea3"),
    ("#138db1", "#22b5e1"),
    ("#3f438d", "#b5bfff"),
    ("#70306c", "#f4a5ec"),
    ("#822b2d", "#ffaaa6"),
    ("#433f09", "#e5e2a4"),
    ("#239382", "#06bfa8"),
    ("#ac5ab7", "#d082db"),
    ("#72763d", "#939855"),
    ("#b4065f", "#ff8fb4"),
    ("#bd67e0", "#e7bafb"),
    ("#3c5700", "#add475"),
    ("#004939", "#a6f0d8"),
    ("#115444", "#1a9579"),
    ("#176f7c", "#22cde5"),
    ("#679012", "#8ab544"),
    ("#5174a0", "#6c95c9"),
    ("#16745e", "#05d6ad"),
    ("#e4569d", "#fdb6d3"),
    ("#25a2be", "#6fdffd"),
    ("#782c5c", "#fca4d6"),
    ("#566609", "#7c9217"),
    ("#137738", "#31d96d"),
    ("#0085da", "#4aabfd"),
    ("#077206", "#3b9e36"),
    ("#0e6a9b", "#69c1fc"),
    ("#62480d", "#edbc58"),
    ("#00566e", "#60d4fe"),
    ("#845a0f", "#f2a618"),
    ("#2a7f86", "#42a2aa"),
    ("#a20f9d", "#fc82f3"),
    ("#08985e", "#39c07f"),
    ("#715b13", "#a28218"),
    ("#ad057e", "#fe8acf"),
    ("#c3610b", "#ec8640"),
    ("#005bb5", "#3186e9"),
)
"""Colours on a light and on a dark background, with a contrast of at least 3 and 4.5 to 1 against it.

The first seven are those of Okabe & Ito 2008, which colour-blind people can tell apart; orange and sky blue are
darkened, to be visible on white, and their yellow is left out. Each of the others is as far as possible from all before
it in the Oklab space, as seen with and without deuteranopia.
"""

SHIPPED = (
    "cma-diagonal", "xdream-ga", "tt-elite", "sphere-cma", "one-plus-lambda", "tt-b", "random", "random-prior",
    "portfolio", "tt-s", "tt", "protes", "cma", "natural", "snes", "local-search", "annealing", "ttopt", "optima-tt",
    "tt-exp", "gradient", "evosax", "nevergrad", "optuna", "cholesky-cma", "cma-margin", "cma-mean",
    "one-plus-lambda-resampling", "portfolio-transition", "protes-reference", "ttopt-quantized",
    "optima-tt-quantized", "inception-loop",
    "trust-region-gp",
    "tt-parents",
    "growing-snes",
)  # fmt: skip
"""Solvers with a colour of their own, in the order of `PAIRS`. Add new ones at the end, so that none changes."""


def slots(solvers: Sequence[str]) -> dict[str, int]:
    """The number of each solver's colour in `PAIRS`, no number twice unless there are more solvers than colours.

    The order of the solvers does not matter.
    """
    taken = {name: SHIPPED.index(name) for name in set(solvers) & set(SHIPPED)}
    free = len(PAIRS) - len(SHIPPED)
    used: set[int] = set()
    for name in sorted(set(solvers) - set(SHIPPED)):
        place = crc32(name.encode()) % free
        while place in used and len(used) < free:
            place = (place + 1) % free
        used.add(place)
        taken[name] = len(SHIPPED) + place
    return {name: taken[name] for name in solvers}


def dash_of(slot: int) -> int:
    """The number, of four dashes, of the one that belongs to a colour: none for the first nine."""
    return slot // 9 % 4
