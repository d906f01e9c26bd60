"""Solvers in separate processes: `solver` is this end of the pipe, `process` the other, `messages` the protocol."""
