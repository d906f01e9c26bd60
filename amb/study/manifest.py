"""The manifest: what a study was asked for, what it ran on, and which problems and solvers its runs are of."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, cast

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from amb.errors import StudyError
from amb.study.codes import marked
from amb.study.runs import LARGEST_COUNT
from amb.study.untrusted import MEBIBYTE, decode_json, json_object, read_bytes, refuse_unreadable

SCHEMA_VERSION = 2
"""Of the files written today. Schema 1 (version 0.1) is still read: its run files call the seed `replicate`, and its
journals are Arrow streams; a version that knows schema 1 only would take today's files for damaged ones."""

READABLE = (1, SCHEMA_VERSION)

LARGEST = 64 * MEBIBYTE

Count = Annotated[int, Meta(ge=0, le=LARGEST_COUNT)]


class Environment(Struct, frozen=True, omit_defaults=True):
    """Interpreter, machine, and versions of the packages that results depend on."""

    python: str = ""
    platform: str = ""
    processor: str = ""
    cores: int | None = None
    packages: Mapping[str, str] = {}

    @property
    def machine(self) -> tuple[str, int | None]:
        """What must be equal for seconds to compare."""
        return self.processor, self.cores


class Settings(Struct, frozen=True, omit_defaults=True):
    """What a study was last asked for.

    Attributes:
        solvers, problems: canonical specs and ids in the order asked for.
        suite: name and version, if the problems are exactly one suite's.
        budget, seeds: for every run; the budget is None, or 0 in files of version 0.1, if nothing was asked for.
        device: where problems are evaluated.
        timing: whether runs had the machine to themselves.
        with_reference: "True", or the folder of the reference study that it was compared with.
        given: solvers and problems that were objects of a Python session; their names find nothing elsewhere.
        sees: what solvers see that see more than values, "images" or "gradients"; of all that were ever asked for.
        codes: hashes of the code of one's own solvers and problems (`amb.study.codes`), as they were first asked for in
            their version, or with their fingerprint; of all that were ever asked for.
    """

    solvers: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    suite: str | None = None
    budget: Count | None = None
    seeds: tuple[Count, ...] = ()
    device: str = "cpu"
    timing: bool = False
    with_reference: str | None = None
    given: tuple[str, ...] = ()
    sees: Mapping[str, str] = {}
    codes: Mapping[str, str] = {}

    def complete(self, folder: Path) -> "Settings":
        """These settings, if they say what was compared.

        Raises:
            StudyError: they do not; the message names the study's folder.
        """
        for name in ("solvers", "problems", "budget", "seeds"):
            if not getattr(self, name):
                raise StudyError(f"{folder}/manifest.json does not say which {name} were asked for")
        if not all(name.strip() for name in self.problems):
            raise StudyError(f"{folder}/manifest.json is damaged: one of the problems asked for has no name")
        return self


class Manifest(Struct, frozen=True):
    """A study's manifest.

    Attributes:
        schema: version of the study's layout.
        environment: what it was last asked for runs on.
        settings: what it was last asked for.
        problems: fingerprint of every problem that was ever asked for.
        solvers: version of every solver that was ever asked for.
        environments: all that it, or the parts of a merged study, was asked for runs on, if they differ.
    """

    schema: int = SCHEMA_VERSION
    environment: Environment = Environment()
    settings: Settings = Settings()
    problems: Mapping[str, str] = {}
    solvers: Mapping[str, str] = {}
    environments: tuple[Environment, ...] = ()

    @property
    def known_environments(self) -> tuple[Environment, ...]:
        """All that it was asked for runs on; empty if it does not say."""
        return self.environments or ((self.environment,) if self.environment != Environment() else ())

    def going_on(self, environment: Environment) -> "Manifest":
        """The manifest of the study as it goes on in an environment, perhaps on another machine."""
        known = self.known_environments
        both = known if environment in known else (*known, environment)
        return replace(self, environment=environment, environments=both if len(both) > 1 else ())


def on_one_machine(manifests: Iterable[Manifest], *others: Environment) -> bool:
    """Whether seconds of runs of these studies compare: all their environments, and the others, are of one machine."""
    known = (environment for manifest in manifests for environment in manifest.known_environments)
    return len({environment.machine for environment in (*known, *others)}) < 2


class _Schema(Struct):
    schema: int


