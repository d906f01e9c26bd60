"""Programs that measure the tables of the documentation."""
