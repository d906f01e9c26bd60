"""Python's collector of reference cycles, which need not look at everything that was loaded before the first query."""

import gc


class SparedObjects:
    """Spares the collector, in a block, the objects that exist at the first `spare`; they are freed as usual.

    Networks and packages are some 500,000 objects. To look at them takes 0.3 s, which one solver or another, whose
    garbage happened to start the collection, would be charged for.
    """

    def __init__(self) -> None:
        self._spared = False

    def spare(self) -> None:
        """Spare what exists now; later calls do nothing, nor does the first if the program does the same itself."""
        if not self._spared and gc.get_freeze_count() == 0:
            gc.freeze()
            self._spared = True

    def __enter__(self) -> "SparedObjects":
        return self

    def __exit__(self, *_: object) -> None:
        if self._spared:
            gc.unfreeze()
