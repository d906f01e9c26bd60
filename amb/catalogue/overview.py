"""An overview as data: suites, generators, targets and families, with what a reader needs to choose.

Model cards are read and suites imported; no network is loaded. A plug-in that fails is listed with its error.
"""

from collections.abc import Callable, Mapping

from amb.catalogue import generators, targets
from amb.catalogue.families import registered_families
from amb.catalogue.plugins import Kind, find, plugins
from amb.catalogue.problems import family
from amb.catalogue.suites import suite, suite_names
from amb.catalogue.times import stored_seconds, suite_seconds
from amb.contracts.family import layers_of
from amb.contracts.images import size
from amb.contracts.suite import Suite
from amb.errors import AmbError
from amb.foreign import in_a_line, text_of
from amb.interruption import from_user, is_a
from amb.spec import ProblemId

Row = Mapping[str, object]


def overview() -> dict[str, list[Row]]:
    """Rows of the tables `suites`, `generators`, `targets` and, if any are registered as such, `families`."""
    tables = {
        "suites": _rows("suites", suite_names(), _suite),
        "generators": _rows("generators", generators.generator_names(), _generator),
        "targets": _rows("targets", targets.target_names(), _target),
        "families": _rows("families", registered_families(), _family),
    }
    return {name: rows for name, rows in tables.items() if rows or name != "families"}


def _rows(kind: Kind, names: list[str], describe: Callable[[str], Row]) -> list[Row]:
    rows: list[Row] = []
    for name in names:
        try:
            rows.append({"name": name, **describe(name), "from": find(kind, name).origin})
        except BaseException as error:
            if from_user(error):
                raise
            told = text_of(error) if is_a(error, AmbError) else in_a_line(error)
            rows.append({"name": name, "error": told, "from": plugins(kind)[name].origin})
    return rows


def _suite(name: str) -> Row:
    chosen = suite(name)
    return {
        "version": chosen.version,
        "problems": len(set(chosen.problems)),
        "sizes": _sizes(chosen),
        "budget": chosen.budget,
        "seeds": chosen.seeds,
        "seconds": suite_seconds(chosen, stored_seconds()),
        "description": chosen.description,
    }


def _sizes(chosen: Suite) -> list[str]:
    """Dimensions and levels of the grids that are searched, as "128x64"; none if one is a family's own."""
    parts = [ProblemId.parse(problem_id) for problem_id in chosen.problems]
    known, whole = generators.generator_names(), registered_families()
    if any(part.pair in whole or part.generator not in known for part in parts):
        return []
    spaces = [generators.described(name).grid().space for name in dict.fromkeys(part.generator for part in parts)]
    return list(dict.fromkeys(f"{space.d}x{int(space.levels.max())}" for space in spaces))


def _generator(name: str) -> Row:
    generator = generators.described(name)
    space = generator.grid().space
    return {"images": size(generator.shape), "dimensions": space.d, "levels": int(space.levels.max())}


def _target(name: str) -> Row:
    target = targets.described(name)
    return {"images": size(target.shape), **_counts(target.layers)}


def _family(name: str) -> Row:
    return _counts(layers_of(family(name)))


def _counts(layers: Mapping[str, int]) -> Row:
    return {"layers": len(layers), "units": sum(layers.values())}
