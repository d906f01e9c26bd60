"""Why a study's earlier runs are not used for what is asked now, or are used although the code is not theirs."""

from collections.abc import Mapping, Sequence

from amb.spec import Spec
from amb.study.codes import is_of_several, is_other_code, key
from amb.study.manifest import Manifest
from amb.study.runs import RunPlan
from amb.text import listed


def changes(manifest: Manifest, plans: Sequence[RunPlan], ahead: Sequence[RunPlan]) -> list[str]:
    """Compare plans with the solvers and problems of the manifest, as they were last asked for.

    Args:
        manifest: of the study.
        plans: what is asked now.
        ahead: those of which the study does not hold the runs.

    Returns:
        One sentence for each solver or problem that the study has runs of, but whose runs are new nevertheless.
    """
    solvers, problems = manifest.solvers, manifest.problems
    wanted = {plan.solver for plan in plans}
    reasons = []
    for solver, version in {plan.solver: plan.version for plan in ahead}.items():
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
    for problem, fingerprint in {plan.problem: plan.fingerprint for plan in ahead}.items():
        if problem in problems and problems[problem] != fingerprint:
            changed.setdefault((problems[problem][:12], fingerprint[:12]), []).append(problem)
    for (before, now), names in changed.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        reasons.append(
            f"the networks or the code of {names[0]}{more} have changed (fingerprint {before}... before, {now}... "
            "now): earlier runs are kept but not used, and the solvers run again"
        )
    return reasons


def edited(manifest: Manifest, plans: Sequence[RunPlan], codes: Mapping[str, str]) -> dict[str, list[str]]:
    """Find solvers and problems whose code is not that of all their stored runs, although version or fingerprint is.

    Args:
        manifest: of the study that holds the runs.
        plans: what is asked now.
        codes: hashes of their code as it is now; see `amb.study.manifest.Settings`.

    Returns:
        Clauses without a full stop, and the names that each tells of.
    """
    solvers, problems = {p.solver: p.version for p in plans}, {p.problem: p.fingerprint for p in plans}
    found = _mixed(manifest, solvers, problems)
    told = {name for names in found.values() for name in names}
    for what, asked in (("version", solvers), ("fingerprint", problems)):
        names = []
        for name, version in asked.items():
            first, now = manifest.settings.codes.get(key(name, version)), codes.get(key(name, version))
            if name not in told and first is not None and now is not None and is_other_code(first, now):
                names.append(name)
        if names:
            their = "its" if len(names) == 1 else "their"
            clause = (
                f"the code of {listed(names)}, or a value that it names, has changed since {their} first stored run, "
                f"but the {what} has not: stored runs count all the same; {_advice(what)}"
            )
            found[clause] = names
    return found


def mixed(manifest: Manifest) -> list[str]:
    """Clauses that tell of solvers and problems, of a study or of several, whose runs are of different code."""
    return [*_mixed(manifest, manifest.solvers, manifest.problems)]


def _mixed(manifest: Manifest, solvers: Mapping[str, str], problems: Mapping[str, str]) -> dict[str, list[str]]:
    several = {name for name, code in manifest.settings.codes.items() if is_of_several(code)}
    found = {}
    for what, asked in (("version", solvers), ("fingerprint", problems)):
        own = [name for name, version in asked.items() if key(name, version) in several]
        if own:
            found[f"the runs of {listed(own)} are of different code under one {what}; {_advice(what)}"] = own
    return found


def _advice(what: str) -> str:
    return f"if the change matters, change the {what} as well, and new runs are made"
