"""Solvers in separate processes: `solver` is this end of the pipe, `process` the other, `messages` the protocol.

`supervisor` is the parent of the process, and ends it together with its descendants.
"""
