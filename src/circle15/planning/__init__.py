"""From gaps to a plan that is proved: suggest sites, verify a ledger of projects, plan it by year and town.

All three begin as a detection does (`pipeline`), with the same stages: what is promised here is what a detection with
the projects applied will find.
"""

from circle15.planning.begin import Stop
from circle15.planning.programme import Planned, plan
from circle15.planning.proof import Verified, verify
from circle15.planning.siting import Suggested, suggest

__all__ = ["Planned", "Stop", "Suggested", "Verified", "plan", "suggest", "verify"]
