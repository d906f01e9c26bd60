"""The report contract, and the code that writes reports through it."""
