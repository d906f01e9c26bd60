"""Exports to other suites' formats."""
