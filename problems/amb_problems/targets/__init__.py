"""Target networks: the networks whose units are driven."""
