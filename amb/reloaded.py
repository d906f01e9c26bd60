"""Objects that load or compute things on first use, and leave them out when they are copied or pickled."""

from functools import cached_property
from typing import Any


class Reloaded:
    """Copied and pickled without what its cached properties hold (networks, compiled code, open files): made again."""

    def __getstate__(self) -> dict[str, Any]:
        cls = type(self)
        return {k: v for k, v in vars(self).items() if not isinstance(getattr(cls, k, None), cached_property)}
