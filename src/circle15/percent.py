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
