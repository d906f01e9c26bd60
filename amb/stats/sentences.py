"""Every sentence that both Python and the page write, by name; the page receives them with its data.

A template holds placeholders, filled by two rules here and in the page's `sentences.js`:

- ``{name}``: the value: text unchanged, a whole number with commas between thousands, a list as "a, b and c".
- ``{name|one|many}``: "one" if the number is 1 or the list has one member, else "many".
"""

import re
from collections.abc import Mapping, Sequence

Value = str | int | Sequence[str]

SENTENCES: Mapping[str, str] = {
    # The verdict: which solver is best, by how much, with what confidence.
    "nothing selected": "No solver is selected.",
    "no common problem": (
        "No verdict: there is no problem on which every solver has a run. Let the study finish, or compare fewer "
        "solvers."
    ),
    "alone": "{solver} alone: {metric} {score}. There is no other solver to compare it with.",
    "all failed": "No verdict: all runs failed, so there is nothing to compare.",
    "best of two": "On the {problems} problems run, {best} is best: it beats {second} by {effect}",
    "best of all": (
        "On the {problems} problems run, {best} is best: it beats each of the {others} other solvers (largest Holm p "
        "{p}) and leads the runner-up, {second}, by {effect}"
    ),
    "beats, interval with zero": (
        "On the {problems} problems run, {best} ranks first and beats {beaten} (largest Holm p {p}), but the interval "
        "of its difference from {unsure} includes zero, so it is not called best; its difference from {second} is "
        "{effect}"
    ),
    "beats some": (
        "On the {problems} problems run, {best} ranks first and beats {beaten} (largest Holm p {p}), but is not shown "
        "to be better than {equal}; its difference from {second} is {effect}"
    ),
    "first by rank only": (
        "No solver is best on the {problems} problems run: {best} has the best mean rank, since it wins more often, "
        "but {worse} {worse|is|are} shown to be better, since {worse|it wins|they win} by more; the difference of "
        "{best} from {rival} is {effect}"
    ),
    "too few seeds": (
        "No claim is made with {seeds} {seeds|seed|seeds} per problem and solver; run at least three. {best} ranks "
        "first, and its difference from {second} is {effect}"
    ),
    "all tied": "All solvers tie on every problem: these problems cannot tell them apart at this budget",
    "tied by failures": "All solvers tie on every problem, since {failed} of {runs} runs failed",
    "underpowered": (
        "Underpowered, so no winner can be named: {reason}. {best} ranks first; its difference from {second} is "
        "{effect}"
    ),
    "too few problems": (
        "with {problems} {units} and {comparisons} {comparisons|comparison|comparisons}, no Holm "
        "p can fall below {least}"
    ),
    "too many ties": "too many problems are tied for any difference to become significant",
    "no winner": (
        "No solver is shown to be best{others}: {best} ranks first, and its difference from {second} is {effect}"
        "{practically}"
    ),
    "others differ": ", although {count} {count|pair|pairs} of the others {count|differs|differ}",
    "practically equal": "; the two are practically equal (within {rope} of the range) with probability {probability}",
    "better than control": "{solvers} {solvers|beats|beat} the control {control}",
    "worse than control": "{solvers} {solvers|is|are} worse than the control {control}",
    "like control": "{solvers} {solvers|is|are} not shown to differ from the control {control}",
    "like control, underpowered": (
        "{solvers} {solvers|is|are} not shown to differ from the control {control} (underpowered: no outcome could "
        "have shown a difference)"
    ),
    "too few seeds, control": (
        "No claim is made with {seeds} {seeds|seed|seeds} per problem and solver; run at least three"
    ),
    "challenger": "the best-ranked challenger is {solver}, whose difference from the control is {effect}",
    # The verdict in plain words.
    "best of two, in short": "{best} is best: it beats {second} on the {problems} problems run.",
    "best of all, in short": (
        "{best} is best: it beats each of the {others} other solvers on the {problems} problems run."
    ),
    "beats, interval with zero, in short": (
        "{best} ranks first and beats {beaten}, but is not called best: its lead over {unsure} could be zero."
    ),
    "beats some, in short": "{best} ranks first and beats {beaten}, but is not shown to be better than {equal}.",
    "first by rank only, in short": (
        "No solver is best: {best} wins on most problems, but {worse} {worse|wins|win} by more."
    ),
    "too few seeds, in short": (
        "{best} ranks first, but {seeds} {seeds|seed|seeds} per problem are too few for a claim."
    ),
    "all tied, in short": "All solvers tie on every problem.",
    "tied by failures, in short": "All solvers tie on every problem, since {failed} of {runs} runs failed.",
    "underpowered, in short": "{best} ranks first, but the problems are too few, or too often tied, to name a winner.",
    "no winner, in short": (
        "No solver is shown to be best: {best} ranks first and {second} second, and chance could explain the order."
    ),
    "better than control, in short": "{solvers} {solvers|beats|beat} the control {control}.",
    "worse than control, in short": "{solvers} {solvers|is|are} worse than the control {control}.",
    "like control, in short": "{solvers} {solvers|is|are} not shown to differ from the control {control}.",
    "like control, underpowered, in short": (
        "{solvers} {solvers|is|are} not shown to differ from the control {control}, and could not have been."
    ),
    "too few seeds, control, in short": (
        "{seeds} {seeds|seed|seeds} per problem are too few for a claim about the control."
    ),
    "alone, in short": "{solver} is alone here: there is no other solver to compare it with.",
    "effect": "{difference} in {quantity}",
    "effect, tested": "{difference} in {quantity} (Holm p {p})",
    "cost in seconds": "a run of {first} takes {own} s of solver time, one of {second} {other} s",
    "cost in queries": (
        "{first} closes 75% of {gap} on {own} of {problems} {problems|problem|problems}, {second} on {other}"
    ),
    "cost where both do": (
        ", and where both do, in {queries} against {others} expected queries (medians over {both} "
        "{both|problem|problems})"
    ),
    "the gap, with points": "the gap between chance and the best known value",
    "the gap, without points": "the gap between the floor and the best value of these runs",
    "the gap, mixed": "each problem's gap",
    # Solvers of another class, which are ranked apart.
    "across classes": (
        "Across classes, which are ranked apart: {solver}, which sees {knows}, differs from {best}, which sees {less}, "
        "by {difference} in {quantity} (Holm p {p})"
    ),
    "across classes, queries": (
        "it closes 75% of the gap on {own} of {problems} {problems|problem|problems}, {best} on {other}"
    ),
    "no class to rank": "{solvers} {solvers|is|are} never ranked; add a solver that sees values or images",
    # What the verdict rests on.
    "nothing compared": (
        "No problem is common to all solvers, so none of the {runs} {runs|run|runs} ({failed} failed) is compared."
    ),
    "based on": "Based on {facts}.",
    "problems": "{problems} {problems|problem|problems}",
    "problems and networks": (
        "{problems} {problems|problem|problems} of {networks} target {networks|network|networks}"
    ),
    "runs": "{runs} {runs|run|runs}, {failed} failed",
    "test": (
        "exact Wilcoxon signed-rank tests over {level} (Pratt), Holm-corrected over {comparisons} "
        "{comparisons|comparison|comparisons}"
    ),
    "intervals": "95% intervals in brackets, for problems of {networks|this network|these networks}",
    "intervals, level": "95% intervals in brackets, for {level} like these",
    "left out": (
        "Another {problems} {problems|problem|problems}, on which not every solver has a run, {problems|is|are} left "
        "out ({runs} {runs|run|runs}, {failed} failed)."
    ),
    "one run per problem": "With one run per problem and solver, chance within the runs is not averaged out.",
    "surplus seeds": (
        "{runs} {runs|run|runs} of surplus seeds {runs|is|are} left out, so that every solver has as many on a problem."
    ),
    "look": (
        "This is look {look} of {looks} at a growing study: it claims differences at {alpha}, its part of the error "
        "rate of {total} (O'Brien-Fleming spending)."
    ),
    "few seeds": "With fewer than three seeds, chance within the runs is hardly averaged out.",
    "one network": "With one target network, nothing here speaks for other networks.",
    "generators": (
        "With one target network, nothing here speaks for other networks; the difference between {first} and {second} "
        "has the same direction behind {agree} of {generators} generators."
    ),
    "few networks": (
        "The difference between {first} and {second} has the same direction on {agree} of {networks} networks, too few "
        "to speak of networks in general."
    ),
    "networks shown": (
        "The difference between {first} and {second} is shown for networks in general: the same direction on {agree} "
        "of {networks}, signed-rank test over network means, Holm p {p}, mean on a network {interval}."
    ),
    "networks not shown": (
        "The difference between {first} and {second} is not shown for networks in general: the same direction on "
        "{agree} of {networks}, signed-rank test over network means, Holm p {p}, mean on a network {interval}."
    ),
    "part of the study": (
        "This is a part of the study, chosen after the results were seen: it is exploratory, and its p-values support "
        "no claim. Best known values and thresholds stay those of the whole."
    ),
    "without a run": "Without a run here: {solvers}.",
    # Sentences of tables and captions.
    "gap with points": (
        "The gap runs from chance (0) to the best known value (1), the reference points of the problem's suite."
    ),
    "gap without points": "The gap runs from the floor (0) to the best value of {these} (1).",
    "gap mixed": (
        "The gap runs from chance (0) to the best known value (1), the reference points of the problem's suite; on "
        "{problems} {problems|problem|problems} without reference points, from the floor (0) to the best value of "
        "{these} (1)."
    ),
    "normalized of some": (
        "Normalized activations of the table are of the {problems} {problems|problem|problems} with reference points."
    ),
    "letters": "Solvers that share a letter are not shown to differ.",
    "letters, classes": "Capital letters compare {kind} solvers with each other only.",
    "omnibus": "Omnibus test ({method}): F({df1}, {df2}) = {f}, p {p}{note}.",
    "no omnibus": "Omnibus test: {note}.",
}


def sentence(name: str, **values: Value) -> str:
    """The sentence of that name, filled in."""
    return fill(SENTENCES[name], **values)


def fill(template: str, **values: Value) -> str:
    """The template with its placeholders replaced; see the module's rules.

    Raises:
        KeyError: a placeholder has no value.
    """
    return re.sub(r"{(\w+)(?:\|([^|{}]*)\|([^|{}]*))?}", lambda found: _filled(found, values), template)


def _filled(found: "re.Match[str]", values: Mapping[str, Value]) -> str:
    value = values[found[1]]
    if found[2] is not None:
        count = value if isinstance(value, int) else len(value)
        return str(found[2] if count == 1 else found[3])
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    return value[0] if len(value) == 1 else f"{', '.join(value[:-1])} and {value[-1]}"
