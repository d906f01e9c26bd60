"""A study on a Dask cluster: workers execute groups of runs, and the files that they write are the result.

All machines share the study's folder. A run's own file, renamed into place, is the truth; what the scheduler says is
only a notification. So a worker may die, and a group may be executed twice: finished runs are skipped, those under
way belong to one process at a time, and interrupted ones resume from their journals.
"""

import hashlib
import json
import logging
import os
import uuid
from asyncio import CancelledError
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from amb import variables
from amb.catalogue.plugin_modules import hashes_of
from amb.catalogue.plugins import text_of_file
from amb.errors import AmbError, SpecError, StudyError, UnreadableError
from amb.foreign import in_a_line, text_of
from amb.run.dask_begun import Begun
from amb.run.dask_worker import work
from amb.run.execute import CROWD, is_finished, refuse_unstorable, refuse_white_boxes
from amb.run.limits import Limits
from amb.run.live import NO_LIMITS
from amb.run.main_script import GUARD, unguarded_line
from amb.run.progress import NoProgress, Progress, RemoteRun
from amb.run.stop import Stop
from amb.run.watch import Watch
from amb.spec import ProblemId, real_path, user_path
from amb.study.environment import environment
from amb.study.runs import Known, RunPlan, RunRecord, Seconds, Trace, distinct
from amb.study.study import Study
from amb.variables import Changes

if TYPE_CHECKING:
    from distributed import Client, Future
    from distributed.scheduler import KilledWorker

# Groups for each worker: enough for all workers to finish at about the same time.
GROUPS_A_WORKER = 4
_LOCAL = {
    # A solver may start processes of its own, as it may on one machine without Dask.
    "distributed.worker.daemon": False,
    # A worker that died is started again. By default, Dask gives it up if it is not there 15 seconds after a death, as
    # after the next one: where runs kill workers, none would be left.
    "distributed.deploy.lost-worker-timeout": "1 day",
}
LOOK_SECONDS = 0.5
CONNECT_SECONDS = 20


