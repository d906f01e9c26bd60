"""Asking a problem of any class outside of a run: it gets copies, and what it answers is copied.

A problem may change in place what it is given, and write all its answers into one array (`amb.contracts.returned`).
Whoever keeps candidates, images or answers while a problem is asked again therefore asks here. What it changes in the
process, such as the current folder, is undone (`amb.foreign.contained`).
"""

from collections.abc import Sequence

from numpy.typing import ArrayLike

from amb.contracts.problem import Problem, UInt8Array
from amb.contracts.returned import copied, numbers
from amb.contracts.space import FloatArray, IntArray
from amb.foreign import contained


def activations(problem: Problem, candidates: IntArray) -> FloatArray:
    """Noise-free activations, float64[n], of candidates that have passed `Space.check`, int64[n, d]; unmetered.

    Raises:
        PluginError: a number of values other than that of the candidates, or no numbers.
    """
    with contained():
        evaluation = type(problem).evaluate_together([problem], [candidates.copy()])
    return evaluation.checked([problem], [candidates]).clean[0].copy()


def images(problem: Problem, candidates: ArrayLike) -> UInt8Array:
    """The stimuli of candidates int[n, d]: uint8[n, h, w, c].

    Raises:
        CandidateError: wrong shape, type or range.
    """
    with contained():
        pixels: UInt8Array = copied(problem.images(copied(candidates)))
    return pixels


def responses(problems: Sequence[Problem], shown: UInt8Array) -> FloatArray:
    """Noise-free activations of problems of one group for images from anywhere, float64[n, problems].

    Raises:
        SpecError: these problems respond to their own candidates only, or the images are of the wrong shape or type.
        PluginError: something other than so many numbers.
    """
    with contained():
        found = type(problems[0]).respond_together(list(problems), copied(shown))
    return numbers(found, (len(shown), len(problems)), f"respond_together of {problems[0].id}")


def probabilities(problem: Problem, shown: UInt8Array, *, presentations: int) -> FloatArray:
    """The network's class probabilities for images from anywhere, float64[n, classes].

    Raises:
        SpecError: the network is not a classifier.
    """
    with contained():
        found: FloatArray = copied(problem.classify(copied(shown), presentations=presentations))
    return found


def encoded(problem: Problem, shown: UInt8Array) -> IntArray:
    """Candidates int64[n, d] whose stimuli are near given images, uint8[n, h, w, c].

    Raises:
        SpecError: the problem has no encoder, or images of the wrong size or type.
        CandidateError: the encoder's answers are not candidates.
    """
    with contained():
        return problem.space.check(problem.encode(copied(shown)))


def gradient(problem: Problem, latents: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Relaxed activations of latents float64[n, d], and their gradients: float64[n] and float64[n, d].

    Raises:
        SpecError: the problem has no gradients.
        PluginError: something other than so many numbers.
    """
    with contained():
        values, slopes = problem.gradient(latents.copy())
    source = f"gradient of {problem.id}"
    return numbers(values, (len(latents),), source), numbers(slopes, latents.shape, source)
