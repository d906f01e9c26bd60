"""Solvers in separate processes: `solver` is this side of the pipe, `process` the other, `messages` what crosses it."""
