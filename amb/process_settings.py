"""Settings of the whole process that a plug-in may change for itself, and that must not reach other code.

With numpy set to raise, other solvers crash; with torch in another precision, they give other traces; with a low
recursion limit, networks cannot be made; an alarm that nobody expects kills the process; with a low limit of the size
of files, no result can be written.
"""

import ctypes
import gc
import signal
import sys
import threading
from contextlib import suppress
from functools import cache
from typing import Any

from amb.torch_precision import Precision, full_precision, read_precision, write_precision

try:
    import resource
except ImportError:  # Windows has none
    resource = None  # type: ignore[assignment]

try:
    from _signal import getsignal  # type: ignore[import-not-found]  # an eighteenth of the time of the one in `signal`
except ImportError:
    from signal import getsignal

_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGPIPE", "SIGALRM", "SIGVTALRM", "SIGPROF")
    if hasattr(signal, name)
)
_LIMITS = tuple(
    getattr(resource, name)
    for name in (
        "RLIMIT_FSIZE",
        "RLIMIT_NOFILE",
        "RLIMIT_AS",
        "RLIMIT_DATA",
        "RLIMIT_CPU",
        "RLIMIT_NPROC",
        "RLIMIT_STACK",
    )
    if hasattr(resource, name)
)
_KINDS_OF_HOOKS = [
    f"_global_{what}_hooks"
    for what in (
        *("forward", "forward_pre", "backward", "backward_pre"),
        *("module_registration", "parameter_registration", "buffer_registration"),
    )
] + ["_global_forward_hooks_always_called", "_global_forward_hooks_with_kwargs"]
_NO_HOOKS: dict[int, Any] = {}
_ALARM = getattr(signal, "SIGALRM", None)


class ProcessSettings:
    """The settings at one moment, so that `restore` can undo what a plug-in's code does to them afterwards.

    Left alone are the trace of a debugger, and handlers of signals that the bench does not depend on. Signals and
    alarms are the main thread's: elsewhere they stay as they are. Nothing else in the process may change settings
    meanwhile.
    """

    __slots__ = ("_alarm", "_kept", "_main")

    def __init__(self) -> None:
        self._main = threading.current_thread() is threading.main_thread()
        self._kept = _read()
        # Without a handler, an alarm would end the process: nobody has set one.
        self._alarm = not self._main or (_ALARM is not None and callable(getsignal(_ALARM)) and _alarm_is_set())

    def restore(self) -> None:
        """Put back what was changed, and stop an alarm that was set."""
        if not self._alarm and _ALARM is not None and _alarm_is_set():
            signal.setitimer(signal.ITIMER_REAL, 0)
        if (now := _read()) == self._kept:
            return  # as nearly always, and this is called for every batch
        handlers, interpreter, floats, tensors, limits = self._kept
        for number, limit, (lowered, most) in zip(_LIMITS, limits, now[4], strict=True):
            _raise_limit(number, limit[0], lowered, most)
        for number, handler, other in zip(_SIGNALS, handlers, now[0], strict=True):
            if self._main and handler != other and handler is not None:
                signal.signal(number, handler)
        limit, profile, collects, interval, flushes, rounding, path = interpreter
        if not set(path) <= set(sys.path):  # later imports need what was there; what is added stays
            sys.path[:] = [*path, *(entry for entry in sys.path if entry not in path)]
        if sys.getprofile() is not profile:
            _profile_with(profile)
        sys.setrecursionlimit(limit)
        sys.setswitchinterval(interval)
        (gc.enable if collects else gc.disable)()
        if rounding != _rounding():
            _round_to_nearest()
        if flushes != _flushes_denormals():
            import torch

            torch.set_flush_denormal(flushes)
        if floats is not None:
            sys.modules["numpy"].seterr(**floats)
        if now[3] is not None and now[3] != (tensors := tensors or _usual_torch(now[3])):
            _restore_torch(*tensors)


def _profile_with(profile: Any) -> None:
    """Let what has observed the calls of this thread do so again."""
    if profile is None or callable(profile):
        sys.setprofile(profile)
    elif hasattr(profile, "enable"):  # cProfile's, before Python 3.12; others' that are written in C cannot be set
        profile.enable()


