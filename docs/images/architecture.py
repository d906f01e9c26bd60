"""Draw docs/images/architecture.svg from the layers in pyproject.toml: `python docs/images/architecture.py`."""

import tomllib
from html import escape
from pathlib import Path
from textwrap import wrap

ROOT = Path(__file__).parents[2]
PICTURE = Path(__file__).with_suffix(".svg")
CAPTIONS = {
    "__main__": "python -m amb",
    "cli": "the command line: one module per command",
    "api": "amb.compare, amb.open, results in a notebook",
    "testing": "the rules that every solver must pass",
    "lab": "experiments on living neurons: blocks of stimuli out, responses in",
    "paper": "the paper's claims, measured again and judged",
    "atlas": "all units of a network: an ordinary study, and a page",
    "meis": "most exciting inputs: what is measured for every one",
    "reports": "the report contract, and writing reports",
    "comparison": "compare: runs, tables, verdict; the published reference study",
    "run": "from a plan to finished runs: lockstep, limits, isolation, Dask",
    "references": "chance and best known values: how they are measured",
    "catalogue": "everything by name: plug-ins, problems, suites, solvers",
    "study": "a study on disk: runs, journals, manifest, merge, health",
    "contracts": "what plug-ins implement",
    "stats": "tables in, tables out",
    "fingerprint": "hashes of code and values",
    "kept_path": "paths that outlive a call",
    "spec": "names with options: tt-b[k=50]",
    "clock": "what seconds are",
    "compiling": "numba's cache",
    "errors": "what amb raises",
    "foreign": "what plug-ins raise",
    "memory": "want of it",
    "imported": "what a function's own imports reach",
    "loaded_code": "is a loaded module its file?",
    "installed": "what its name tells",
    "looked_up": "names that code looks up",
    "file_identity": "whether a file changed",
    "held_file": "files that stay open",
    "interruption": "Ctrl-C and signals",
    "process_settings": "modes that plug-ins may not leave",
    "imported_torch": "if it is imported",
    "torch_precision": "full precision for all networks",
    "variables": "of the environment",
    "streams": "stdout and stderr stay usable",
    "activation": "what counts as a number",
    "sight": "the classes of solvers",
    "reloaded": "what pickles leave out",
    "text": "small pieces of text",
}
INK, MUTED, LINE = "#1b1f24", "#57606a", "#8c959f"
TOP, BOTTOM = "#ddeefa", "#eef6e8"
WIDTH, MARGIN, ROW, GAP, LINE_HEIGHT = 940, 20, 34, 6, 18
LETTER = 7.2
"""Width of a letter, on average."""


def contracts() -> dict[str, list[list[str]]]:
    """The layers of every contract by its id, from the highest; a layer is a list of independent subpackages."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    return {
        contract["id"]: [[subpackage.strip("() ") for subpackage in layer.split("|")] for layer in contract["layers"]]
        for contract in settings["contracts"]
    }


def box(x: float, y: float, width: float, height: float, fill: str) -> str:
    """A box with rounded corners."""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="4" fill="{fill}" stroke="{LINE}"/>'


def text(x: float, y: float, words: str, *, bold: bool = False, muted: bool = False) -> str:
    """One line of text."""
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}" fill="{MUTED if muted else INK}"{weight}>{escape(words)}</text>'


def names(layers: list[list[str]]) -> list[str]:
    """A package's subpackages, one line per layer; a layer that is too long for its box continues, indented."""
    return [
        line.strip() if i == 0 else f"\u2003{line.strip()}"
        for subpackages in layers
        for i, line in enumerate(wrap(" · ".join(subpackages), 34))
    ]


def box_width(boxes: int) -> float:
    """The width of each box in a row of the core."""
    return (WIDTH - 4 * MARGIN - (boxes - 1) * 12) / boxes


def captioned(subpackages: list[str]) -> dict[str, list[str]]:
    """The lines of each subpackage's caption: beside its name, or, in a row of more than two, wrapped below it."""
    if len(subpackages) <= 2:
        return {name: [CAPTIONS[name]] for name in subpackages}
    characters = int((box_width(len(subpackages)) - 20) / LETTER)
    return {name: wrap(CAPTIONS[name], characters) for name in subpackages}


def row_height(row: dict[str, list[str]]) -> float:
    """The height of a row of the core."""
    return ROW + LINE_HEIGHT * max(map(len, row.values())) if len(row) > 2 else ROW


def draw(layers: dict[str, list[list[str]]]) -> str:
    """The picture as SVG: three packages beside each other, and the subpackages of the core below them."""
    above = layers["packages"][0]
    inner = {package: names(layers[package.removeprefix("amb_")]) for package in above}
    column = (WIDTH - 2 * MARGIN - (len(above) - 1) * 12) / len(above)
    y = MARGIN + 22.0
    rule = "Imports point down: never up, never between boxes or names of one row."
    parts = [text(MARGIN, MARGIN + 6, rule, muted=True)]
    height = 34 + 20 * max(map(len, inner.values()))
    for i, package in enumerate(above):
        x = MARGIN + i * (column + 12)
        parts += [box(x, y, column, height, TOP), text(x + 12, y + 21, package, bold=True)]
        parts += [text(x + 12, y + 43 + 20 * j, line, muted=True) for j, line in enumerate(inner[package])]
    y += height + 26
    parts.append(text(MARGIN, y - 9, "registered by entry points, found by name; amb imports none of them", muted=True))
    rows = [captioned(subpackages) for subpackages in layers["core"]]
    parts += [box(MARGIN, y, WIDTH - 2 * MARGIN, 36 + sum(row_height(row) + GAP for row in rows), "#ffffff")]
    parts += [text(MARGIN + 12, y + 22, "amb", bold=True)]
    y += 32
    for row in rows:
        width = box_width(len(row))
        for i, (subpackage, caption) in enumerate(row.items()):
            x = 2 * MARGIN + i * (width + 12)
            parts += [box(x, y, width, row_height(row), BOTTOM), text(x + 12, y + 22, subpackage, bold=True)]
            below = len(row) > 2
            parts += [
                text(x + (12 if below else 122), y + 22 + LINE_HEIGHT * (j + below), line, muted=True)
                for j, line in enumerate(caption)
            ]
        y += row_height(row) + GAP
    size = f'width="{WIDTH}" height="{y + MARGIN + 4:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="Helvetica, Arial, sans-serif" font-size="13">'
    title = "<title>The subpackages of amb and their layers</title>"
    return "\n".join([head, title, box(0, 0, WIDTH, y + MARGIN + 4, "#ffffff"), *parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(draw(contracts()), encoding="utf-8")
    print(PICTURE)
