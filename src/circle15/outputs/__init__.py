"""Verdicts → GeoPackage, CSV and the run manifest."""
