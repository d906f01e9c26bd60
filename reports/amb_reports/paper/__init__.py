"""The report on the paper: its claims, judged, and its figures from our data."""
