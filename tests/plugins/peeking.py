"""Image-seeing solvers: an honest one, one that looks for the target wherever a process can look, and rude ones."""

import gc
import sys

import numpy as np

from amb import Solver
from amb.contracts.problem import Problem
from amb.contracts.target import Target


class Brightest(Solver):
    """Asks for candidates whose images are bright, one gradient step from draws of the prior."""

    sees = "images"
    source = "a test"

    def look(self, view):  # type: ignore[no-untyped-def]
        self.view = view

    def _ask(self, limit: int) -> np.ndarray:
        drawn = self.space.sample_prior(12, self.rng)
        if self.view.differentiable:
            slope = self.view.gradient(self.space.decode(drawn), lambda pixels: np.full_like(pixels, 1e-3))
            drawn = self.space.nearest(self.space.decode(drawn) + 0.1 * slope)
        elif self.view.substitutable:
            slope = self.view.substitutions(drawn, lambda pixels: np.full_like(pixels, 1e-3))
            drawn = slope.argmax(axis=2)
        bright = self.view.images(drawn).reshape(len(drawn), -1).mean(axis=1)
        return drawn[np.argsort(-bright)[: min(limit, 5)]]


class Peeking(Brightest):
    """Looks for a problem or a target in attributes, frames, modules and all objects; says so if it finds one."""

    def _ask(self, limit: int) -> np.ndarray:
        frame, seen = sys._getframe(), []
        while frame is not None:
            seen += frame.f_locals.values()
            frame = frame.f_back
        for module in list(sys.modules.values()):
            seen += vars(module).values()
        seen += gc.get_objects()
        found = [type(thing).__name__ for thing in seen if issubclass(type(thing), Problem | Target)]
        if found:
            raise RuntimeError(f"I found the {found[0]}")
        return super()._ask(limit)


class Rude(Brightest):
    """Sends the bench requests that no view sends."""

    def __init__(self, space, *, budget: int, seed: int, what: str = "target") -> None:  # type: ignore[no-untyped-def]
        super().__init__(space, budget=budget, seed=seed)
        self.what = what

    def _ask(self, limit: int) -> np.ndarray:
        send = self.view._exchange
        if self.what == "target":
            send({"view": "target"}, b"")
        elif self.what == "size":
            send({"view": "images"}, b"123")
        elif self.what == "outside":
            send({"view": "images"}, np.full((1, self.space.d), 10**6, "<i8").tobytes())
            raise RuntimeError("the refusal came back, and the bench goes on")
        elif self.what == "slopes":
            send({"view": "gradient"}, np.zeros((1, self.space.d)).tobytes())
            send({"slopes": 1}, b"")
        return super()._ask(limit)
