"""Solvers as a third party might submit them, each bad in its own way after its first batch."""

import asyncio
import contextlib
import ctypes
import gc
import io
import os
import platform
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import numpy as np

from amb import Solver
from amb.errors import SolverError, SpecError
from amb.interruption import Interrupted
from amb.run.isolation.solver import NoProcess, Refusal
from amb.run.limits import OutOfTime


class Rogue(Solver):
    """Asks three random candidates, then does what its subclass is for."""

    def _ask(self, limit: int) -> np.ndarray:
        if self.asked:
            return self.misbehave()
        return self.space.sample(min(limit, 3), self.rng)

    def misbehave(self) -> np.ndarray:
        return self.space.sample(1, self.rng)


class Raises(Rogue):
    def misbehave(self) -> np.ndarray:
        raise RuntimeError("the lamp is broken")


class Exits(Rogue):
    def misbehave(self) -> np.ndarray:
        sys.exit("I quit")


class Forks(Rogue):
    """Its child process comes back, by an exception, and would go on as a second bench."""

    def misbehave(self) -> np.ndarray:
        if self.asked == 3 and os.fork() == 0:
            raise SystemExit(0)
        return self.space.sample(1, self.rng)


class DiesChattering(Rogue):
    def misbehave(self) -> np.ndarray:
        print("a line that a library prints\n" * 100, flush=True)
        os.kill(os.getpid(), 9)
        return np.empty((0, 0))


class ExitsContent(Rogue):
    def misbehave(self) -> np.ndarray:
        sys.exit()


class Cancels(Rogue):
    def misbehave(self) -> np.ndarray:
        raise asyncio.CancelledError("cancelled")


class ClosesGenerator(Rogue):
    def misbehave(self) -> np.ndarray:
        raise GeneratorExit("closed")


class PressesCtrlC(Rogue):
    def misbehave(self) -> np.ndarray:
        raise KeyboardInterrupt("pressed by the solver")


class RaisesGroup(Rogue):
    def misbehave(self) -> np.ndarray:
        raise ExceptionGroup("two lamps", [RuntimeError("the left is broken"), ValueError("the right is\nmissing")])


class RaisesBaseGroup(Rogue):
    def misbehave(self) -> np.ndarray:
        raise BaseExceptionGroup("two ends", [SystemExit(1), KeyboardInterrupt()])


class RaisesDeepGroup(Rogue):
    """Wraps what failed again and again, as retries do."""

    def misbehave(self) -> np.ndarray:
        error = ExceptionGroup("the last try", [ValueError("no lamp")])
        for _ in range(1100):
            error = ExceptionGroup("a try", [error])
        raise error


class RaisesSharedGroup(Rogue):
    """Each group holds the one within three times, so that many paths lead to the innermost one."""

    looks: ClassVar[int] = 0

    def misbehave(self) -> np.ndarray:
        error = Counted("no lamp")
        for _ in range(8):
            error = ExceptionGroup("a try", [error] * 3)
        raise error


class Counted(ValueError):
    def __str__(self) -> str:
        RaisesSharedGroup.looks += 1
        return super().__str__()


class Mute(Exception):
    def __str__(self) -> str:
        raise SystemExit("no text")


class RaisesMute(Rogue):
    def misbehave(self) -> np.ndarray:
        raise Mute


class Opaque(Exception):
    """Whatever is read of it raises, its text with an exception that looks like the user's."""

    def __getattribute__(self, name: str) -> object:
        raise SystemExit(4)

    def __str__(self) -> str:
        raise KeyboardInterrupt


class RaisesOpaque(Rogue):
    def misbehave(self) -> np.ndarray:
        raise Opaque


class OpaqueRefusal(SolverError):
    def __str__(self) -> str:
        raise SystemExit(4)


class RefusesOpaquely(Rogue):
    def __init__(self, space, *, budget: int, seed: int) -> None:
        raise OpaqueRefusal


class ExitsInTell(Rogue):
    def _tell(self, candidates: np.ndarray, values: np.ndarray) -> None:
        sys.exit("told enough")


class ExitsInRecommend(Rogue):
    def recommend(self) -> np.ndarray:
        sys.exit("no recommendation")


class Nothing(type(Solver)):
    def __call__(cls, *args: object, **options: object) -> None:
        return None


class MakesNothing(Rogue, metaclass=Nothing):
    pass


class RefusesByExit(Rogue):
    def __init__(self, *arguments: object, **options: object) -> None:
        sys.exit("not created")


class Vanishes(Rogue):
    def misbehave(self) -> np.ndarray:
        os._exit(7)


class Segfaults(Rogue):
    def misbehave(self) -> np.ndarray:
        ctypes.string_at(0)
        raise AssertionError


class Hangs(Rogue):
    def misbehave(self) -> np.ndarray:
        while True:
            time.sleep(0.01)


