"""What the processor has, where loops are chosen by it and not by a trial."""

from numba.core import codegen, config

_BETTER = ("+avx512f", "+avxvnni", "+avxvnniint8")
"""Wider registers or dot products of bytes."""


def only_avx2(features: str | None = None) -> bool:
    """Whether AVX2 is the best that the processor has: neither AVX-512 nor VNNI.

    Args:
        features: of the processor, as LLVM lists them: "+avx2,-avx512f"; None: of that for which numba compiles.
    """
    if features is None:
        chosen = config.CPU_FEATURES  # type: ignore[attr-defined]
        features = codegen.get_host_cpu_features() if chosen is None else chosen
    known = set(features.split(","))
    return "+avx2" in known and known.isdisjoint(_BETTER)
