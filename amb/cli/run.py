"""`amb run`: run solvers without comparing them."""

from amb.cli import options as o


def run(
    solvers: o.Solvers = o.DEFAULT_SOLVERS,
    problems: o.Problems = "quick",
    budget: o.Budget = None,
    seeds: o.Seeds = None,
    study: o.StudyFolder = o.DEFAULT_STUDY,
    device: o.Device = "cpu",
    timing: o.Timing = False,
    timeout: o.Timeout = None,
    isolate: o.Isolate = False,
    memory: o.Memory = None,
    retry: o.Retry = False,
    executor: o.Executor = None,
    scheduler: o.Scheduler = None,
    workers: o.Workers = None,
    plugin: o.Plugins = None,
    json: o.Json = False,
) -> None:
    """Run solvers on problems and store the runs in a study; stored runs are not repeated."""
    from amb.cli.running import announced, interruptible

    progress = announced(as_json=json)  # before imports that take seconds

    from amb.cli.show import print_runs
    from amb.comparison.table import read_runs
    from amb.run.dispatch import carry_out
    from amb.run.plan import make_plan
    from amb.study.study import Study

    o.load_plugins(plugin)
    limits = o.limits(timeout, isolate, memory)
    cluster = o.cluster(executor, scheduler, workers, plugin)
    plan = make_plan(solvers, problems, budget=budget, seeds=seeds, device=device, limits=limits)
    with interruptible(study):
        opened = Study(study)
        notes = opened.describe(plan.runs, plan.settings(timing=timing), retry=retry)
        carry_out(
            plan,
            plan.runs,
            opened,
            cluster,
            timing=timing,
            limits=limits,
            retry=retry,
            notes=notes,
            progress=progress,
        )
    print_runs(read_runs(plan, opened).runs, opened.shown, as_json=json)
