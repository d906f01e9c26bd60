"""What a Dask worker does with a group of runs."""

from collections.abc import Sequence
from dataclasses import asdict, astuple
from functools import cache
from time import monotonic

from amb.contracts.problem import Problem
from amb.run.execute import execute
from amb.run.limits import Limits
from amb.run.progress import Progress, UnderWay
from amb.study.log import Level, StudyLog
from amb.study.runs import RunPlan
from amb.study.study import Study

TELL_SECONDS = 1.0


class StoppedByClient(Exception):
    """The client wants no more of this group; journals keep what was observed."""


class _Warnings(StudyLog):
    """The study's log without what the client writes itself."""

    def write(self, level: Level, event: str, **fields: object) -> None:
        if level != "info" and event != "run ended":
            super().write(level, event, **fields)


class _Telling(Progress):
    """Sends the runs under way to the client, and hears whether it wants to stop."""

    def __init__(self, topic: str, stop: str) -> None:
        from distributed import Event, get_worker

        self._worker, self._topic, self._stop = get_worker(), topic, Event(stop)
        self._told = monotonic()

    def update(self, runs: Sequence[UnderWay]) -> None:
        if monotonic() - self._told < TELL_SECONDS:
            return
        self._told = monotonic()
        for run in runs:
            told = {"plan": asdict(run.plan), "queries": run.queries, "replayed": run.replayed, "best": float(run.best)}
            self._worker.log_event(self._topic, told | {"seconds": list(astuple(run.seconds))})
        if self._stop.is_set():
            raise StoppedByClient


def work(
    plans: Sequence[RunPlan],
    folder: str,
    device: str,
    limits: Limits,
    retry: bool,
    plugins: Sequence[str],
    topic: str,
    stop: str,
) -> None:
    """Carry out a group of runs in the shared folder; a second time does no harm."""
    for file in plugins:
        _load(file)
    study = Study(folder)
    study.log = _Warnings(study.log.path)
    execute(
        plans,
        study,
        lambda spec: _problem(spec, device),
        limits=limits,
        retry=retry,
        progress=_Telling(topic, stop),
    )


@cache
def _load(file: str) -> None:
    from amb.catalogue.plugins import load_file

    load_file(file)


@cache
def _problem(spec: str, device: str) -> Problem:
    """Networks stay in the worker's memory from group to group."""
    from amb.catalogue.problems import problem

    return problem(spec, device=device)
