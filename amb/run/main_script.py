"""Whether the script that Python runs does something that every process of `multiprocessing` would do again.

Such a process imports the script first: it executes all of it but for what stands under `if __name__ == "__main__":`.
"""

import ast
import sys
import tokenize
from types import FrameType, ModuleType

GUARD = 'if __name__ == "__main__":'
_CONDITIONS = (ast.If, ast.IfExp, ast.BoolOp, ast.Match)


def unguarded_line() -> str | None:
    """File and line of the script's statement that is under way, if no condition stands over it; None if one does.

    None as well in a notebook, a console or a command, whose main module no other process imports.
    """
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if file is None or str(getattr(getattr(main, "__spec__", None), "name", "")).endswith("__main__"):
        return None
    frame: FrameType | None = sys._getframe()
    while frame is not None and not _is_of(frame, main, file):
        frame = frame.f_back
    if frame is None:  # called in another thread
        return None
    try:
        with tokenize.open(file) as opened:
            nodes = list(ast.walk(ast.parse(opened.read())))
    except (OSError, SyntaxError, ValueError):
        return None
    line = frame.f_lineno
    conditions = [node for node in nodes if isinstance(node, _CONDITIONS)]
    guarded = any(node.lineno <= line <= (node.end_lineno or node.lineno) for node in conditions)
    return None if guarded else f"{file}, line {line}"


def _is_of(frame: FrameType, main: ModuleType | None, file: str) -> bool:
    """Whether a frame executes the text of a file as that module."""
    return frame.f_globals is vars(main) and (frame.f_code.co_filename, frame.f_code.co_name) == (file, "<module>")
