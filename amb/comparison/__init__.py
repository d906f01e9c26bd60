"""Comparing solvers: what is asked, the table of runs, the result, and the baseline study beside it."""
