"""The parent of a solver's process: ends it and all its descendants when the bench asks for it or dies.

A solver may start processes of its own, which outlive it when it is killed, and the bench may be killed at any time.
This process imports nothing heavy and runs none of the solver's code. It adopts orphans among its descendants (Linux),
so none of them can leave it.
"""

import os
import signal
import sys
import time
from contextlib import suppress

from amb.run.isolation.control import adopt_orphans, end_with_parent
from amb.run.isolation.descendants import descendants, has_proc

LOOK_SECONDS = 0.5
KILL_ROUNDS = 200
_SIGNALS = {signal.SIGCHLD, signal.SIGTERM}


def main() -> None:
    """Fork the solver's process, wait for its end, and end in the same way; the argument is the bench's process id."""
    bench = int(sys.argv[1])
    adopt_orphans()
    end_with_parent(signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    solver = os.fork()
    if solver == 0:
        end_with_parent()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        from amb.run.isolation.process import main as serve

        serve()
        return
    os.close(0)
    os.close(1)
    status = _wait(solver, bench)
    _kill_descendants()
    if os.WIFSIGNALED(status):
        _end_by(os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status))


def _wait(solver: int, bench: int) -> int:
    """The exit status of the solver's process; that of a killed one if the bench has died or no longer needs it."""
    while os.getppid() == bench:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == solver:
                    return ended[1]
        if _next_signal() == signal.SIGTERM:
            break
    return signal.SIGKILL


def _next_signal() -> int | None:
    if hasattr(signal, "sigtimedwait"):
        received = signal.sigtimedwait(_SIGNALS, LOOK_SECONDS)
        return None if received is None else received.si_signo
    time.sleep(0.05)  # macOS
    return signal.SIGTERM if signal.SIGTERM in signal.sigpending() else None


def _kill_descendants() -> None:
    """Kill until none is left: a process may have started another one meanwhile."""
    if not has_proc():
        os.killpg(0, signal.SIGKILL)
    for _ in range(KILL_ROUNDS):
        alive = descendants(os.getpid())
        if not alive:
            return
        for pid in alive:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    os.killpg(0, signal.SIGKILL)


def _end_by(number: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    main()
