"""The end of a command although a plug-in has left threads, processes or exit hooks that do not end."""

import os
import sys
import threading
from contextlib import suppress
from time import sleep

from amb.cli.complaints import complain

PATIENCE_SECONDS = 2.0
"""How long threads and processes may take to end by themselves once everything is written."""
UPLOAD_SECONDS = 60.0
"""How long exit hooks may: a tracker uploads in its own what would be lost otherwise."""


def outlast_leftovers(status: int) -> None:
    """Let the process end with this exit status soon after its main thread has, whatever was left does.

    Where `amb` is called by a program, this waits for that program's end.
    """
    if _left() or _others_ran():
        ending = threading.Event()
        # The last hook runs first. Thread pools wait for their workers in theirs, while the main thread still lives.
        threading._register_atexit(ending.set)  # type: ignore[attr-defined]
        with suppress(RuntimeError):  # no thread can be had, where there is no memory: Python waits
            threading.Thread(target=_end, args=(status, ending), name="amb-end", daemon=True).start()


def _others_ran() -> bool:
    """Whether code that is not built in was imported. What Python calls for it at the end, nothing lists beforehand."""
    plugins = sys.modules.get("amb.catalogue.plugins")  # without its import, none was
    return plugins is not None and plugins.others_imported()


def _left() -> list[str]:
    """What Python waits for at the end: threads, those that feed a queue nobody reads, and processes."""
    main = threading.main_thread()
    threads = [
        thread
        for thread in threading.enumerate()
        if thread is not main and (not thread.daemon or thread.name == "QueueFeederThread")
    ]
    # Without its import, nobody has started one.
    pools = sys.modules.get("multiprocessing")
    processes = [] if pools is None else pools.active_children()
    return [_where(thread) for thread in threads] + [f"the process {one.name!r} ({one.pid})" for one in processes]


def _end(status: int, ending: threading.Event) -> None:
    """End the process if it has not ended by itself; with it ends this thread."""
    ending.wait()
    sleep(PATIENCE_SECONDS)
    if not _left():
        sleep(UPLOAD_SECONDS - PATIENCE_SECONDS)
    with suppress(OSError, ValueError):
        # Python calls exit hooks when no thread is left, and lets this one run no more when they have ended.
        what = next(iter(_left()), f"the exit hook (atexit){_place(threading.main_thread())}")
        complain(f"the end: everything is written; {what} still ran, left by a plug-in")
        sys.stdout.flush()
    os._exit(status)


def _where(thread: threading.Thread) -> str:
    """The thread's name, and where its plug-in's code is."""
    return f"the thread {thread.name!r}{_place(thread)}"


def _place(thread: threading.Thread) -> str:
    """Where a thread is: its outermost call that is not Python's own; "" if there is none."""
    frame, place = sys._current_frames().get(thread.ident or 0), ""
    while frame is not None:
        if str(frame.f_globals.get("__name__")).split(".")[0] not in sys.stdlib_module_names:
            place = f" at {os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
        frame = frame.f_back
    return place
