"""Rates as people read them."""

import math

TENTHS = 1000
"""Tenths of a percent in 1."""


def text_of_rate(rate: float) -> str:
    """Return a share of 1 as percent, rounded down to a tenth: 100.0 % means all of them. ``–`` where it is NaN."""
    if math.isnan(rate):
        return "–"
    # A share such as 0.57 times 1000 is 569.9999…; what is that near to a tenth is that tenth.
    return f"{math.floor(round(rate * TENTHS, 6)) / 10:.1f} %"


def text_of_milestone(value: float, target: float, basis: str) -> str:
    """Return a milestone's percentage: of ``items`` a rate, rounded down; of projects a share as a plan prints it."""
    return text_of_rate(value / 100.0) if basis == "items" else text_of_percent(value, target)


def text_of_percent(value: float, target: float = 100.0) -> str:
    """Return a percentage to a tenth, rounded down where it would read as a target that it misses; ``–`` for NaN.

    For the shares of projects that a plan prints itself, such as 159 of 570 = 27.9 %.
    """
    if value < target <= round(value, 1):
        return text_of_rate(float(value) / 100.0)
    return "–" if math.isnan(value) else f"{value:.1f} %"
