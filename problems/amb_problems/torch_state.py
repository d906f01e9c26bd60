"""What a program or a solver sets for all calls of torch changes no value of a problem."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from amb.imported_torch import imported_torch
from amb.torch_precision import full_precision, read_precision, without_autocast, write_precision


@contextmanager
def usual_torch() -> Iterator[None]:
    """A context without autocast, in full precision, in which tensors are made on the processor if nobody says where.

    An accelerator as the default device stays: a module of the user's may count on it. So does the default dtype: the
    networks name theirs. Only what was set is undone, since the context of a device slows every call of torch.
    """
    torch = imported_torch()
    with ExitStack() as stack:
        if torch is not None:
            if torch.get_default_device().type not in ("cpu", "cuda"):
                stack.enter_context(torch.device("cpu"))
            if (autocast := without_autocast()) is not None:
                stack.enter_context(autocast)
            found = read_precision(torch)
            if found != (full := full_precision(found)):
                write_precision(torch, full)
                stack.callback(write_precision, torch, found)
        yield


def shared_settings() -> dict[str, Any]:
    """Settings of torch that change the numbers of every network in the process, by what they are."""
    import torch

    *precision, onednn = read_precision(torch)
    return {
        "default dtype": torch.get_default_dtype(),
        "number of threads": torch.get_num_threads(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "precision of products": tuple(precision),
        "use of oneDNN": onednn,
        "rounding of denormal numbers": _flushes_denormals(),
    }


def restore_settings(before: Mapping[str, Any]) -> None:
    """Put back what differs from earlier `shared_settings`."""
    import torch

    now = shared_settings()
    for name, write in (
        ("default dtype", torch.set_default_dtype),
        ("number of threads", torch.set_num_threads),
        ("deterministic algorithms", torch.use_deterministic_algorithms),
        ("precision of products", lambda found: write_precision(torch, (*found, now["use of oneDNN"]))),
        ("use of oneDNN", lambda used: write_precision(torch, (*before["precision of products"], used))),
        ("rounding of denormal numbers", torch.set_flush_denormal),
    ):
        if now[name] != before[name]:
            write(before[name])


def _flushes_denormals() -> bool:
    """Whether this thread takes numbers below 1e-38 for 0; torch does not tell."""
    import torch

    return not bool(torch.full((), 1e-40, dtype=torch.float32, device="cpu") * 1)
