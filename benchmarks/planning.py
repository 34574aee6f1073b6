"""Candidates for the benchmark's district, and the runs of `suggest` and `verify` on them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyogrio
import shapely
from scipy.spatial import cKDTree

from district import PORTO, Ground, survey_ground

CANDIDATES, PROJECTS = 4000, 200
MEANS = {"reuse": 0.3, "compound": 0.45, "new": 0.25}
"""Guessed shares of the sites by means."""
NEAR_M = 2500.0
"""Sites farther from every committee would be refused as outside of the district."""
FIXED = {"reuse": (80, 200), "compound": (30, 120), "new": (300, 900)}
"""Range of a site's fixed cost by means, in some money."""


def write_candidates(network: str, folder: Path, seed: int, count: int = CANDIDATES) -> Path:
    """Write sites beside streets, denser where streets are, each for every type; return their file."""
    source = PORTO if network == "porto" else folder / "network.osm.pbf"
    ground: Ground = survey_ground(source)
    random = np.random.default_rng(seed + 1)
    xy = ground.sample(random, 2 * count, 0.5, 60.0)
    centres = np.stack(shapely.get_coordinates(pyogrio.read_dataframe(folder / "committees.gpkg").geometry.to_numpy()))
    near, _ = cKDTree(centres).query(xy)
    xy = xy[near < NEAR_M][:count]
    means = random.choice(list(MEANS), count, p=list(MEANS.values()))
    fixed = [random.integers(*FIXED[one]) for one in means]
    table = pd.DataFrame(
        {
            "candidate_id": [f"S{number:05d}" for number in range(count)],
            "name": [f"site {number}" for number in range(count)],
            "means": means,
            "floor_area_m2": random.integers(300, 4000, count),
            "fixed_cost": fixed,
            "cost": random.integers(20, 80, count),
            "x": np.round(xy[:, 0], 2),
            "y": np.round(xy[:, 1], 2),
        }
    )
    path = folder / "candidates.csv"
    table.to_csv(path, index=False)
    return path


def with_candidates(config: Path, network: str, seed: int) -> Path:
    """Return a district's configuration with candidates, floor areas and a gap of 1 %."""
    path = write_candidates(network, config.parent, seed)
    ground = survey_ground(PORTO if network == "porto" else config.parent / "network.osm.pbf")
    areas = {
        "kindergarten": 1500,
        "primary_school": 3000,
        "junior_middle_school": 3500,
        "community_health_center": 1200,
    }
    lines = [f'\n[candidates]\nsource = "{path.name}"\ncrs = "{ground.crs}"\n\n[suggest]\ngap = 0.01\n']
    lines += [f"[suggest.types.{name}]\nfloor_area_m2 = {area}\n" for name, area in areas.items()]
    target = config.with_name("siting.toml")
    target.write_text(config.read_text(encoding="utf-8") + "".join(lines), encoding="utf-8")
    return target


def with_projects(config: Path, suggestions: Path, count: int = PROJECTS) -> Path:
    """Return a district's configuration with so many of the suggestions as its ledger, opened over three years."""
    table = pd.read_csv(suggestions, dtype=str, keep_default_na=False)
    step = max(1, len(table) // count)
    chosen = table.iloc[::step].head(count).copy()
    chosen["open_year"] = [str(2024 + number % 3) for number in range(len(chosen))]
    path = config.with_name("projects.csv")
    chosen.to_csv(path, index=False)
    target = config.with_name("verify.toml")
    plan = f'\n[projects]\nsource = "{path.name}"\n\n[plan]\nyears = [2024, 2025, 2026]\n'
    target.write_text(config.read_text(encoding="utf-8") + plan, encoding="utf-8")
    return target
