"""The errors that `amb` raises on purpose; they share one base class, so that one `except` catches them all."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from os import PathLike


class AmbError(Exception):
    """Base class of all errors that a user can fix; the command line prints one line and exits with status 2."""

    def __str__(self) -> str:
        """The message; of one that quotes something endless, its beginning and its end."""
        message = super().__str__()
        return message if len(message) <= _LONGEST else f"{message[: _LONGEST // 2]} ... {message[-_LONGEST // 2 :]}"


class SpecError(AmbError):
    """A spec string, an option or a name that cannot be understood."""


class PluginError(AmbError):
    """A plug-in that cannot be imported, or two plug-ins of the same name."""


class CandidateError(AmbError):
    """Candidates of the wrong shape, type or range."""


class SolverError(AmbError):
    """A solver that breaks its contract, or is used against it."""


class BudgetExhausted(SolverError):
    """A solver was asked again after its whole budget had been asked."""


class StudyError(AmbError):
    """A study folder that cannot be read, written or extended."""


class UnreadableError(AmbError):
    """A file that the system does not hand over: too many open files, no permission, a failing disk.

    It says nothing about the file's content, so it is neither a `StudyError` nor any other error by which a file counts
    as damaged: whoever moves damaged files away leaves this one alone.
    """


class LabError(AmbError):
    """A laboratory experiment's folder, settings or responses that cannot be used."""


class BusyError(LabError):
    """An experiment that another process works on; ask again."""


class DataError(AmbError):
    """A data set that is missing or damaged."""


class CheckpointError(AmbError):
    """A checkpoint that is missing or damaged."""


def unknown(what: str, name: str, known: Iterable[str], error: type[AmbError] = SpecError, *, of: str = "") -> AmbError:
    """An error for an unknown `name`, with the nearest of the `known` names, or all of them if none is near.

    Args:
        what: the kind of thing, such as "layer".
        name: what was asked for.
        known: names of this kind that there are.
        error: the class of the error.
        of: what has no such thing, such as "snn-cnn".
    """
    name = str(name)  # whatever was given for one
    shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."
    lacks = f"{of} has no {what}" if of else f"unknown {what}"
    return error(f"{lacks} {shown!r}; {suggestion(name, known)}")


_FILES_OF_NETWORKS = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".onnx", ".safetensors")


def names_file_of_network(source: object) -> bool:
    """Whether something is the path of a file of weights or of a whole network."""
    return isinstance(source, str | PathLike) and str(source).lower().endswith(_FILES_OF_NETWORKS)


def no_module(source: object, expected: str) -> SpecError:
    """An error for what is given in place of a torch module, such as its weights or its file.

    Args:
        source: what came.
        expected: what was expected.
    """
    if isinstance(source, str | PathLike):
        got = f"the path {str(source)!r}; no file of a network is opened here, since a pickle may run any code: build "
        got += "the network, load its weights with torch.load(file, weights_only=True), and pass the module"
    elif isinstance(source, Mapping):
        got = f"{type(source).__name__} with {len(source)} entries; if these are a network's weights, build it, call "
        got += "its load_state_dict, and pass the module"
    else:
        got = " ".join(f"{source!r:.80}".split())
    return SpecError(f"expected {expected}, got {got}")


def suggestion(name: str, known: Iterable[str]) -> str:
    """What to write instead of `name`: "did you mean a, b or c?", or "there are: ..." if no name is near.

    Upper and lower case, and "-" and "_", count as the same letter; at most three names are suggested.
    """
    names = sorted(known)
    alike: dict[str, list[str]] = {}
    for candidate in names:
        alike.setdefault(_folded(candidate), []).append(candidate)
    matches = get_close_matches(_folded(name)[:_SHOWN], alike, n=3, cutoff=_NEAR)
    near = [candidate for match in matches for candidate in alike[match]][:3]
    if near:
        return f"did you mean {' or '.join(filter(None, (', '.join(near[:-1]), near[-1])))}?"
    listed = ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
    return f"there are: {listed or 'none'}"


_NEAR = 0.6
"""Similarity (difflib's ratio) from which a name is suggested: "kk" suggests "k", and "lr" does not."""
_SHOWN = 200
"""Characters of an unknown name that are shown."""
_LONGEST = 4000
"""Characters of a message, more than any needs that quotes names and paths."""
_LISTED = 40
"""Names listed if none is near."""


def _folded(name: str) -> str:
    return name.casefold().replace("_", "-")
