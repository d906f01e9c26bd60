"""Units of held-out networks that no solver was compared on: for a test after the held-out suite has been looked at."""

import numpy as np

from amb.catalogue.problems import expand
from amb.catalogue.suites import suite
from amb.catalogue.targets import described
from amb.spec import ProblemId
from amb_solvers.shared.tuning_units import SUITES, unit_of

HELD_OUT_SUITE = "networks-held-out"
SEED = 42


def fresh_units() -> list[str]:
    """Problem ids as many and as in the suite `networks-held-out`, with other units of its layers.

    Of the first, the middle and the last layer of each network one unit is drawn that no suite contains; all generators
    of the network drive the same ones.
    """
    known = expand(HELD_OUT_SUITE)
    parts = {problem: ProblemId.parse(problem) for problem in known}
    taken = {unit_of(problem) for name in SUITES for problem in suite(name).problems}
    rng = np.random.default_rng(SEED)
    drawn = {}
    for network in dict.fromkeys(part.target for part in parts.values()):
        layers = described(network).layers
        names = list(layers)
        for layer in (names[0], names[len(names) // 2], names[-1]):
            free = [unit for unit in range(layers[layer]) if f"{network}/{layer}/{unit}" not in taken]
            drawn[network, layer] = int(rng.choice(free))
    return [
        f"{generator}/{network}/{layer}/{unit}{options}"
        for (network, layer), unit in drawn.items()
        for generator, options in dict.fromkeys(
            (part.generator, problem[problem.index("[") :] if "[" in problem else "")
            for problem, part in parts.items()
            if part.target == network
        )
    ]
