"""Keeping the study's log while it runs, and warning of slow solvers."""

from collections import defaultdict
from collections.abc import Sequence
from time import monotonic

from amb.run.progress import LOADING, Progress, UnderWay
from amb.study.log import Level, StudyLog
from amb.study.runs import RunPlan, RunRecord, Seconds

HEARTBEAT_SECONDS = 10.0
# A solver is slow if it takes more than this share of its evaluation's seconds, and more than this many seconds.
SLOW_SHARE = 0.5
SLOW_SECONDS = 10.0


class Watch(Progress):
    """Passes everything on to another `Progress`, logs it, and warns of slow solvers."""

    def __init__(self, inner: Progress, log: StudyLog, *, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        self._inner = inner
        self._log = log
        self._heartbeat = heartbeat
        self._began = self._beat = monotonic()
        self._total = 0  # queries of all runs that were waiting at the beginning
        self._over = 0  # those of them that belong to runs that have ended
        self._queries = 0  # observed since `begin` by runs that have ended
        self._spent: dict[str, Seconds] = defaultdict(Seconds)
        self._slow: set[str] = set()

    def prepare(self, message: str = LOADING) -> None:
        """Pass it on."""
        self._inner.prepare(message)

    def begin(self, planned: int, waiting: Sequence[RunPlan]) -> None:
        """Log how much there is to do."""
        self._began = self._beat = monotonic()
        self._total = sum(plan.budget for plan in waiting)
        self._log.write("info", "begin", planned=planned, waiting=len(waiting), queries=self._total)
        self._inner.begin(planned, waiting)

    def update(self, runs: Sequence[UnderWay]) -> None:
        """Log rate and counts every few seconds."""
        self._inner.update(runs)
        if monotonic() - self._beat < self._heartbeat:
            return
        self._beat = monotonic()
        for run in runs:
            self._look(run.plan.solver, self._spent[run.plan.solver] + run.seconds)
        fresh = self._queries + sum(run.queries - run.replayed for run in runs)
        self._log.write(
            "info",
            "progress",
            under_way=len(runs),
            queries=fresh,
            left=self._total - self._over - sum(run.queries for run in runs),
            rate=round(fresh / (self._beat - self._began), 3),
        )

    def finished(self, run: UnderWay, record: RunRecord) -> None:
        """Log how a run ended."""
        self._queries += record.queries - run.replayed
        self.ended(record)
        self._inner.finished(run, record)

    def skipped(self, record: RunRecord) -> None:
        """Log a run that never began."""
        self.ended(record)
        self._inner.skipped(record)

    def ended(self, record: RunRecord) -> None:
        """Log a record."""
        plan = record.plan
        self._over += plan.budget
        self._log.write(
            "warning" if record.failed else "info",
            "run ended",
            run_id=plan.run_id,
            run=plan.name,
            status=record.status,
            queries=record.queries,
            solver_seconds=round(record.solver_seconds, 3),
            evaluation_seconds=round(record.seconds.evaluation, 3),
            **({"message": record.reason} if record.failed else {}),
        )
        self._spent[plan.solver] += record.seconds
        self._look(plan.solver, self._spent[plan.solver])

    def note(self, message: str, *, level: Level = "warning", event: str = "note", **fields: object) -> None:
        """Send a message to the user and the log."""
        self._log.write(level, event, message=message, **fields)
        self._inner.note(message)

    def end(self) -> None:
        """Log the end of this session, whether all runs are finished or not."""
        self._log.write("info", "end", queries=self._queries, seconds=round(monotonic() - self._began, 3))
        self._inner.end()

    def _look(self, solver: str, spent: Seconds) -> None:
        if solver in self._slow or spent.solver < SLOW_SECONDS or spent.solver < SLOW_SHARE * spent.evaluation:
            return
        self._slow.add(solver)
        network = "less than 0.1 s"  # whose ratio would be one of rounding errors
        if spent.evaluation >= 0.05:
            network = f"{spent.evaluation:.1f} s ({spent.solver / spent.evaluation:.1f} times as long)"
        self.note(
            f"{solver} is slow: it took {spent.solver:.0f} s itself, the network {network}",
            event="slow solver",
            solver=solver,
        )
