"""The solvers that come with `amb`, registered by entry point like those of any other package."""
