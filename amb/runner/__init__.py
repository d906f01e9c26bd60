"""Running: plans in, finished runs in a study out."""

from amb.runner.execute import execute
from amb.runner.limits import Limits
from amb.runner.progress import NoProgress, Progress, RichProgress

__all__ = ["Limits", "NoProgress", "Progress", "RichProgress", "execute"]
