"""Commands as a container runs them: a foreign user without a home, and nothing writable but one folder.

Where this machine allows it, as for root outside a container, the root file system really is mounted read-only and the
process really belongs to a foreign user. Elsewhere Python refuses to write outside the folder.
"""

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

FOREIGN = "12345"
MOUNTED = """
mount --bind "$1" /mnt && mount -o remount,bind,ro / && cd /mnt && shift && exec setpriv \
--reuid={user} --regid={user} --clear-groups --no-new-privs \
--inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search "$@"
""".replace("{user}", FOREIGN)  # the capability to read: a test's interpreter may lie in another user's folder

HOOK = """
import errno, os, runpy, sys
folder = os.path.realpath(sys.argv[1])
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {"os.mkdir": 1, "os.rename": 2, "os.remove": 1, "os.rmdir": 1, "os.link": 2, "os.symlink": 2}

def refuse(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)) and arguments[2] & WRITES:
        changed = arguments[:1]
    else:
        changed = arguments[: CHANGES.get(event, 0)]
    for path in changed:
        path = os.path.realpath(os.fsdecode(path))
        if not path.startswith((folder + os.sep, "/dev/")) and path != folder:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

sys.addaudithook(refuse)
os.chdir(folder)
sys.argv = sys.argv[2:]
if sys.argv[0] == "-c":
    exec(sys.argv[1])
else:
    runpy.run_module(sys.argv[1], run_name="__main__", alter_sys=True)
"""


@cache
def mounts() -> bool:
    """Whether this process may mount and change its user, and the other user can read the interpreter."""
    if shutil.which("unshare") is None or shutil.which("setpriv") is None:
        return False
    probe = ["unshare", "--mount", "sh", "-c", MOUNTED, "sh", str(Path.cwd()), sys.executable, "-c", "import numpy"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def confined(folder: Path, *words: str, mounted: bool | None = None) -> subprocess.CompletedProcess[str]:
    """Run `python WORDS`, which are `-m MODULE ...` or `-c CODE`, with nothing writable but `folder`.

    Args:
        folder: the working folder, also for temporary files; it becomes writable for everybody.
        mounted: whether to mount the root file system read-only; by default where that is possible.
    """
    folder.chmod(0o1777)
    mounted = mounts() if mounted is None else mounted
    seen_as = "/mnt" if mounted else str(folder)  # a foreign user may not enter the folders above it
    environment = {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": "/nonexistent",
        "TMPDIR": seen_as,
        "MPLCONFIGDIR": seen_as,
        "COLUMNS": "100",
    }
    if mounted:
        command = ["unshare", "--mount", "sh", "-c", MOUNTED, "sh", str(folder), sys.executable, *words]
    else:
        command = [sys.executable, "-c", HOOK, str(folder), *words]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
