"""Two runs beside each other: what changed, and by which input."""

from circle15.comparison.run import Comparison, compare

__all__ = ["Comparison", "compare"]
