"""Why runs that a study holds do not answer for what is asked now."""

from collections.abc import Sequence

from amb.spec import Spec
from amb.study.manifest import Manifest
from amb.study.runs import RunPlan


def changes(manifest: Manifest, plans: Sequence[RunPlan]) -> list[str]:
    """Compare plans with the solvers and problems that the manifest names, as they were last asked for.

    Returns:
        One sentence for each solver or problem whose runs are made anew, though the study holds some of it.
    """
    solvers, problems = manifest.solvers, manifest.problems
    wanted = {plan.solver: plan.version for plan in plans}
    found = []
    for solver, version in wanted.items():
        if solver in solvers and solvers[solver] != version:
            found.append(
                f"{solver} is version {version} now, and was {solvers[solver]}: its earlier runs stay, are not used, "
                "and new ones are made"
            )
        elif solver not in solvers:
            name = Spec.parse(solver).name
            others = [known for known in solvers if Spec.parse(known).name == name and known not in wanted]
            if others:
                found.append(f"{solver} has other options than {', '.join(others)}, so its runs are new")
    changed: dict[tuple[str, str], list[str]] = {}
    for problem, fingerprint in {plan.problem: plan.fingerprint for plan in plans}.items():
        if problem in problems and problems[problem] != fingerprint:
            changed.setdefault((problems[problem][:12], fingerprint[:12]), []).append(problem)
    for (before, now), names in changed.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        found.append(
            f"the networks of {names[0]}{more} have changed (fingerprint {before}... before, {now}... now): "
            "earlier runs stay, are not used, and new ones are made"
        )
    return found
