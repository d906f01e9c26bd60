"""Running: plans in, finished runs in a study out."""
