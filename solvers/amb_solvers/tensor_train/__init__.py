"""Solvers that sample from a tensor train: PROTES and its variants."""
