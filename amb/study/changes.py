"""Why a study's earlier runs are not used for what is asked now, or are used although the code is not theirs."""

from collections.abc import Mapping, Sequence

from amb.spec import Spec
from amb.study.manifest import Manifest, is_of_several, is_other_code
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


def edited(manifest: Manifest, plans: Sequence[RunPlan], codes: Mapping[str, str]) -> dict[str, str]:
    """Find solvers whose code is not that of all their stored runs, although their version is.

    Args:
        manifest: of the study that holds the runs.
        plans: what is asked now.
        codes: hashes of the solvers' code as it is now; see `amb.study.manifest.Settings`.

    Returns:
        A clause for each, without a full stop, by its name.
    """
    found = {}
    for solver, version in {plan.solver: plan.version for plan in plans}.items():
        first = manifest.settings.codes.get(solver)
        if first is None or manifest.solvers.get(solver) != version:
            continue
        if is_of_several(first):
            found[solver] = several_clause(solver, version)
        elif solver in codes and is_other_code(first, codes[solver]):
            found[solver] = (
                f"the code of {solver}, or a value that it names, has changed since its first run in this study, but "
                f"its version is still {version}: stored runs count as its own; {_RAISE}"
            )
    return found


def several_clause(solver: str, version: str) -> str:
    """What to say of a solver whose stored runs are of different code under one version."""
    return f"the runs of {solver} are of different code, although all are of its version {version}; {_RAISE}"


_RAISE = "after a change of what it asks for, raise `version` in its class, and it runs again"
