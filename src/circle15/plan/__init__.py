"""Gaps and candidates → sites, programme, proof; tables and arrays only."""
