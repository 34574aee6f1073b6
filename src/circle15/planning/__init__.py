"""From gaps to a plan that is proved: suggest sites, verify a ledger of projects, plan it by year and town.

`siting`, `proof` and `programme` begin as a detection does (`pipeline`), with the same stages: what is promised here is
what a detection with the projects applied will find.
"""
