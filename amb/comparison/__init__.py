"""Comparing solvers: the call, the table of runs, the result, and the published baseline."""
