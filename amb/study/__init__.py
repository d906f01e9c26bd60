"""Studies on disk: runs and their records, a manifest, journals of runs under way, published studies."""
