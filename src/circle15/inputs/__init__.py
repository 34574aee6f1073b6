"""Any file → one checked table."""
