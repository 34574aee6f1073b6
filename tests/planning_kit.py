"""Districts along the street of `street_kit` with candidates, a ledger, `[suggest]` and `[plan]`, and what comes out.

Whoever walks gets 1000 m far in 15 minutes, so that what a site serves can be read off its `x`.
"""

import json
from pathlib import Path

import geopandas as gpd
import pandas as pd

from circle15.config import load_config, load_plan_config
from circle15.planning import programme, proof, siting
from street_kit import CRS, X0, Y0, Quiet, district

KEPT_AS_TEXT = (
    *("committee_id", "facility_id", "town_id", "scope_id", "project_id", "candidate_id", "host_facility_id", "key"),
    *("runner_up", "name"),
)


def street(folder: Path, text: str, committees, facilities, cells=None, **more) -> Path:
    """Write a district and return its configuration.

    `candidates` and `projects` are rows with `x` (and `y`) in metres from the street's western end; a row without `x`
    has no place. `sections` is TOML that is put behind everything else, and `run` lines of ``[run]``.
    """
    candidates, projects = more.pop("candidates", None), more.pop("projects", None)
    sections, run = more.pop("sections", ""), more.pop("run", "")
    config = district(folder, text, committees, facilities, cells, **more)
    toml = config.read_text("utf-8").replace("[run]\n", f"[run]\n{run}\n")
    if candidates is not None:
        places(folder / "sites.csv", candidates, {"means": "new"})
        toml += f'[candidates]\nsource = "sites.csv"\ncrs = "EPSG:{CRS}"\n'
    if projects is not None:
        places(folder / "ledger.csv", projects, {"action": "open", "status": "planned"})
        toml += f'[projects]\nsource = "ledger.csv"\ncrs = "EPSG:{CRS}"\n'
    config.write_text(f"{toml}{sections}\n", "utf-8")
    return config


def places(path: Path, rows: list[dict], defaults: dict) -> None:
    """Write rows with x and y in metres of the map; no rows leave a head."""
    table = pd.DataFrame([{**defaults, **row} for row in rows], dtype=object)
    if not len(table):
        table = pd.DataFrame(columns=["project_id", "x", "y", *defaults])
    given = table["x"].notna() if "x" in table else pd.Series(False, index=table.index)
    off_street = table["y"].fillna(0.0).infer_objects() if "y" in table else 0.0
    table["y"] = (off_street + Y0) if len(table) else []
    table["y"] = table["y"].where(given)
    table["x"] = (table["x"].astype(float) + X0) if "x" in table and len(table) else None
    table.to_csv(path, index=False)


PLANNING = ("[candidates]", "[suggest", "[projects]", "[plan]")


def detection_of(config: Path) -> str:
    """Return a configuration's text without what only the three commands read, which stands at its end."""
    lines = config.read_text("utf-8").splitlines()
    first = next((n for n, line in enumerate(lines) if line.startswith(PLANNING)), len(lines))
    return "\n".join(lines[:first]) + "\n"


def with_ledger(config: Path, source: str | Path, name: str = "again.toml", more: str = "", drop: str = "") -> Path:
    """Write a configuration beside another one, whose ledger is `source`."""
    toml = config.read_text("utf-8").split("[projects]")[0].replace(drop, "")
    path = config.parent / name
    path.write_text(f'{toml}\n[projects]\nsource = "{source}"\n{more}\n', "utf-8")
    return path


class Done:
    """What one of the three commands wrote."""

    def __init__(self, found) -> None:
        self.found, self.folder = found, found.folder

    def table(self, name: str) -> pd.DataFrame:
        """Return a table of `csv/`."""
        return read_csv(self.folder / "csv" / f"{name}.csv")

    def bytes_of(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    @property
    def manifest(self) -> dict:
        return json.loads((self.folder / "run.json").read_text("utf-8"))

    def codes(self) -> dict[str, int]:
        """Return the notes' codes and counts."""
        return {note.code: note.count for note in self.found.notes.items}


class Suggested(Done):
    """A run of `suggest`."""

    def __init__(self, config: Path, out: str = "out-suggest", **options) -> None:
        super().__init__(siting.suggest(load_config(config), out=config.parent / out, progress=Quiet(), **options))
        self.suggestions, self.outcomes = self.table("suggestions"), self.table("outcomes")
        self.bill, self.solver = self.table("bill"), self.manifest["solver"]

    @property
    def projects(self) -> list[str]:
        return list(self.suggestions["project_id"])

    def row(self, project: str) -> pd.Series:
        return self.suggestions.set_index("project_id").loc[project]

    def reasons(self) -> dict[tuple[str, str], str]:
        """Return why each demand is open, ``""`` for closed ones, by where and what."""
        rows, reason = self.outcomes, self.outcomes["reason"].astype(object).fillna("")
        return dict(zip(zip(rows["scope_id"], rows["requirement_id"], strict=True), reason, strict=True))


class Verified(Done):
    """A run of `verify`."""

    def __init__(self, config: Path, out: str = "out-verify", **options) -> None:
        super().__init__(proof.verify(load_config(config), out=config.parent / out, progress=Quiet(), **options))
        self.projects = self.table("projects").set_index("project_id")

    def status(self) -> dict[tuple[str, str], str]:
        """Return what became of each item that changed or is a gap."""
        rows = self.table("changes")
        return dict(zip(zip(rows["committee_id"], rows["type_id"], strict=True), rows["status"], strict=True))

    def verdict(self, requirement: str, committee: str = "C1", name: str = "verdicts") -> str:
        rows = self.table(name).set_index(["requirement_id", "committee_id"])
        return str(rows.loc[(requirement, committee), "verdict"])

    def part(self, project: str) -> dict[str, float]:
        """Return what a project contributed, figures that are 0 left out."""
        names = ("closes", "decides", "opens", "people", "people_alone", "people_lost")
        row = self.projects.loc[project]
        return {name: float(row[name]) for name in names if row[name]}

    def passed(self) -> dict[str, int]:
        """Return how many items of the district pass before and after each year."""
        rows = self.table("effects").query("by == 'district'")
        names = ["before" if row.state == "before" else f"{row.year:.0f}" for row in rows.itertuples()]
        return dict(zip(names, rows["passed"].astype(int), strict=True))


class Planned(Done):
    """A run of `plan`."""

    def __init__(self, config: Path, out: str = "out-plan", **options) -> None:
        super().__init__(programme.plan(load_plan_config(config), out=config.parent / out, progress=Quiet(), **options))

    def starts(self) -> dict[str, int]:
        rows = self.table("ledger")
        return dict(zip(rows["project_id"], rows["start_year"].astype(int), strict=True))

    def milestone(self, name: str) -> pd.Series:
        return self.table("milestones").set_index("milestone").loc[name]

    def page(self, folder: str) -> str:
        return (self.folder / "towns" / folder / "README.md").read_text("utf-8")


def read_csv(path: Path) -> pd.DataFrame:
    """Return a table, ids as text; only empty cells are missing."""
    return pd.read_csv(path, dtype=dict.fromkeys(KEPT_AS_TEXT, str), keep_default_na=False, na_values=[""])


def read_layer(path: Path, layer: str) -> gpd.GeoDataFrame:
    return gpd.read_file(path, layer=layer)
