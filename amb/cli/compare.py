"""`amb compare`: run what is missing, then say which solver is better, with what confidence and at what cost."""

from amb.cli import options as o


def compare(
    solvers: o.Solvers = o.DEFAULT_SOLVERS,
    problems: o.OptionalProblems = None,
    budget: o.Budget = None,
    seeds: o.Seeds = None,
    study: o.StudyFolder = o.DEFAULT_STUDY,
    control: o.Control = None,
    metric: o.Metric = o.DEFAULT_METRIC,
    alpha: o.Alpha = o.DEFAULT_ALPHA,
    rope: o.Rope = o.DEFAULT_ROPE,
    level: o.Level = o.DEFAULT_LEVEL,
    look: o.Look = 1,
    looks: o.Looks = 1,
    device: o.Device = "cpu",
    timing: o.Timing = False,
    timeout: o.Timeout = None,
    isolate: o.Isolate = False,
    memory: o.Memory = None,
    retry: o.Retry = False,
    executor: o.Executor = None,
    scheduler: o.Scheduler = None,
    workers: o.Workers = None,
    with_reference: o.WithReference = False,
    reference: o.ReferenceFolder = None,
    plugin: o.Plugins = None,
    json: o.Json = False,
) -> None:
    """Compare solvers: run what is missing, print the table and the verdict, write the report."""
    from amb.cli.running import announced, interruptible

    progress = announced(as_json=json)  # before imports that take seconds

    from amb.cli.reporting import print_and_write
    from amb.comparison.compare import compare as run_comparison
    from amb.reports.write import check_reports

    o.load_plugins(plugin)
    limits = o.limits(timeout, isolate, memory)
    cluster = o.cluster(executor, scheduler, workers, plugin)
    check_reports(study / "report")
    with interruptible(study):
        comparison = run_comparison(
            solvers,
            problems,
            budget=budget,
            seeds=seeds,
            study=study,
            device=device,
            control=control,
            metric=metric,
            alpha=alpha,
            rope=rope,
            level=level,
            look=look,
            looks=looks,
            timing=timing,
            limits=limits,
            retry=retry,
            cluster=cluster,
            with_reference=reference or with_reference,
            progress=progress,
        )
        print_and_write(comparison, as_json=json)
