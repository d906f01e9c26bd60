"""The image sets that networks are trained on."""
