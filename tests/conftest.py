"""Makes ``tests/kit.py`` importable by name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from hypothesis import settings

# how long an example takes on a busy machine is no property of the program
settings.register_profile("circle15", deadline=None)
settings.load_profile("circle15")
