"""Units of held-out networks that no solver was compared on: for a test after the held-out suite has been looked at."""

import numpy as np

from amb.catalogue.problems import expand
from amb.spec import ProblemId
from amb_solvers.shared.tuning_units import ORDERED, free_units, generators_in, units_in_suites

HELD_OUT_SUITE = "networks-held-out"
SEED = 42


def fresh_units() -> list[str]:
    """Problem ids as many and as in the suite `networks-held-out`, with other units of its layers.

    Of the first, the middle and the last layer of each network one unit is drawn that no suite contains; all generators
    of the network drive the same ones.
    """
    known = [ProblemId.parse(problem) for problem in expand(HELD_OUT_SUITE)]
    taken = units_in_suites()
    rng = np.random.default_rng(SEED)
    fresh = []
    for network in dict.fromkeys(part.target for part in known):
        for layer, free in free_units(network, taken):
            unit = int(rng.choice(free))
            generators = generators_in(network, known)
            fresh += [f"{name}/{network}/{layer}/{unit}{ORDERED.get(name, '')}" for name in generators]
    return fresh
