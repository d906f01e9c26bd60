"""Devices on which networks are evaluated."""

from functools import cache

from amb.errors import SpecError


def check_device(device: object) -> str:
    """The name of a device that can be used here, such as "cpu", "cuda" or "cuda:1".

    Args:
        device: its name, or a `torch.device`.

    Raises:
        SpecError: there is no such device, or it cannot be used.
    """
    name = str(device)
    return name if name == "cpu" else _checked(name)


@cache
def _checked(name: str) -> str:
    try:
        import torch
    except ImportError:  # the networks of a third party need not be torch's
        return name
    try:
        torch.zeros(1, device=name).cpu()
    except Exception as cause:
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        usable = ["cpu", *(f"cuda:{number}" for number in range(count))]
        reason = " ".join(str(cause).split(". ")[0].split("\n")[0].split())[:150]
        raise SpecError(f"device {name!r} cannot be used here ({reason}); there are: {', '.join(usable)}") from cause
    return name
