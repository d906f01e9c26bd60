"""Ctrl-C as a user presses it: tests raise the signal, since an exception that a plug-in makes counts as its own."""

import signal


def interrupt() -> None:
    """Ask a run to stop, and to stop at once: with SIGTERM, since shells start background jobs with SIGINT ignored."""
    for _ in range(2):
        signal.raise_signal(signal.SIGTERM)
    raise AssertionError("nothing has received the signal")
