"""Two runs beside each other: what changed, and by which input."""
