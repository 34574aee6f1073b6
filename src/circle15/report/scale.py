"""The scale bar of maps: how long it is, and what stands at it."""

import math

from circle15.units import METRES_PER_KM


def round_length(most_m: float) -> float:
    """Return the longest of 1, 2, 5 × a power of ten that is no longer than `most_m` metres."""
    power = 10.0 ** math.floor(math.log10(most_m))
    # 0.2 has no exact double: what is that near to a round length is that length
    return power * max(step for step in (1, 2, 5) if step * power <= most_m * (1 + 1e-9))


def length_text(length_m: float) -> str:
    """Return a round length as people read it."""
    return f"{length_m / METRES_PER_KM:g} km" if length_m >= METRES_PER_KM else f"{length_m:g} m"
