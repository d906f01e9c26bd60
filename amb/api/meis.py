"""`amb.analyse`: what is measured for the most exciting inputs of a study."""

from pathlib import Path

from amb.catalogue.problems import problem as find_problem
from amb.meis.found import found_in
from amb.meis.measure import PRESENTATIONS, Measures, measure_all
from amb.spec import explained, user_path
from amb.study.published import open_study


@explained("amb.analyse")
def analyse(
    study: str | Path,
    *,
    data: str | Path | None = None,
    noise: str | None = None,
    presentations: int = PRESENTATIONS,
    device: str = "cpu",
) -> Measures:
    """Measure the most exciting inputs of all finished runs of a study; nothing is run.

    Args:
        study: its folder, published or not.
        data: folder of the data sets, for networks whose responses to their data set are not shipped.
        noise: the input noise under which the network classifies inputs, "bernoulli" or "gaussian"; None: that of each
            problem, which most have not.
        presentations: how often each input is shown under noise.
        device: where networks run, "cpu" or "cuda".

    Returns:
        Tables of inputs, distances and layers, and the inputs themselves as `found`.

    Raises:
        StudyError: the folder is not a study, or no run recommends anything, or weights have changed.
        SpecError: no such noise.
        DataError: `data` was given and cannot be read.
    """
    found = found_in(open_study(study), lambda name: find_problem(name, device=device))
    folder = None if data is None else user_path(Path(data))
    return measure_all(found, data=folder, noise=noise, presentations=presentations)
