"""Where the published reference study is."""

from pathlib import Path


def folder() -> Path:
    """Its folder: inside the installed package or, in a working tree, next to the package."""
    inside = Path(__file__).parent / "reference"
    return inside if inside.is_dir() else Path(__file__).parents[1] / "reference"
