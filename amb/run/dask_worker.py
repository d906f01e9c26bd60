"""The work of a Dask worker on a group of runs."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple
from functools import cache
from socket import gethostname
from threading import Lock
from time import monotonic

from amb.catalogue.plugin_modules import hashes_of, start_over
from amb.catalogue.plugins import Plugin, load_file, unload
from amb.catalogue.solvers import resolve
from amb.contracts.alone import verify_problem
from amb.contracts.problem import Problem
from amb.errors import AmbError, PluginError, SpecError, StudyError
from amb.foreign import working_alone
from amb.run.dask_begun import note_begun
from amb.run.execute import execute
from amb.run.limits import Limits
from amb.run.progress import Progress, UnderWay
from amb.study.log import Level, StudyLog
from amb.study.runs import RunPlan
from amb.study.study import Study
from amb.variables import Changes, take_over

PluginFile = tuple[str, bytes, dict[str, str]]
"""A plug-in file, what the command has executed of it, and hashes of the modules that it imports."""

REPORT_SECONDS = 1.0


class StoppedByClient(Exception):
    """The client has asked to stop; journals hold what was observed."""


class _Warnings(StudyLog):
    """The study's log, without the lines that the client writes itself."""

    def write(self, level: Level, event: str, **fields: object) -> None:
        if level != "info" and event != "run ended":
            super().write(level, event, **fields)


class _Reports(Progress):
    """Sends the runs under way to the client, and stops if it has asked to."""

    def __init__(self, topic: str, stop: str) -> None:
        from distributed import Event, get_worker

        self._worker, self._topic, self._stop = get_worker(), topic, Event(stop)
        self._sent = monotonic()

    def update(self, runs: Sequence[UnderWay]) -> None:
        if monotonic() - self._sent < REPORT_SECONDS:
            return
        self._sent = monotonic()
        for run in runs:
            report = {
                "run_id": run.plan.run_id,
                "queries": run.queries,
                "replayed": run.replayed,
                "best": float(run.best),
                "seconds": list(astuple(run.seconds)),
            }
            self._worker.log_event(self._topic, report)
        if self._stop.is_set():
            raise StoppedByClient


def work(
    plans: Sequence[RunPlan],
    group: str,
    folder: str,
    device: str,
    limits: Limits,
    retry: bool,
    plugins: Sequence[PluginFile],
    changes: Changes,
    topic: str,
    stop: str,
    token: str,
) -> None:
    """Execute a group of runs, which has a name, in the shared folder; idempotent.

    Raises:
        StudyError: this worker has other solvers or problems than the plans are for.
        PluginError: it cannot load a plug-in file.
    """

    def begin() -> None:
        note_begun(token, group)
        take_over(changes)  # before a file is loaded: its solvers are hashed then

    with _LOADED.using(plugins, begin=begin):
        _refuse_others(plans, device)
        study = Study(folder)
        study.log = _Warnings(study.log.path)
        execute(
            plans,
            study,
            lambda spec: _problem(spec, device),
            limits=limits,
            retry=retry,
            progress=_Reports(topic, stop),
        )


def _refuse_others(plans: Sequence[RunPlan], device: str) -> None:
    """Refuse plans for other versions than this worker has: its values would be stored as those of the plans."""
    for plan in plans:
        differences = [("solver", plan.solver, plan.version, resolve(plan.solver).cls.version)]
        with suppress(AmbError):  # what cannot be made is reported by those who execute it
            found = _problem(plan.problem, device).fingerprint
            differences.append(("problem", plan.problem, plan.fingerprint, found))
        for kind, name, wanted, own in differences:
            if own != wanted:
                raise _other(f"has {kind} {name} in version {own[:12]}, and {wanted[:12]} was asked for")


def _other(what: str) -> StudyError:
    return StudyError(
        f"a worker on {gethostname()} (process {os.getpid()}) {what}: install the same amb and the same plug-in files "
        "on all machines, and start the workers again"
    )


class _Loaded:
    """The plug-in files of the groups of runs that this worker works on.

    A worker outlives the command after which a file is edited, and serves several commands at once, whose files may
    give one name to different solvers. Solvers may also set what holds for the whole process, such as torch's default
    dtype. So one group is worked on at a time: another thread of the worker waits until it is done.
    """

    def __init__(self) -> None:
        self._files: Sequence[PluginFile] = ()
        self._plugins: list[Plugin] = []
        self._group = Lock()

    @contextmanager
    def using(self, files: Sequence[PluginFile], *, begin: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Have the plug-ins of these files, and of no others that were loaded here, while no other group does.

        Args:
            files: the plug-in files.
            begin: called when no other group is at work any more; to load a file may end the process, too.

        Raises:
            PluginError: one cannot be loaded.
            StudyError: one imports another module here than where the command runs.
        """
        with self._group, working_alone():
            begin()
            if self._files != files:
                self._load(files)
            yield

    def _load(self, files: Sequence[PluginFile]) -> None:
        from amb.catalogue.problems import family

        start_over()  # a command whose files have modules of the same names may follow
        unload(self._plugins)
        self._files, self._plugins = (), []
        family.cache_clear()
        _problem.cache_clear()
        for file, text, wanted in files:
            try:
                self._plugins += load_file(file, text)
            except (PluginError, SpecError) as cause:
                raise _other(f"cannot use plug-in file {file}: {cause}") from cause
            own = hashes_of(file)
            if others := sorted(name for name in wanted.keys() & own.keys() if wanted[name] != own[name]):
                raise _other(f"has another {others[0]}, which plug-in file {file} imports, than was asked for")
        self._files = files


_LOADED = _Loaded()


@cache
def _problem(spec: str, device: str) -> Problem:
    """A problem; its networks stay in the worker's memory from one group to the next."""
    from amb.catalogue.problems import problem

    made = problem(spec, device=device)
    verify_problem(made)
    return made