class HangsAgain(Rogue):
    """Lets go of whatever interrupts it once, and hangs again."""

    def misbehave(self) -> np.ndarray:
        for _ in range(2):
            with contextlib.suppress(BaseException):
                while True:
                    time.sleep(0.01)
        while True:
            time.sleep(0.01)


class LosesItsWay(Rogue):
    """Searches modules in its own folder alone; otherwise it is good."""

    def _ask(self, limit: int) -> np.ndarray:
        sys.path[:] = ["/my/code"]
        return super()._ask(limit)


class HangsAtTheEnd(Rogue):
    """Spends its budget like a good one, and never says what it recommends."""

    def misbehave(self) -> np.ndarray:
        return self.space.sample(3, self.rng)

    def recommend(self) -> np.ndarray:
        while True:
            time.sleep(0.01)


class PreparesLong(Rogue):
    """Spends a second before its first batch: it is good."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        time.sleep(1.0)


class HangsAtOnce(Rogue):
    def _ask(self, limit: int) -> np.ndarray:
        while True:
            time.sleep(0.01)


class SwallowsEverything(Rogue):
    """Hangs, and takes every exception for its own."""

    def misbehave(self) -> np.ndarray:
        while True:
            try:
                time.sleep(0.01)
            except Exception:
                continue


class Leaks(Rogue):
    """Takes 20 MB more a hundred times a second, up to 2 GB."""

    def misbehave(self) -> np.ndarray:
        hoard = []
        for _ in range(100):
            hoard.append(np.ones(20 * 2**17))
            time.sleep(0.01)
        raise AssertionError("nobody stopped it")


class AsksWords(Rogue):
    def misbehave(self) -> np.ndarray:
        return np.array([["a"] * self.space.d])


class AsksFractions(Rogue):
    """Bypasses the checks of the base class."""

    def ask(self, limit: int | None = None) -> np.ndarray:
        candidates = super().ask(limit)
        return candidates if self.asked <= 3 else candidates + 0.5

    def misbehave(self) -> np.ndarray:
        return self.space.sample(1, self.rng)


class AsksTooMuch(Rogue):
    def misbehave(self) -> np.ndarray:
        return self.space.sample(1000, self.rng)


class AsksOutside(Rogue):
    def misbehave(self) -> np.ndarray:
        return self.space.sample(2, self.rng) + 1000


class AsksMasked(Rogue):
    def misbehave(self) -> np.ndarray:
        return np.ma.masked_array(self.space.sample(1, self.rng), mask=True)


class RecommendsMasked(Rogue):
    def recommend(self) -> np.ndarray:
        return np.ma.masked_array(np.zeros(self.space.d, int), mask=True)


class RecommendsUnasked(Rogue):
    """Its class shows nothing of it."""

    def misbehave(self) -> np.ndarray:
        self.recommend = lambda: np.zeros(self.space.d, int)
        return self.space.sample(1, self.rng)


class RecommendsRubbish(Rogue):
    def recommend(self) -> np.ndarray:
        return np.array([-1])


class RecommendsFractions(Rogue):
    def recommend(self) -> np.ndarray:
        return super().recommend() + 0.5


class RecommendsRows(Rogue):
    def recommend(self) -> np.ndarray:
        return super().recommend()[None]


class RecommendsTruth(Rogue):
    def recommend(self) -> np.ndarray:
        return super().recommend() > 3


class ChangesWhatItIsTold(Rogue):
    """Overrides `tell` and changes its arguments in place; otherwise it is good."""

    def tell(self, candidates: np.ndarray, values: np.ndarray) -> None:
        super().tell(candidates, values)
        candidates[:] = 0
        values[:] = 9.0


class ChangesWhatItAsked(Rogue):
    """Returns one array again and again, and changes it; otherwise it is good."""

    def ask(self, limit: int | None = None) -> np.ndarray:
        candidates = super().ask(limit)
        if not hasattr(self, "array") or len(self.array) != len(candidates):
            self.array = candidates
        self.array[:] = candidates
        return self.array


class ChangesDirectory(Rogue):
    """Moves to the root directory with every ask; otherwise it is good."""

    def _ask(self, limit: int) -> np.ndarray:
        os.chdir("/")
        return super()._ask(limit)


class MasksFiles(Rogue):
    """Lets nobody read the files that are made from now on; otherwise it is good."""

    def _ask(self, limit: int) -> np.ndarray:
        os.umask(0o777)
        return super()._ask(limit)


class ChangesSettings(Rogue):
    """Changes settings of the whole process and sets an alarm; otherwise it is good."""

    def misbehave(self) -> np.ndarray:
        import torch  # not above: each isolated solver of this file has a process of its own

        np.seterr(all="raise")
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.set_default_device("meta")
        torch.set_float32_matmul_precision("medium")
        torch.backends.mkldnn.set_flags(False)
        torch.nn.modules.module.register_module_forward_hook(lambda module, given, out: out * 0.5)
        torch.nn.modules.module.register_module_module_registration_hook(lambda *_: None)
        torch.set_flush_denormal(True)
        with contextlib.suppress(OSError):  # as a library for intervals does
            ctypes.CDLL("libm.so.6").fesetround(0x800 if platform.machine() == "x86_64" else 0x400000)
        gc.disable()
        sys.setrecursionlimit(200)
        sys.setprofile(lambda *_: None)
        for name, limit in {"FSIZE": 100, "NOFILE": 3, "AS": 1 << 40, "DATA": 1 << 40, "CPU": 10**6}.items():
            number = getattr(resource, f"RLIMIT_{name}")
            resource.setrlimit(number, (limit, resource.getrlimit(number)[1]))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGALRM, lambda *_: os._exit(3))
        signal.setitimer(signal.ITIMER_REAL, 100.0)
        return self.space.sample(1, self.rng)


class Digs(Rogue):
    """Allows itself calls without end, and fails below them."""

    def misbehave(self) -> np.ndarray:
        sys.setrecursionlimit(50_000)
        return self.dig(20_000)

    def dig(self, calls: int) -> np.ndarray:
        return self.dig_on(calls - 1)

    def dig_on(self, calls: int) -> np.ndarray:
        if calls <= 0:
            raise RuntimeError("the bottom is reached")
        return self.dig(calls - 1)


class LeavesChildren(Rogue):
    """Starts a process in its own session and one in a session of its own, writes down their ids, then waits."""

    def misbehave(self) -> np.ndarray:
        sleep = ["sleep", "600"]
        started = [subprocess.Popen(sleep, start_new_session=own) for own in (False, True)]
        orphan = subprocess.check_output(["sh", "-c", "setsid sleep 600 >&2 & echo $!"], text=True)
        pids = [*(child.pid for child in started), int(orphan), os.getpid()]
        file = Path(os.environ["AMB_TEST_CHILDREN"])
        file.with_suffix(".new").write_text(" ".join(map(str, pids)))
        file.with_suffix(".new").rename(file)
        time.sleep(600)
        raise AssertionError


class HoardsInChild(Rogue):
    """Starts a process that takes 800 MB."""

    def misbehave(self) -> np.ndarray:
        code = "import time; hoard = [b'x' * (1 << 20) for _ in range(800)]; time.sleep(60)"
        subprocess.run([sys.executable, "-c", code], check=True)
        return self.space.sample(1, self.rng)


class Prints(Rogue):
    """Writes onto the very pipe that a careless bench would talk through; otherwise it is good."""

    def misbehave(self) -> np.ndarray:
        print("hello " * 1000)
        os.write(1, b"\x00" * 100_000)
        return self.space.sample(1, self.rng)


class RaisesInterrupted(Rogue):
    def misbehave(self) -> np.ndarray:
        raise Interrupted


class RaisesOutOfTime(Rogue):
    def misbehave(self) -> np.ndarray:
        raise OutOfTime


class RaisesNoProcess(Rogue):
    def misbehave(self) -> np.ndarray:
        raise NoProcess("no room")


class RaisesRefusal(Rogue):
    def misbehave(self) -> np.ndarray:
        raise Refusal("not this one")


class ClosesStreams(Rogue):
    """Closes the streams of Python; otherwise it is good."""

    def misbehave(self) -> np.ndarray:
        sys.stdout.close()
        sys.stderr.close()
        return self.space.sample(1, self.rng)


class ClosesDescriptors(Rogue):
    """Closes the descriptors below them; otherwise it is good."""

    def misbehave(self) -> np.ndarray:
        os.close(1)
        os.close(2)
        return self.space.sample(1, self.rng)


class ReplacesStreams(Rogue):
    """Takes them for itself, and the descriptors as well; otherwise it is good."""

    def misbehave(self) -> np.ndarray:
        sys.stdout = sys.stderr = io.StringIO()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return self.space.sample(1, self.rng)


class RefusesOption(Rogue):
    def __init__(self, *arguments: object, **options: object) -> None:
        raise SpecError("k must be odd")


class ClosesAll(Rogue):
    """Closes the files of the whole process, as a daemon does when it begins."""

    def misbehave(self) -> np.ndarray:
        os.closerange(0, 200)
        return self.space.sample(1, self.rng)


class TakesNumbers(Rogue):
    """Closes the files of the whole process, and opens files of its own, which get their numbers."""

    def misbehave(self) -> np.ndarray:
        os.closerange(3, 1024)
        self.files = [open(path, "r+b", buffering=0) for path in Path.cwd().glob("mine-*")]  # noqa: SIM115
        for file in self.files:
            file.seek(3)
        return self.space.sample(1, self.rng)
