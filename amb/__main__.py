"""`python -m amb` is `amb`."""

from amb.cli import main

main()
