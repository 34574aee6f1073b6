"""circle15: the 15-minute service circle, from inputs on disk to verdicts."""

from importlib.metadata import version

__version__ = version("circle15")
