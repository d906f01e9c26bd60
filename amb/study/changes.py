"""Why a study's earlier runs are not used for what is asked now, or are used although the code is not theirs."""

from collections.abc import Mapping, Sequence

from amb.spec import Spec
from amb.study.manifest import Manifest, is_other_code
from amb.study.runs import RunPlan


def changes(manifest: Manifest, plans: Sequence[RunPlan]) -> list[str]:
    """Compare plans with the solvers and problems of the manifest, as they were last asked for.

    Returns:
        One sentence for each solver or problem that the study has runs of, but whose runs are new nevertheless.
    """
    solvers, problems = manifest.solvers, manifest.problems
    wanted = {plan.solver: plan.version for plan in plans}
    reasons = []
    for solver, version in wanted.items():
        if solver in solvers and solvers[solver] != version:
            reasons.append(
                f"{solver} is now version {version}, not {solvers[solver]}: its earlier runs are kept but not used, "
                "and it runs again"
            )
        elif solver not in solvers:
            name = Spec.parse(solver).name
            others = [known for known in solvers if Spec.parse(known).name == name and known not in wanted]
            if others:
                reasons.append(f"{solver} differs in its options from {', '.join(others)}, so its runs are new")
    changed: dict[tuple[str, str], list[str]] = {}
    for problem, fingerprint in {plan.problem: plan.fingerprint for plan in plans}.items():
        if problem in problems and problems[problem] != fingerprint:
            changed.setdefault((problems[problem][:12], fingerprint[:12]), []).append(problem)
    for (before, now), names in changed.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        reasons.append(
            f"the networks or the code of {names[0]}{more} have changed (fingerprint {before}... before, {now}... "
            "now): earlier runs are kept but not used, and the solvers run again"
        )
    return reasons


def edited(manifest: Manifest, plans: Sequence[RunPlan], codes: Mapping[str, str]) -> list[str]:
    """Find solvers whose code is not that of their stored runs, although their version is.

    Args:
        manifest: of the study that holds the runs.
        plans: what is asked now.
        codes: hashes of the solvers' code as it is now; see `amb.study.manifest.Settings`.

    Returns:
        One clause for each, without a full stop.
    """
    first, versions = manifest.settings.codes, {plan.solver: plan.version for plan in plans}
    return [
        f"the code of {solver}, or a value that it names, has changed since its first run in this study, but its "
        f"version is still {versions[solver]}: stored runs count as its own; after a change of what it asks for, raise "
        "`version` in its class, and it runs again"
        for solver, code in codes.items()
        if solver in first
        and solver in versions
        and manifest.solvers.get(solver) == versions[solver]
        and is_other_code(first[solver], code)
    ]
