"""Which Dask worker began which group of runs: noted at the scheduler, which a worker that dies does not take along.

Dask counts the death of a worker against all tasks that it was sent, also against those that it had not begun. What
was begun tells them apart.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client
    from distributed.scheduler import KilledWorker


def note_begun(token: str, group: str) -> None:
    """Note, in a task, that this worker begins a group of runs; returns once the scheduler has the note."""
    from distributed import get_worker
    from distributed.utils import sync

    worker = get_worker()
    for keys in (("workers", worker.id), ("groups", group, worker.id)):
        sync(worker.loop, worker.scheduler.set_metadata, keys=[token, *keys], value=True)


class Begun:
    """What the workers of one command have noted.

    Args:
        client: of the scheduler.
        token: of the command.
    """

    def __init__(self, client: "Client", token: str) -> None:
        self._client, self._token = client, token

    def is_at_fault(self, group: str, error: "KilledWorker") -> bool:
        """Whether as many workers died at a group, which ended so, as Dask lets die of a task."""
        return len(self._noted("groups", group)) > error.allowed_failures

    def has_begun_any(self, error: "KilledWorker") -> bool:
        """Whether the worker that died last had begun a group, this one or another."""
        return self._noted("workers", error.last_worker.server_id) is True

    def forget(self) -> None:
        """Let the scheduler drop the notes."""
        self._client.set_metadata([self._token], None)

    def _noted(self, *keys: str) -> Any:
        return self._client.get_metadata([self._token, *keys], default={})
