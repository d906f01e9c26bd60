"""Experiments on living neurons: blocks of stimuli out, responses in, nothing lost in between."""