def read_manifest(path: Path, *, advice: str = "restore it, or use another folder") -> Manifest:
    """Read a manifest; fields that a later version added are ignored.

    Args:
        path: its file.
        advice: what to do about a damaged one, for the error's message.

    Raises:
        StudyError: the file is damaged, is not a manifest, or has a different schema.
        UnreadableError: it cannot be read.
    """
    try:
        content = read_bytes(path, LARGEST)
        schema = decode_json(content, _Schema).schema
        if schema in READABLE:
            json_object(content)  # refuses an entry that is named twice
            return cast(Manifest, decode_json(content, Manifest))
    except (ValueError, OSError) as cause:
        refuse_unreadable(path, cause)
        why = cause.strerror or cause if isinstance(cause, OSError) else cause
        raise StudyError(f"{path} is damaged or not a study's manifest ({why}); {advice}") from cause
    raise StudyError(
        f"{path.parent} has schema version {schema}, but this version of amb reads {' and '.join(map(str, READABLE))}; "
        "use the version of amb that wrote it"
    )


def manifest_text(manifest: Manifest) -> bytes:
    """The manifest as it is written: JSON, indented for people, with today's schema.

    Raises:
        StudyError: it could not be read again, such as a version that is no text, or for its size; nothing must be
            written then.
    """
    try:
        content = msgspec.json.encode(replace(manifest, schema=SCHEMA_VERSION))
        msgspec.json.decode(content, type=Manifest)
    except ValueError as cause:
        raise StudyError(f"the manifest would be unreadable ({cause}), so it was not written") from cause
    text = msgspec.json.format(content, indent=1) + b"\n"
    if len(text) > LARGEST:
        raise StudyError(
            f"the study's manifest would name {len(manifest.problems):,} problems in {len(text) / MEBIBYTE:.0f} MiB; "
            f"the limit is {LARGEST // MEBIBYTE}; take another folder for some of them"
        )
    return text


def union(manifests: Sequence[Manifest]) -> Manifest:
    """One manifest for several studies: everything that any was asked for; where two differ, the first study decides.

    The budget is the smallest, since every finished run can answer for it.
    """
    settings = [manifest.settings for manifest in manifests]
    first, codes = settings[0], [one.codes for one in settings]
    asked = replace(
        first,
        solvers=tuple(dict.fromkeys(name for one in settings for name in one.solvers)),
        problems=tuple(dict.fromkeys(name for one in settings for name in one.problems)),
        seeds=tuple(sorted({seed for one in settings for seed in one.seeds})),
        budget=min((one.budget for one in settings if one.budget), default=None),
        timing=all(one.timing for one in settings),
        given=tuple(sorted({name for one in settings for name in one.given})),
        sees=_united([one.sees for one in settings]),
        codes=marked(_united(codes), codes),
        suite=first.suite if all(one.suite == first.suite for one in settings) else None,
    )
    environments: dict[bytes, Environment] = {}
    for manifest in manifests:
        for one in manifest.known_environments:
            environments.setdefault(msgspec.json.encode(one, order="deterministic"), one)
    return replace(
        manifests[0],
        settings=asked,
        problems=_united([manifest.problems for manifest in manifests]),
        solvers=_united([manifest.solvers for manifest in manifests]),
        environments=tuple(environments.values()) if len(environments) > 1 else (),
    )


def disagreements(manifests: Sequence[tuple[str, Manifest]]) -> list[str]:
    """What studies hold of different networks or versions under one name, as clauses without full stops.

    Only the runs of one of them are ever compared.

    Args:
        manifests: with the names of their studies; each is compared with the first that has a name.
    """
    found = []
    for what, words in (("problems", "different weights or another grid for"), ("solvers", "a different version of")):
        seen: dict[str, tuple[str, str]] = {}
        apart: dict[tuple[str, str], list[str]] = {}
        for study, manifest in manifests:
            for name, version in getattr(manifest, what).items():
                first, known = seen.setdefault(name, (study, version))
                if known != version:
                    apart.setdefault((study, first), []).append(name)
        for (study, first), names in apart.items():
            more = f" ({len(names):,} in all)" if len(names) > 1 else ""
            found.append(f"{study} has {words} {names[0]} than {first}{more}")
    return found


def _united(versions: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return dict(sorted({name: version for one in reversed(versions) for name, version in one.items()}.items()))
