"""Problems by spec: expand globs and ranges, compose families, create problems."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from typing import TypeVar

from amb.catalogue import generators, targets
from amb.catalogue.families import compose, fits, problem_of, registered_families
from amb.catalogue.plugins import find, load_instance
from amb.catalogue.suites import suite, suite_names
from amb.contracts.device import check_device
from amb.contracts.family import Family, layers_of
from amb.contracts.problem import Problem
from amb.contracts.target import units_of
from amb.errors import AmbError, CheckpointError, PluginError, SpecError, unknown
from amb.interruption import from_user
from amb.spec import ProblemId, Spec, explained, split_specs

T = TypeVar("T")

_NUMBER = re.compile(r"[0-9]{1,9}")
_GROUP = re.compile(rf"(?:{_NUMBER.pattern})(?:\+(?:{_NUMBER.pattern}))*")
_RANGE = re.compile(r"([0-9]{1,9})\.\.([0-9]{1,9})")


def family_names() -> list[str]:
    """Names of all families, ``<generator>/<target>``, sorted: every generator with every target that takes its images,
    and those that are registered as such. Model cards are read; no network is loaded. Plug-ins that fail are left out.
    """
    return _matching("*", "*")


@cache
def family(name: str) -> Family:
    """The family of that name, created once: a registered one, else that of a generator and a target.

    Raises:
        SpecError: no such generator or target, or they do not fit.
        PluginError: one of them cannot be imported, or is not of the right type.
    """
    if name in registered_families():
        return load_instance(find("families", name), Family)
    parts = ProblemId.parse(name)
    _require(parts)
    return compose(parts.generator, targets.described(parts.target))


def expand(text: str) -> list[str]:
    """All problem ids that a comma-separated list of suites, ids, globs and ranges means, without repeats.

    ``quick``, ``cifar10-sngan/snn-cnn/sn1/3``, ``cifar10-sngan/*/sn1/0..63``, ``*/snn-cnn/sn1/3``,
    ``cifar10-sngan/snn-cnn/sn2/*[grid=quantile]``, ``cifar10-sngan/snn-cnn/sn1/3+7+12`` (a group). Globs cover every
    generator and target that fit. No network is loaded.

    Raises:
        SpecError: a part that matches nothing; the nearest names are given.
    """
    expanded: dict[str, None] = {}
    for part in split_specs(text):
        spec = Spec.parse(part)
        ids = suite(spec.name).problems if "/" not in spec.name else _match(spec.name)
        for problem_id in ids:
            listed = Spec.parse(problem_id)
            merged = tuple(sorted({**dict(listed.options), **dict(spec.options)}.items()))
            expanded[str(Spec(listed.name, merged))] = None
    if not expanded:
        raise SpecError(f"no problems in {text!r}; `amb problems list` shows what there is")
    return list(expanded)


@explained("amb.problem")
def problem(spec: str, *, device: str = "cpu") -> Problem:
    """One problem, ready to be evaluated on a device.

    Raises:
        SpecError: an unknown generator, target, layer, unit or option.
        CheckpointError: a network is missing or damaged.
    """
    parts = _parts(Spec.parse(spec).name)
    return problem_in(family(parts.pair), spec, device=device)


def problem_in(chosen: Family, spec: str, *, device: str = "cpu") -> Problem:
    """The problem of a spec, in a family that no name need find.

    Raises:
        SpecError: an unknown layer, unit or option.
        CheckpointError: a network is missing or damaged.
    """
    device = check_device(device)
    parsed = Spec.parse(spec)
    parts = _parts(parsed.name)
    units = layers_of(chosen)
    if parts.layer not in units:
        raise unknown("layer", parts.layer, units, of=parts.pair)
    numbers = units_of(parts.unit, units[parts.layer], f"{parts.pair}/{parts.layer}")
    return problem_of(chosen, parts.layer, numbers, device=device, options=dict(parsed.options))


def _parts(problem_id: str) -> ProblemId:
    parts = ProblemId.parse(problem_id)
    if problem_id.count("/") != 3 or not all((parts.generator, parts.target, parts.layer, parts.unit)):
        raise SpecError(
            f"bad problem {problem_id!r}: expected <generator>/<target>/<layer>/<unit> or a suite "
            f"({', '.join(suite_names()) or 'none is installed'})"
        )
    return parts


def _match(pattern: str) -> list[str]:
    parts = _parts(pattern)
    ids: list[str] = []
    layers: set[str] = set()
    for name, units in _probed(_families(parts), glob=_is_glob(parts.pair)):
        layers |= set(units)
        # A name comes before a glob: layers are named by their authors, also with signs of globs.
        for layer in [parts.layer] if parts.layer in units else _match_names(parts.layer, units):
            ids += [f"{name}/{layer}/{unit}" for unit in _units(parts.unit, units[layer], f"{name}/{layer}")]
    if not ids:
        raise unknown("layer", parts.layer, layers, of=parts.pair)
    return ids


def _probed(names: list[str], *, glob: bool) -> list[tuple[str, Mapping[str, int]]]:
    """The families of these names with their layers; a glob passes over those that fail, unless all of them do."""

    def described(name: str) -> tuple[str, Mapping[str, int]]:
        return name, layers_of(family(name))

    return (list(_working(described, names)) if glob else []) or [described(name) for name in names]


def _families(parts: ProblemId) -> list[str]:
    """The families that a pattern's generator and target match; at least one."""
    if not _is_glob(parts.pair):
        return [parts.pair]
    names = _matching(parts.generator, parts.target)
    if not names:
        _require(parts)
        if not _is_glob(parts.generator):
            generators.described(parts.generator)  # says what is wrong with it
        if not _is_glob(parts.target):
            targets.described(parts.target)
        raise SpecError(f"no generator and target fit in {parts.pair!r}; `amb problems list` shows which do")
    return names


def _matching(generator_glob: str, target_glob: str) -> list[str]:
    """Families whose generator and target match; of the composed ones, those whose images fit."""
    names = set(_match_names(f"{generator_glob}/{target_glob}", registered_families()))
    makers = list(_working(generators.described, _match_names(generator_glob, generators.generator_names())))
    seers = list(_working(targets.described, _match_names(target_glob, targets.target_names())))
    names |= {f"{maker.name}/{seer.name}" for maker in makers for seer in seers if fits(maker, seer)}
    return sorted(names)


def _working(describe: Callable[[str], T], names: Iterable[str]) -> Iterator[T]:
    """The plug-ins of some names; a glob passes over those that fail."""
    for name in names:
        try:
            described = describe(name)
        except BaseException as cause:
            own = isinstance(cause, AmbError) and not isinstance(cause, PluginError | CheckpointError)
            if own or from_user(cause):
                raise
            continue
        yield described


def _require(parts: ProblemId) -> None:
    """Refuse a generator or target, or a glob of them, that nothing matches; the nearest names are given."""
    registered = [ProblemId.parse(name) for name in registered_families()]
    makers = {*generators.generator_names(), *(other.generator for other in registered)}
    if not _match_names(parts.generator, makers):
        raise _unmatched("generator", parts.generator, makers)
    own = {other.target for other in registered if fnmatchcase(other.generator, parts.generator)}
    seers = {*targets.target_names(), *own}
    if not _match_names(parts.target, seers):
        raise _unmatched("target", parts.target, seers)


def _unmatched(what: str, glob: str, known: Iterable[str]) -> AmbError:
    """An error for a name or glob that nothing matches; for a glob, it suggests names similar to its letters."""
    letters = glob.replace("*", "").replace("?", "")
    length = len(letters)
    pieces = {
        name[start : start + length]: name for name in sorted(known) for start in range(max(1, len(name) - length + 1))
    }
    near = dict.fromkeys(pieces[piece] for piece in get_close_matches(letters, pieces, n=3))
    if not _is_glob(glob) or not near:
        return unknown(what, glob, known)
    return SpecError(f"no {what} matches {glob!r}; did you mean {' or '.join(near)}?")


def _match_names(glob: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if fnmatchcase(name, glob)]


def _is_glob(text: str) -> bool:
    return any(sign in text for sign in "*?")


def _units(pattern: str, number: int, where: str) -> list[str]:
    if "+" in pattern and _GROUP.fullmatch(pattern):
        return ["+".join(map(str, units_of(pattern, number, where)))]
    if bounds := _RANGE.fullmatch(pattern):
        first, last = int(bounds[1]), int(bounds[2])
    elif _NUMBER.fullmatch(pattern):
        first = last = int(pattern)
    elif pattern == "*":
        first, last = 0, number - 1
    else:
        raise SpecError(
            f"bad unit {pattern!r} of {where}: expected a number, a range such as 0..63, a group such as 3+7+12, or *"
        )
    if first > last or last >= number:
        raise SpecError(f"no unit{'' if first == last else 's'} {pattern} in {where}; its units are 0..{number - 1}")
    return [str(unit) for unit in range(first, last + 1)]