def _alarm_is_set() -> bool:
    return signal.getitimer(signal.ITIMER_REAL)[0] > 0


def _read() -> tuple[Any, ...]:
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")  # a command that needs neither imports neither
    return (
        [getsignal(number) for number in _SIGNALS],
        (
            *(sys.getrecursionlimit(), sys.getprofile(), gc.isenabled(), sys.getswitchinterval()),
            *(_flushes_denormals(), _rounding(), sys.path[:]),
        ),
        None if numpy is None else numpy.geterr(),
        None if torch is None else _torch_settings(torch),
        [resource.getrlimit(number) for number in _LIMITS],
    )


def _raise_limit(number: int, limit: int, lowered: int, most: int) -> None:
    """Raise a limit of the process to what it was, as far as the code left that possible.

    One that the code has raised stays: it may need it later.
    """
    endless = resource.RLIM_INFINITY
    if lowered == endless or (limit != endless and lowered >= limit):
        return
    with suppress(OSError, ValueError):
        resource.setrlimit(number, (limit if most == endless else most if limit == endless else min(limit, most), most))


def _flushes_denormals(smallest: float = sys.float_info.min) -> bool:
    """Whether the processor takes numbers below the smallest normal one for 0, as `torch.set_flush_denormal` sets."""
    return smallest / 2 == 0


def _rounding(one: float = 1.0, ten: float = 10.0) -> tuple[float, float]:
    """Tells the rounding that every process begins with from the others, which libraries for intervals set.

    A tenth is rounded up: all that round down or towards 0 give another one, and those that round up another minus one.
    """
    return one / ten, -one / ten


def _round_to_nearest() -> None:
    """What every process begins with."""
    with suppress(OSError, AttributeError, TypeError):  # Windows has none
        ctypes.CDLL("libm.so.6" if sys.platform == "linux" else None).fesetround(0)


def _torch_settings(torch: Any) -> tuple[Any, ...] | None:
    try:
        return (
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
            read_precision(torch),
            _default_device(torch),
            [dict(hooks) if hooks else _NO_HOOKS for hooks in _hooks()],
        )
    except (AttributeError, KeyError):  # it is being imported
        return None


def _usual_torch(now: tuple[Any, ...]) -> tuple[Any, ...]:
    """What torch begins with, for code that was the first to import it; its number of threads is not known."""
    import torch

    _, _, threads, _, precision, _, hooks = now
    return torch.float32, True, threads, False, full_precision(precision), None, [_NO_HOOKS] * len(hooks)


@cache
def _hooks() -> tuple[dict[int, Any], ...]:
    """What is called at every use of any module of torch, by kinds of hooks; there is no public way to read it."""
    module = sys.modules["torch.nn.modules.module"]
    if getattr(module.__spec__, "_initializing", False):
        raise KeyError
    return tuple(module.__dict__[name] for name in _KINDS_OF_HOOKS if name in module.__dict__)


def _default_device(torch: Any) -> Any:
    """What `set_default_device` leaves, or None; the public way to read it takes eighty times as long."""
    return torch._GLOBAL_DEVICE_CONTEXT.__dict__.get("device_context")


def _restore_torch(
    dtype: Any,
    grad: bool,
    threads: int,
    deterministic: bool,
    precision: Precision,
    device: Any,
    hooks: list[dict[int, Any]],
) -> None:
    import torch

    torch.set_default_dtype(dtype)
    torch.set_grad_enabled(grad)
    torch.set_num_threads(threads)
    if torch.are_deterministic_algorithms_enabled() != deterministic:  # to set it imports torch's compiler
        torch.use_deterministic_algorithms(deterministic)
    write_precision(torch, precision)
    with suppress(AttributeError):
        if _default_device(torch) is not device:
            torch.set_default_device(None if device is None else device.device)
    for those, before in zip(_hooks(), hooks, strict=True):
        if those != before:
            those.clear()
            those.update(before)
