"""What a program or a solver sets for all calls of torch changes no value of a problem."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def usual_torch() -> Iterator[None]:
    """A context without autocast, in which tensors are made on the processor if nobody says where.

    An accelerator as the default device stays: a module of the user's may count on it. So does the default dtype: the
    networks name theirs. Only what was set is undone, since the context of a device slows every call of torch.
    """
    torch = sys.modules.get("torch")  # nothing is set in it before it is imported
    with ExitStack() as stack:
        if torch is not None:
            if torch.get_default_device().type not in ("cpu", "cuda"):
                stack.enter_context(torch.device("cpu"))
            for kind in ("cpu", "cuda"):
                if torch.is_autocast_enabled(kind):
                    stack.enter_context(torch.autocast(kind, enabled=False))
        yield
