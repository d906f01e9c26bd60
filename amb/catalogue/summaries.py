"""What plug-ins are, in a sentence each, read from their source without importing them."""

import ast
import inspect
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from amb.catalogue.plugins import Plugin


def summary(plugin: Plugin) -> str:
    """The first sentence of the plug-in's docstring; "" if it has none or its source is not at hand."""
    if plugin.from_file:
        return "" if plugin.error else _first_sentence(inspect.getdoc(plugin.load()) or "")
    module, _, name = plugin.location.partition(":")
    return _first_sentence(_docs(module).get(name, ""))


def folder(plugin: Plugin) -> str:
    """The folder that holds its module, as words: "tensor train" for `amb_solvers.tensor_train.protes`."""
    if plugin.from_file:
        return Path(plugin.location).stem
    parts = plugin.location.partition(":")[0].split(".")
    return parts[-2 if len(parts) > 2 else -1].replace("_", " ")


@cache
def _docs(module: str) -> dict[str, str]:
    """Docstrings of a module's classes and functions, by name."""
    source = _source(module)
    if source is None:
        return {}
    try:
        tree = ast.parse(source.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):  # also nested too deeply
        return {}
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name: ast.get_docstring(node) or "" for node in tree.body if isinstance(node, kinds)}


def _source(module: str) -> Path | None:
    """A module's file; only the top-level package is looked up, since looking deeper would import it."""
    top, *rest = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin else None
    for place in spec.submodule_search_locations or ():
        path = Path(place, *rest)
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file
    return None


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    end = paragraph.find(". ")
    return (paragraph if end < 0 else paragraph[:end]).rstrip(".")
