"""The stages of a detection, each a few plain functions from tables to tables; `pipeline` puts them in order."""