@dataclass(frozen=True, kw_only=True)
class DaskCluster:
    """Where to run: a local cluster started for this study, or an existing one.

    Args:
        scheduler: address of an existing scheduler, such as `tcp://host:8786`; None starts a local cluster.
        workers: processes of a local cluster, one thread each; by default one per core.
        plugins: files given with `--plugin`, which the workers also load.
    """

    scheduler: str | None = None
    workers: int | None = None
    plugins: tuple[Path, ...] = ()

    def execute(
        self,
        plans: Sequence[RunPlan],
        study: Study,
        *,
        device: str = "cpu",
        timing: bool = False,
        limits: Limits = NO_LIMITS,
        retry: bool = False,
        notes: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> None:
        """Run every plan that the study does not hold yet, on the cluster; see `amb.run.execute.execute`.

        Raises:
            SpecError: a timing study, Dask is not installed, or a local cluster's workers would start the study again.
            StudyError: the scheduler cannot be reached, or a worker does not see the study's folder or cannot write to
                it.
            KeyboardInterrupt: once asked to stop; workers finish the batch under way.
        """
        if timing:
            raise SpecError("wall times are never measured on a cluster: leave out --timing or --executor dask")
        refuse_white_boxes(plans, limits)
        refuse_unstorable(plans)
        watch = Watch(progress or NoProgress(), study.log)
        with study.enter():
            waiting = [p for p in plans if not is_finished(study, p, timing=False, retry=retry, watch=watch)]
            if len(waiting) < len(plans):
                study.settle()
            watch.begin(len(plans), waiting)
            for note in notes:
                watch.note(note)
            try:
                if waiting:
                    with self._client(len(waiting)) as client:
                        _Session(client, study, watch, self.plugins, device, limits, retry).carry_out(waiting)
            except (StudyError, UnreadableError) as cause:
                study.log.write("error", "stopped", message=str(cause))
                raise
            finally:
                watch.end()

    @contextmanager
    def _client(self, runs: int) -> Iterator["Client"]:
        try:
            import dask
            from distributed import Client, LocalCluster
        except ImportError as cause:
            raise SpecError("--executor dask needs Dask: pip install 'amb[dask]'") from cause
        spawned = self.scheduler is None and dask.config.get("distributed.worker.multiprocessing-method") != "fork"
        if spawned and (where_begun := unguarded_line()):
            raise SpecError(
                f"{where_begun} starts a local cluster, and so would each of its workers, which import the script: put "
                f"what the script does under `{GUARD}`"
            )
        with ExitStack() as stack:
            stack.enter_context(_quiet())
            try:
                where: Any = self.scheduler
                if where is None:
                    stack.enter_context(dask.config.set(_LOCAL))
                    count = min(runs, self.workers or os.cpu_count() or 1)
                    where = stack.enter_context(
                        LocalCluster(n_workers=count, threads_per_worker=1, processes=True, dashboard_address=None)
                    )
                client = stack.enter_context(_connected(lambda: Client(where, timeout=CONNECT_SECONDS)))
            except Exception as cause:  # whatever Dask makes of an address, a port or its settings
                if self.scheduler is None:
                    raise StudyError(
                        f"cannot start a local cluster: {in_a_line(cause)}; its workers import the script, which must "
                        f"start it under `{GUARD}`"
                    ) from cause
                raise StudyError(
                    f"cannot reach {self.scheduler}: {in_a_line(cause)}; is the scheduler running?"
                ) from cause
            yield client


def _connected(connect: Callable[[], "Client"]) -> "Client":
    """A client of a scheduler. Where something else listens, such as a web server, Dask may wait for ever.

    Raises:
        TimeoutError: nothing came of it in twice the time in which Dask should give up.
    """
    answer: Queue[Client | Exception] = Queue()

    def begin() -> None:
        try:
            answer.put(connect())
        except Exception as cause:
            answer.put(cause)

    Thread(target=begin, name="amb-dask-client", daemon=True).start()
    try:
        found = answer.get(timeout=2 * CONNECT_SECONDS)
    except Empty:
        raise TimeoutError("what listens there does not answer as a scheduler does") from None
    if isinstance(found, Exception):
        raise found
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the client from logging a scheduler that is gone as tracebacks: the study's own error says it."""
    loggers = [logging.getLogger(f"distributed.{name}") for name in ("client", "utils", "comm")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class _Session:
    """One study on one cluster."""

    def __init__(
        self,
        client: "Client",
        study: Study,
        watch: Watch,
        plugins: Sequence[Path],
        device: str,
        limits: Limits,
        retry: bool,
    ) -> None:
        from distributed import Event

        self._client, self._study, self._watch = client, study, watch
        self._place = f"the scheduler at {client.scheduler.addr}"  # type: ignore[union-attr]
        self._retry = retry
        self._token = uuid.uuid4().hex
        self._topic = f"amb-{self._token}"
        self._stop = Event(f"amb-stop-{self._token}", client=client)
        folder = str(real_path(study.folder, StudyError))
        paths = [str(real_path(user_path(file))) for file in plugins]
        files = [(path, text_of_file(path), hashes_of(path)) for path in paths]
        changes = changed_for_workers()
        self._arguments = (folder, device, limits, retry, files, changes, self._topic, self._stop.name, self._token)
        self._begun = Begun(client, self._token)
        self._plans: dict[str, RunPlan] = {}  # all that are not finished, by run id
        self._live: dict[str, RemoteRun] = {}
        self._groups: dict[Future, list[RunPlan]] = {}
        self._in_vain: Counter[str] = Counter()  # how often a group was given up with a worker that had begun none
        self._done: Queue[Future] = Queue()

    def carry_out(self, waiting: Sequence[RunPlan]) -> None:
        """Run until all are finished; see `DaskCluster.execute`."""
        self._check_workers()
        self._plans = {plan.run_id: plan for plan in waiting}
        reports: deque[Mapping[str, Any]] = deque()
        self._client.subscribe_topic(self._topic, lambda event: reports.append(event[1]))
        workers = max(1, len(self._client.scheduler_info(n_workers=-1)["workers"]))
        try:
            with Stop(self._watch.note) as stop:
                for group in groups(waiting, workers):
                    self._submit(group)
                last_update = 0.0
                while self._groups:
                    stop.check()
                    with suppress(Empty):
                        self._collect(self._done.get(timeout=LOOK_SECONDS))
                    while reports:
                        self._update(reports.popleft())
                    if monotonic() - last_update > LOOK_SECONDS:
                        last_update = monotonic()
                        self._watch.update(list(self._live.values()))
        finally:
            if self._client.status == "running":
                self._leave()

    def _leave(self) -> None:
        """Ask workers to stop what is left; there is nobody to ask if the scheduler goes away meanwhile."""
        with suppress(Exception):
            if self._groups:
                self._stop.set()
                self._client.cancel(list(self._groups), force=True)
            self._client.unsubscribe_topic(self._topic)
            self._begun.forget()

    def _check_workers(self) -> None:
        """Refuse workers without the study's folder or with another amb; say which packages differ, since bits may.

        Only functions of other packages are called, which any worker has.
        """
        place = str(real_path(self._study.folder, StudyError) / "manifest.json")
        try:
            visible = self._client.run(os.path.exists, place, on_error="return")
            versions = {name: self._client.run(version, name, on_error="return") for name in environment().packages}
        except (OSError, TimeoutError, CancelledError) as cause:
            raise StudyError(f"the workers of {self._place} do not answer: {text_of(cause)}; try again") from cause
        if not visible:
            self._watch.note(f"{self._place} has no worker yet; the runs wait for one")
        for name, found in versions.items():
            own = version(name)
            others = {worker: other for worker, other in found.items() if other != own}
            if others:
                worker = min(others)
                other = others[worker] if isinstance(others[worker], str) else "of no version"
                words = f"{worker} has {name} {other}, and here is {own}"
                if name == "amb":
                    raise StudyError(f"the worker {words}: install the same amb on all machines")
                self._watch.note(f"The worker {words}: values may differ in their last bits from those of one machine.")
        lacking = sorted(worker for worker, exists in visible.items() if exists is not True)
        if lacking:
            raise StudyError(
                f"{len(lacking)} of {len(visible)} workers do not see {place} (such as {lacking[0]}): all machines "
                "must share the study's folder, under one path"
            )

    def _submit(self, group: Sequence[RunPlan]) -> None:
        name = _name_of(group)
        future = self._client.submit(
            work, list(group), name, *self._arguments, key=f"{name}-{uuid.uuid4().hex[:8]}", pure=False
        )
        self._groups[future] = list(group)
        future.add_done_callback(self._done.put)

    def _collect(self, future: "Future") -> None:
        """Check which of a group's runs a worker finished: its files count, not its answer."""
        from distributed.scheduler import KilledWorker

        group = self._groups.pop(future)
        missing = [plan for plan in group if not self._ended(plan, again=future.status != "finished")]
        error = future.exception() if future.status == "error" else None
        if missing and isinstance(error, KilledWorker):
            self._send_again(group, missing, error)
        elif missing and future.status in ("cancelled", "lost"):
            raise StudyError(
                f"{self._place} went away with {sum(map(len, self._groups.values())) + len(missing)} runs to do; what "
                "was observed is kept: start it again and repeat the command"
            )
        elif isinstance(error, AmbError):
            raise error if isinstance(error, StudyError) else StudyError(str(error))
        elif missing and error is not None:
            raise StudyError(f"a worker failed at {missing[0].name}: {type(error).__name__}: {error}")
        elif missing:
            raise StudyError(
                f"a worker reports that {missing[0].name} is finished ({future.status}), but its file in "
                f"{self._study.shown} is missing or shorter: all machines must share the study's folder and be able "
                "to load the problem"
            )

    def _send_again(self, group: Sequence[RunPlan], missing: Sequence[RunPlan], error: "KilledWorker") -> None:
        """Submit what is missing of a group that Dask gave up, unless it is one run at which all workers died.

        Raises:
            StudyError: workers keep dying before they begin a run, so that no run is at fault.
        """
        name, last = _name_of(group), error.last_worker
        self._in_vain[name] += not self._begun.has_begun_any(error)
        if self._in_vain[name] > error.allowed_failures:
            raise StudyError(
                f"workers of {self._place} die before they begin a run (such as {last.address}): read their logs, and "
                "repeat the command; what was observed is kept"
            )
        if not self._begun.is_at_fault(name, error):
            self._submit(missing)  # it waited on workers at which others were at work
        elif len(group) > 1:
            # One of them may kill any worker: run each one separately, so that it does not affect the others.
            for plan in missing:
                self._submit([plan])
        else:
            for plan in missing:
                if record_death(self._study, plan, str(error)):
                    self._ended(plan)
                else:
                    self._submit([plan])

    def _ended(self, plan: RunPlan, *, again: bool = False) -> bool:
        """Whether a run's file exists, and is not an earlier one that must be rerun; if so, report it, once.

        Args:
            plan: the run.
            again: its worker may have died, before the disk had the file's name.
        """
        loaded = self._study.load(plan)
        if loaded is None or (loaded[0].failed and again and self._retry):
            return False
        if loaded[0].plan.budget < plan.budget and loaded[0].status == "ok":
            return False
        if again:
            self._study.settle()
        self._plans.pop(plan.run_id, None)
        run = self._live.pop(plan.run_id, RemoteRun(plan))
        self._watch.finished(run, loaded[0])
        return True

    def _update(self, report: Mapping[str, Any]) -> None:
        plan = self._plans.get(report["run_id"])
        if plan is not None and report["queries"] < plan.budget:
            seconds = Seconds(*report["seconds"])
            self._live[plan.run_id] = RemoteRun(plan, report["queries"], report["replayed"], report["best"], seconds)


def record_death(study: Study, plan: RunPlan, why: str) -> bool:
    """Record a run whose worker died every time, with what it had observed; False if another process works on it."""
    claim = study.claim(plan)
    if claim is None:
        return False
    with claim:
        known = study.unfinished(plan) or Known(Trace.empty(1))
        trace, seconds = known.trace.first(plan.budget), known.seconds
        record = RunRecord(
            plan, "crash", len(trace), distinct(trace.candidates), (), np.nan,
            seconds.solver, seconds.generator, seconds.target,
            message=f"KilledWorker: every worker that took the run died ({why})",
        )  # fmt: skip
        study.save(record, trace)
        study.drop_journal(plan, len(trace))
    return True


def changed_for_workers() -> Changes:
    """Variables of the environment that a worker has otherwise than this process, although the user set nothing.

    It may have inherited them from this process, where a solver has set them. Dask sets others, such as numbers of
    threads.
    """
    import dask

    own, names = variables.unchanged(), ("distributed.nanny.environ", "distributed.nanny.pre-spawn-environ")
    of_dask = {name: str(value) for each in names for name, value in (dask.config.get(each) or {}).items()}
    return {name: (own.get(name), value) for name, value in of_dask.items()} | variables.changes()


def _name_of(group: Sequence[RunPlan]) -> str:
    content = json.dumps([[plan.run_id, plan.budget] for plan in group])
    return f"amb-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def groups(plans: Sequence[RunPlan], workers: int) -> list[list[RunPlan]]:
    """Group runs by generator and target, since they share batches; several groups for each worker."""
    pairs: dict[str, list[RunPlan]] = defaultdict(list)
    for plan in plans:
        pairs[ProblemId.parse(plan.problem).pair].append(plan)
    size = max(1, min(CROWD, -(-len(plans) // (GROUPS_A_WORKER * workers))))
    return [members[i : i + size] for members in pairs.values() for i in range(0, len(members), size)]
