"""Programs that measure the tables in the documentation."""
