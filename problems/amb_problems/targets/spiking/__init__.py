"""Spiking target networks with exact integer weights."""
