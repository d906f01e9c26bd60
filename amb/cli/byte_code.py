"""Byte code of modules that was not written whole, as on a full disk.

Python 3.11 writes it so, takes it for whole, and cannot read it.
"""

import traceback
from pathlib import Path


def unreadable_byte_code(error: BaseException) -> Path | None:
    """The file of byte code in which an import failed with this error or a cause of it; None if none failed so."""
    cause: BaseException | None = error
    while cause is not None:
        frames = [frame for frame, _ in traceback.walk_tb(cause.__traceback__)]
        if frames and frames[-1].f_code.co_name == "_compile_bytecode":
            file = frames[-1].f_locals.get("bytecode_path")
            return Path(file) if isinstance(file, str) else None
        cause = cause.__cause__
    return None
