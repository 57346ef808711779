"""A strong protocol of a few steps, and radii, for models of 4x4 pixels."""

from interp.evaluation import StrongProtocol

PROTOCOL = StrongProtocol(steps=4, step_size=0.05, restarts=2, queries=10, strength="quick")
RADII = (0.0, 0.05, 0.1)
