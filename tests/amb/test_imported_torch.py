import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys, threading
from amb.imported_torch import imported_torch

assert imported_torch() is None and "torch" not in sys.modules
begun, goes_on = sys.begun, sys.goes_on = threading.Event(), threading.Event()
importing = threading.Thread(target=__import__, args=["torch"])
importing.start()
begun.wait()
found = []
asking = threading.Thread(target=lambda: found.append(imported_torch().whole))
asking.start()
asking.join(0.05)
goes_on.set()
asking.join()
importing.join()
print(found)
"""


def test_torch_is_whole_where_two_threads_use_amb_first(tmp_path: Path) -> None:
    """One of them took what the other had imported so far: torch had no attribute `get_default_device`."""
    (tmp_path / "torch.py").write_text("import sys\nsys.begun.set()\nsys.goes_on.wait()\nwhole = True\n")
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True)
    assert done.stdout == "[True]\n", done.stderr


def test_a_torch_that_cannot_be_imported_is_none(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "import sys\nfrom amb.imported_torch import imported_torch\n"
        "sys.modules['torch'] = None\nprint(imported_torch())\n"
    )
    done = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True)
    assert done.stdout == "None\n", done.stderr
