"""The contracts between the bench and its plug-ins: space, problem, family, solver, report."""
