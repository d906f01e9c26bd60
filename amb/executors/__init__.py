"""Engines that carry a study out beyond this process."""
