"""Generators in integers: an image has the same bits alone, in any batch and on any processor."""
