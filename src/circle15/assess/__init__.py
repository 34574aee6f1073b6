"""Travel times + standard → verdicts, coverage and rates. Sees arrays and tables only."""
