"""The catalogue: load, validate, and resolve which rule holds for which committee."""
