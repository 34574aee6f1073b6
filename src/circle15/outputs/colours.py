"""Colours that mean the same in every map, page, workbook and picture; told apart by colour-blind people, too."""

from collections.abc import Mapping

VERDICT_COLOURS: Mapping[str, str] = {"pass": "#4393c3", "fail": "#d6604d", "unknown": "#bdbdbd", "exempt": "#f0f0f0"}
"""Verdict → colour (blue and vermilion of ColorBrewer's RdBu, greys for what isn't judged)."""
MEANS_COLOURS: Mapping[str, str] = {"reuse": "#1b9e77", "compound": "#7570b3", "new": "#d95f02"}
"""How a gap is closed → colour (ColorBrewer's Dark2)."""
