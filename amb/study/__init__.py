"""Studies on disk: a manifest, finished runs, and journals of runs under way."""

from amb.study.study import Study

__all__ = ["Study"]
