"""torch, where it matters only if it is imported already: nothing is set in it before."""

import sys
from typing import Any


def imported_torch() -> Any | None:
    """The module torch, whole, if this process has imported it; None if it has not, or cannot.

    One that another thread is importing is waited for: what is there of it lacks most attributes.
    """
    if "torch" not in sys.modules:
        return None
    try:
        import torch
    except ImportError:
        return None
    return torch
