"""Solvers that cross-approximate by maximum-volume submatrices: TTOpt and Optima-TT."""
