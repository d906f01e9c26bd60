"""Solvers as a third party might submit them, each bad in its own way after its first batch."""

import ctypes
import os
import sys
import time

import numpy as np

from amb import Solver


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


class RecommendsRubbish(Rogue):
    def recommend(self) -> np.ndarray:
        return np.array([-1])


class Prints(Rogue):
    """Writes onto the very pipe that a careless bench would talk through; otherwise it is good."""

    def misbehave(self) -> np.ndarray:
        print("hello " * 1000)
        os.write(1, b"\x00" * 100_000)
        return self.space.sample(1, self.rng)
