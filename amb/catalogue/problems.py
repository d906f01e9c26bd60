"""Problems by spec: expand globs and ranges, load families, make problems."""

import re
from fnmatch import fnmatchcase
from functools import cache

from amb.catalogue.noise import with_noise
from amb.catalogue.plugins import find, load_instance, plugins
from amb.catalogue.suites import suite, suite_names
from amb.catalogue.targets import target
from amb.contracts.family import Family
from amb.contracts.problem import Problem
from amb.errors import SpecError, unknown
from amb.spec import Spec, Value, split_noise, split_specs

_NUMBER = re.compile(r"[0-9]{1,9}")
_GROUP = re.compile(rf"(?:{_NUMBER.pattern})(?:\+(?:{_NUMBER.pattern}))*")
_RANGE = re.compile(r"([0-9]{1,9})\.\.([0-9]{1,9})")


def family_names() -> list[str]:
    """Names of all families, ``<generator>/<target>``; imports nothing."""
    return list(plugins("families"))


@cache
def family(name: str) -> Family:
    """The family of that name, made once: a registered one, else that of a registered generator and target.

    Raises:
        SpecError: unknown.
        PluginError: it cannot be imported, or is no family.
    """
    if name not in plugins("families") and (composed := _composed(name)):
        return composed
    return load_instance(find("families", name), Family)


def expand(text: str) -> list[str]:
    """All problem ids that a comma-separated list of suites, ids, globs and ranges means, without repeats.

    ``quick``, ``cifar10-sngan/snn-cnn/sn1/3``, ``cifar10-sngan/*/sn1/0..63``,
    ``cifar10-sngan/snn-cnn/sn2/*[grid=quantile]``, ``cifar10-sngan/snn-cnn/sn1/3+7+12`` (a group).

    Raises:
        SpecError: a part that matches nothing; the nearest names are given.
    """
    found: dict[str, None] = {}
    for part in split_specs(text):
        spec = Spec.parse(part)
        ids = suite(spec.name).problems if "/" not in spec.name else _match(spec.name)
        for problem_id in ids:
            listed = Spec.parse(problem_id)
            merged = tuple(sorted({**dict(listed.options), **dict(spec.options)}.items()))
            found[str(Spec(listed.name, merged))] = None
    if not found:
        raise SpecError(f"no problems in {text!r}; `amb problems list` shows what there is")
    return list(found)


def problem(spec: str, *, device: str = "cpu") -> Problem:
    """One problem, ready to be evaluated on a device.

    Raises:
        SpecError: an unknown family, layer, unit or option.
        CheckpointError: a network is missing or damaged.
    """
    parsed, noise = split_noise(Spec.parse(spec))
    name, layer, unit = _split(parsed.name)
    made = family(name)
    units = made.layers()
    if layer not in units:
        raise unknown(f"layer of {name}", layer, units)
    if not _GROUP.fullmatch(unit):
        raise SpecError(f"bad unit {unit!r} in {spec!r}: a number, or several, whose mean counts, as 3+7+12")
    numbers = _group(unit, units[layer], f"{name}/{layer}")
    options: dict[str, Value] = dict(parsed.options)
    if len(numbers) == 1:
        return with_noise(made.problem(layer, numbers[0], device=device, **options), noise)
    return with_noise(made.group(layer, numbers, device=device, **options), noise)


def _group(text: str, number: int, where: str) -> tuple[int, ...]:
    """The units of `3` or `3+7+12`, ascending."""
    units = [int(unit) for unit in text.split("+")]
    if max(units) >= number:
        raise SpecError(f"no unit {max(units)} in {where}; its units are 0..{number - 1}")
    if len(set(units)) < len(units):
        raise SpecError(f"units {text} of {where} name one unit twice")
    return tuple(sorted(units))


def _composed(name: str) -> Family | None:
    """The family of a generator and a target that are registered each for itself; None: they are not."""
    generator, _, rest = name.partition("/")
    if generator in plugins("generators") and rest in plugins("targets"):
        return target(rest).family(generator)
    return None


def _split(problem_id: str) -> tuple[str, str, str]:
    parts = problem_id.split("/")
    if len(parts) != 4 or not all(parts):
        raise SpecError(
            f"bad problem {problem_id!r}: expected <generator>/<target>/<layer>/<unit> or a suite "
            f"({', '.join(suite_names()) or 'none is installed'})"
        )
    return f"{parts[0]}/{parts[1]}", parts[2], parts[3]


def _match(pattern: str) -> list[str]:
    name, layer_pattern, unit_pattern = _split(pattern)
    names = [n for n in family_names() if fnmatchcase(n, name)]
    if not names and _composed(name):
        names = [name]
    if not names:
        raise unknown("problem family", name, family_names())
    found, layers_seen = [], set()
    for family_name in names:
        for layer, units in family(family_name).layers().items():
            layers_seen.add(layer)
            if fnmatchcase(layer, layer_pattern):
                found += [f"{family_name}/{layer}/{unit}" for unit in _units(unit_pattern, units, pattern)]
    if not found:
        raise unknown(f"layer in {name}", layer_pattern, layers_seen)
    return found


def _units(pattern: str, units: int, whole: str) -> list[str]:
    if "+" in pattern and _GROUP.fullmatch(pattern):
        return ["+".join(map(str, _group(pattern, units, whole)))]
    if bounds := _RANGE.fullmatch(pattern):
        first, last = int(bounds[1]), int(bounds[2])
    elif _NUMBER.fullmatch(pattern):
        first = last = int(pattern)
    elif pattern == "*":
        first, last = 0, units - 1
    else:
        raise SpecError(
            f"bad unit {pattern!r} in {whole!r}: a number, a range such as 0..63, a group such as 3+7+12, or *"
        )
    if first > last or last >= units:
        raise SpecError(f"units {pattern} of {whole!r} do not exist; there are 0..{units - 1}")
    return [str(unit) for unit in range(first, last + 1)]
