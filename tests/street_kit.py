"""Districts along one straight street of 3 km: whatever a run says of them can be worked out in one's head."""

import json
from pathlib import Path

import geopandas as gpd
import pandas as pd
import shapely

from circle15 import pipeline
from circle15.config import load_config

X0, Y0 = 350_000.0, 3_450_000.0
CRS = 32651
HEAD = """
id = "own"
zh = "own"
en = "own"
status = "official"
source = "x"
speeds_kmh = {{ walk = 4, elderly_walk = 2.9, cycle = 12, drive = {{ default = 30 }} }}
service_circle = {{ minutes = 15 }}
target = {{ percent = 100, due = {due}, clause = "1" }}
zones = [ {{ id = "u", zh = "uz", en = "ue", modes = {{ residents = "walk", village = "walk" }} }} ]
domains = [ {{ id = "d", zh = "d", en = "d", clause = "1" }} ]
types = [
{types}
]
requirements = [
{requirements}
]
targets = [
{targets}
]
"""
REACH = '{ id = "a.r", kind = "reach", type = "a", minutes = 15, mode = "walk", headline = true, clause = "1" },'


class Quiet:
    """A progress that tells nobody."""

    def stage(self, name: str, total: int | None = None) -> None: ...

    def advance(self, n: int = 1) -> None: ...

    def tell(self, text: str) -> None: ...

    def done(self) -> None: ...


def standard(requirements: str, types=("a", "b", "c"), provides=None, due=2023, targets="") -> str:
    """Return a standard with these requirements; speeds are Pudong's."""
    base = 'domain = "d", tier = "community", named_in = "x", clause = "1"'
    given = {t: f", provides = {json.dumps((provides or {}).get(t, []))}" for t in types}
    lines = "\n".join(f'{{ id = "{t}", zh = "{t}", en = "{t}", {base}{given[t]} }},' for t in types)
    return HEAD.format(types=lines, requirements=requirements, due=due, targets=targets)


def _points(folder: Path, name: str, rows: list[dict]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    table["y"] = (table["y"].fillna(0.0) if "y" in table else 0.0) + Y0
    table["x"] += X0
    table.to_csv(folder / name, index=False)
    return table


def district(folder: Path, text: str, committees, facilities, cells=None, areas=None, covers=None, **more) -> Path:
    """Write a district and return its configuration; x and y are metres from the street's western end."""
    folder.mkdir(parents=True, exist_ok=True)
    streets = [shapely.LineString([(X0 + i * 100, Y0), (X0 + (i + 1) * 100, Y0)]) for i in range(30)]
    gpd.GeoDataFrame({"highway": ["residential"] * 30}, geometry=streets, crs=CRS).to_file(folder / "net.gpkg")
    (folder / "own.toml").write_text(text, "utf-8")
    base = {"kind": "residents", "town_id": "T1", "zone": "u"}
    _points(folder, "committees.csv", [{**base, "name": c["committee_id"], **c} for c in committees])
    config = f"""
[run]
name = "street"
standard = "own.toml"
as_of = {more.get("as_of", 2023)}
crs = "EPSG:{CRS}"
[network]
source = "net.gpkg"
min_component_nodes = 1
[committees]
source = "committees.csv"
crs = "EPSG:{CRS}"
"""
    if areas:
        boxes = [shapely.box(X0 + a, Y0 + b, X0 + c, Y0 + d) for a, b, c, d in areas.values()]
        gpd.GeoDataFrame({"committee_id": list(areas)}, geometry=boxes, crs=CRS).to_file(folder / "areas.gpkg")
        config += '[committees.areas]\nsource = "areas.gpkg"\n'
    if cells:
        table = _points(folder, "cells.csv", [{"cell_id": f"c{n}", **cell} for n, cell in enumerate(cells)])
        figures = ", ".join(f'{name} = "{name}"' for name in table if name not in ("cell_id", "x", "y"))
        config += f'[population]\nsource = "cells.csv"\ncrs = "EPSG:{CRS}"\ncolumns = {{ {figures} }}\n'
        if census := more.get("census"):
            pd.DataFrame(census).to_csv(folder / "census.csv", index=False)
            config += '[population.census]\nsource = "census.csv"\nby = "committee"\n'
    table = _points(folder, "facilities.csv", facilities)
    covered = json.dumps(covers if covers is not None else sorted(set(table["type"])))
    config += (
        f'[[facilities]]\nsource = "facilities.csv"\ncrs = "EPSG:{CRS}"\ntype_column = "type"\ncovers = {covered}\n'
    )
    if "overrides" in more:
        columns = ["committee_id", "type_id", "verdict", "author", "date", "reason"]
        pd.DataFrame(more["overrides"], columns=columns).to_csv(folder / "field.csv", index=False)
        config += '[overrides]\nsource = "field.csv"\n'
    (folder / "config.toml").write_text(config, "utf-8")
    return folder / "config.toml"


class Written:
    """The tables of a run."""

    def __init__(self, config: Path, **options) -> None:
        self.folder = config.parent / "out"
        self.outcome = pipeline.compute(load_config(config), out=self.folder, progress=Quiet(), **options)

    def table(self, name: str) -> pd.DataFrame:
        path = self.folder / "csv" / f"{name}.csv"
        ids = dict.fromkeys(("committee_id", "facility_id", "town_id", "scope_id"), str)
        return pd.read_csv(path, dtype=ids, keep_default_na=False, na_values=[""])

    def verdict(self, requirement: str, committee: str = "C1") -> pd.Series:
        rows = self.table("verdicts").set_index(["requirement_id", "committee_id"]).sort_index()
        return rows.loc[(requirement, committee)]

    def row(self, requirement: str, scope: str = "district", scope_id: str | None = None) -> pd.Series:
        rows = self.table("requirements").query("requirement_id == @requirement and scope == @scope")
        return (rows if scope_id is None else rows[rows.scope_id == scope_id]).iloc[0]

    def target(self, name: str) -> pd.Series:
        return self.table("targets").set_index("target_id").loc[name]
