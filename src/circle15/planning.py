"""From gaps to a plan that is proved: suggest sites, verify a ledger of projects, plan it by year and town."""
