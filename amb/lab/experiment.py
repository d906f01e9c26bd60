"""An experiment's settings, `experiment.toml`: what is searched, for which neurons, and what a block looks like."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from amb.errors import LabError, unknown
from amb.lab.toml import parse_settings, read_text, toml_value

FILE = "experiment.toml"
COLUMNS = ("trial", "neuron", "response", "spikes", "time", "rejected")
"""Columns of files with responses, so no neuron may have these names."""
STIMULI = ("blank", "ref")
"""Names that stimuli other than candidates have, so no search may have them."""

_NEURON = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_LONGEST = 64
_SEARCH = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.+-]{{0,{_LONGEST - 1}}}")

Count = Annotated[int, Meta(ge=0, le=10_000)]
Positive = Annotated[int, Meta(ge=1, le=10_000)]
Level = Annotated[int, Meta(ge=0, le=255)]
Pixels = Annotated[int, Meta(ge=1, le=8192)]
Resampling = Literal["nearest", "bilinear", "bicubic", "lanczos"]


class BlockSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What a block contains; may be changed between blocks.

    Attributes:
        candidates: new stimuli of each search, at most. A solver asks for a batch at a time, such as a generation; a
            smaller number cuts a batch into several blocks.
        repeats: presentations of each of them.
        references: presentations of each of the user's reference images.
        best: presentations of each search's best stimulus so far.
        blanks: presentations of the bare background.
        retries: how often a stimulus of which no trial was valid is presented again, in later blocks, before its
            solver is told that the query failed.
    """

    candidates: Positive = 20
    repeats: Positive = 2
    references: Count = 1
    best: Count = 1
    blanks: Count = 2
    retries: Annotated[int, Meta(ge=0, le=100)] = 1


class Screen(Struct, frozen=True, forbid_unknown_fields=True):
    """The pictures that the rig shows, in pixels; the stimulus is a centred square on a uniform background.

    Attributes:
        width, height: the picture.
        size: side of the stimulus.
        background: a grey level, or red, green and blue.
        resampling: how the generator's image is enlarged.
    """

    width: Pixels = 256
    height: Pixels = 256
    size: Pixels = 256
    # Not tuple[Level, Level, Level]: in a union with a number, msgspec 0.22 then frees the type too often and crashes.
    background: Level | Annotated[tuple[Level, ...], Meta(min_length=3, max_length=3)] = 128
    resampling: Resampling = "bicubic"


class ResponseSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How spike times become a response.

    Attributes:
        window: start and end of the counting window in milliseconds after stimulus onset; the response is the rate in
            it, in spikes per second.
        end_row: whether CSV files of responses must end with a row `end`, without which one that is still being
            written can be mistaken for a whole one; may be changed at any time.
    """

    window: tuple[float, float] = (50.0, 250.0)
    end_row: bool = False


class Search(Struct, frozen=True, forbid_unknown_fields=True):
    """One search: a solver that maximizes the response of a neuron, or the mean response of several.

    Attributes:
        solver: its spec, such as `cma` or `tt-b[k=20]`.
        neurons: whose response it maximizes.
        name: in the names of its stimuli; by default the neurons' names joined with "+".
    """

    solver: str
    neurons: Annotated[tuple[str, ...], Meta(min_length=1)]
    name: str = ""


class Experiment(Struct, frozen=True, forbid_unknown_fields=True):
    """An experiment.

    Attributes:
        generator: its spec, such as `cifar10-sngan[grid=quantile]`.
        neurons: all recorded neurons, in the order of response matrices without names.
        trials: the budget in presentations: references, the best so far and blanks count too.
        search: the searches.
        seed: of solvers and presentation order.
        share: whether each search also learns from its neurons' responses to the other searches' stimuli, as far as its
            solver can, and counts them among its own when it looks for the best so far.
        block, screen, response: see these classes.
    """

    generator: str
    neurons: Annotated[tuple[str, ...], Meta(min_length=1)]
    trials: Annotated[int, Meta(ge=1, le=1_000_000)]
    search: Annotated[tuple[Search, ...], Meta(min_length=1)]
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    share: bool = True
    block: BlockSettings = BlockSettings()
    screen: Screen = Screen()
    response: ResponseSettings = ResponseSettings()

    def __post_init__(self) -> None:
        for name in self.neurons:
            _check_name("neuron", name, _NEURON, COLUMNS)
        for search in self.searches:
            _check_name("search", search.name, _SEARCH, STIMULI)
        refuse_repeated("neuron", self.neurons)
        refuse_repeated("search", [s.name for s in self.searches])
        known = frozenset(self.neurons)
        for search in self.searches:
            refuse_repeated(f"neuron of search {search.name}", search.neurons)
            for neuron in search.neurons:
                if neuron not in known:
                    raise unknown(f"neuron of search {search.name}", neuron, self.neurons, LabError)
        start, end = self.response.window
        if not -60_000 <= start < end <= 60_000:
            raise LabError(f"response.window must be [start, end] in milliseconds, got [{start:g}, {end:g}]")
        if self.screen.size > min(self.screen.width, self.screen.height):
            raise LabError(
                f"screen.size is {self.screen.size}, but the picture is {self.screen.width} x {self.screen.height}: "
                "the stimulus must fit into it"
            )

    @property
    def searches(self) -> tuple[Search, ...]:
        """`search`, each with a name."""
        return tuple(s if s.name else msgspec.structs.replace(s, name="+".join(s.neurons)) for s in self.search)


def read_experiment(folder: Path) -> Experiment:
    """The settings of the experiment in a folder.

    Raises:
        LabError: there is no such file, or an entry is unknown, missing, or of the wrong type or range.
    """
    return parse_experiment(settings_text(folder), str(folder / FILE))


def settings_text(folder: Path) -> str:
    """The settings of the experiment in a folder, as the user wrote them.

    Raises:
        LabError: there is no such file, or it cannot be read.
    """
    try:
        return read_text(folder / FILE)
    except LabError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise LabError(
                f"{folder} is not an experiment: it has no {FILE}; `amb lab new {folder}` makes one"
            ) from error.__cause__
        raise


def parse_experiment(text: str, where: str) -> Experiment:
    """The settings in a text of TOML; `where` names it in errors.

    Raises:
        LabError: as `read_experiment`.
    """
    return parse_settings(text, Experiment, where)


def _check_name(what: str, name: str, allowed: re.Pattern[str], reserved: tuple[str, ...]) -> None:
    if not allowed.fullmatch(name):
        raise LabError(
            f"bad name {name[:80]!r} of a {what}: expected letters, digits, '_', '.' or '-', such as n1 or V4.12; "
            f"{'at most 64 of them; search.name can give it another' if what == 'search' else 'at most 32 of them'}"
        )
    if name in reserved:
        raise LabError(f"a {what} cannot be called {name!r}; these names are taken: {', '.join(reserved)}")


def refuse_repeated(what: str, names: Any) -> None:
    """Names must differ.

    Raises:
        LabError: one is there twice.
    """
    repeated = sorted(name for name, times in Counter(names).items() if times > 1)
    if repeated:
        raise LabError(f"{what} {repeated[0]!r} is listed twice")


TEMPLATE = """\
# An experiment of `amb lab`. After the first block, only `trials`, [block] and `end_row` may be changed.

generator = {generator}
neurons = {neurons}
trials = {trials}  # budget in presentations, those of references and blanks included
seed = {seed}
share = true  # searches also learn from responses to each other's stimuli, which all neurons see

[block]
candidates = 20  # new stimuli of each search, at most: a solver that asks for fewer at a time gets fewer
repeats = 2      # presentations of each of them
references = 1   # presentations of each image in references/
best = 1         # presentations of the best stimulus so far of each search
blanks = 2       # presentations of the background alone
retries = 1      # how often a stimulus without a valid trial is presented again

[screen]         # pixels
width = 256
height = 256
size = 256       # side of the stimulus, in the centre
background = 128 # grey level, or [red, green, blue]
resampling = "bicubic"

[response]
window = [50, 250]  # ms after stimulus onset; for files with spike times: the response is the rate in this window
end_row = false     # true: CSV files of responses must end with a row `end`, so that a torn one is always noticed
{searches}"""
"""The file that `amb lab new` writes; it has the defaults of the classes above."""


def template(*, generator: str, neurons: Sequence[str], solver: str, together: bool, trials: int, seed: int) -> str:
    """The text of a new `experiment.toml`.

    Args:
        generator, solver: specs.
        neurons: their names.
        together: one search for the mean response of all neurons, instead of one for each.
        trials, seed: see `Experiment`.
    """
    groups = [list(neurons)] if together else [[name] for name in neurons]
    searches = "".join(
        f"\n[[search]]\nsolver = {toml_value(solver)}\nneurons = {toml_value(group)}\n{_short_name(group)}"
        for group in groups
    )
    return TEMPLATE.format(
        generator=toml_value(generator), neurons=toml_value(list(neurons)), trials=trials, seed=seed, searches=searches
    )


def _short_name(neurons: Sequence[str]) -> str:
    """The line that names a search whose neurons' names are together too long for one."""
    return "" if len("+".join(neurons)) <= _LONGEST else 'name = "all"\n'
