"""How exactly torch multiplies float32 numbers on the processor, and with which library: settings of the whole process.

A script that sets a lower precision for its own networks would otherwise change the values of all others.
"""

import sys
from contextlib import ExitStack
from typing import Any

_FULL = ("none", "ieee", "highest")
_OLD_NAMES = {"bf16": "medium", "tf32": "high"}

Precision = tuple[str, str | None, bool]
"""Of products, of convolutions (None: torch has one setting for both), and whether oneDNN is used."""


def read_precision(torch: Any) -> Precision:
    """The settings now. The public ways take ten times as long, and raise where old and new names were mixed."""
    onednn = torch._C._get_mkldnn_enabled()
    get = getattr(torch._C, "_get_fp32_precision_getter", None)  # torch 2.9 and later
    if get is None:
        return torch.get_float32_matmul_precision(), None, onednn
    return get("mkldnn", "matmul"), get("mkldnn", "conv"), onednn


def full_precision(found: Precision) -> Precision:
    """Settings with which nothing is rounded to fewer bits; `found` itself if they are such."""
    products, convolutions, onednn = found
    if products in _FULL and convolutions in (None, *_FULL) and onednn:
        return found
    return ("highest", None, True) if convolutions is None else ("ieee", "ieee", True)


def without_autocast() -> ExitStack | None:
    """Leave torch's autocast, which rounds to 16 bits, until what is returned is closed; None: it is not in force."""
    torch = sys.modules.get("torch")
    is_enabled = getattr(torch, "is_autocast_enabled", None)  # it may be being imported
    if torch is None or is_enabled is None or not (kinds := [kind for kind in ("cpu", "cuda") if is_enabled(kind)]):
        return None
    stack = ExitStack()
    for kind in kinds:
        stack.enter_context(torch.autocast(kind, enabled=False))
    return stack


def write_precision(torch: Any, precision: Precision) -> None:
    """Put settings in force."""
    products, convolutions, onednn = precision
    if convolutions is None:
        torch.set_float32_matmul_precision(products)
    else:
        torch.set_float32_matmul_precision(_OLD_NAMES.get(products, "highest"))  # or reading it raises
        torch._C._set_fp32_precision_setter("mkldnn", "matmul", products)
        torch._C._set_fp32_precision_setter("mkldnn", "conv", convolutions)
    torch._C._set_mkldnn_enabled(onednn)
