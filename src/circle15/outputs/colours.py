"""Colours that mean the same in every map, page, workbook and picture; told apart by colour-blind people, too."""

from collections.abc import Mapping
from itertools import pairwise

VERDICT_COLOURS: Mapping[str, str] = {"pass": "#4393c3", "fail": "#d6604d", "unknown": "#bdbdbd", "exempt": "#f0f0f0"}
"""Verdict → colour (blue and vermilion of ColorBrewer's RdBu, greys for what isn't judged)."""
MEANS_COLOURS: Mapping[str, str] = {"reuse": "#1b9e77", "compound": "#7570b3", "new": "#d95f02"}
"""How a gap is closed → colour (ColorBrewer's Dark2)."""

STEPS = (0.5, 0.7, 0.8, 0.9, 1.0)
"""Lower bounds of the colours of rates, but for the first; 1 is reached by all or nothing."""
STEP_COLOURS = ("#b35806", "#f1a340", "#fee0b6", "#d8daeb", "#998ec3", "#542788")
"""From too few to all, told apart without red and green (ColorBrewer's PuOr)."""


def step_labels() -> list[str]:
    """Return what the colours of rates mean, the lowest first; their lower bounds belong to them."""
    bounds = [f"{bound:.0%}" for bound in STEPS]
    between = [f"{low} – < {high}" for low, high in pairwise(bounds)]
    return [f"< {bounds[0]}", *between, bounds[-1]]
