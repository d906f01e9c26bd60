"""Python's collector of reference cycles, which need not look at everything that was loaded before the first query."""

import gc


class SparedObjects:
    """Spares the collector, in a block, the objects that exist at the first `spare`; they are freed as usual.

    Networks and packages are some 500,000 objects. To look at them takes 0.3 s, which one solver or another, whose
    garbage happened to start the collection, would be charged for.
    """

    def __init__(self) -> None:
        self._asked = self._spared = False

    def spare(self) -> None:
        """Spare what exists now; later calls do nothing, nor does the first if the program does the same itself."""
        if self._asked:
            return
        self._asked = True
        if gc.get_freeze_count() == 0:  # which walks through all frozen objects: 0.1 s, too much for every round
            gc.freeze()
            self._spared = True

    def __enter__(self) -> "SparedObjects":
        return self

    def __exit__(self, *_: object) -> None:
        if self._spared:
            gc.unfreeze()
