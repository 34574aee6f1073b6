"""What a page shows of a run beyond its tables: items, names, and the matrix of towns and types."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import geopandas as gpd
import numpy as np
import pandas as pd

from circle15.assess.rates import combine
from circle15.errors import InputError, Problem
from circle15.report.reading import RUN_AGAIN, RunFolder

ITEM_COUNTS = {"pass": "passed", "fail": "failed", "unknown": "unknown", "exempt": "exempt"}
"""Verdict → the column of the tables of rates that counts it."""


@dataclass(frozen=True)
class Name:
    """What something is called in both languages."""

    id: str
    zh: str
    en: str


@dataclass(frozen=True)
class Facts:
    """A run with what follows from its tables.

    Attributes
    ----------
    run : RunFolder
        What was read.
    """

    run: RunFolder

    @cached_property
    def committees(self) -> pd.DataFrame:
        """The committees in the order of their ids."""
        layer = self.run.layers["committees"]
        texts = {name: layer[name].fillna("").astype(object) for name in ("committee_id", "name", "town_id", "zone")}
        texts["verdict"] = layer["verdict"].fillna("exempt").astype(object)  # of a standard without headline
        table: pd.DataFrame = layer.assign(**texts).sort_values("committee_id").reset_index(drop=True)
        return table

    @property
    def currency(self) -> str:
        """What costs are counted in; ``""`` where the configuration doesn't say."""
        return str(self.run.document["configuration"].get("suggest", {}).get("currency", ""))

    @cached_property
    def towns(self) -> list[str]:
        """The towns' ids, in order; also of those without a rate."""
        return sorted({*self.run.table("towns")["town_id"], *self.committees["town_id"]})

    @cached_property
    def types(self) -> list[Name]:
        """The types that were judged, in the standard's order."""
        return _names(self.run.table("types"), "type_id")

    @cached_property
    def domains(self) -> list[Name]:
        """The domains with headline items, in the standard's order."""
        return _names(self.run.table("domains"), "domain")

    @cached_property
    def requirement_of(self) -> Mapping[str, list[str]]:
        """The requirements that decide each type's items."""
        types = self.run.table("types")
        return {one: by.split("|") for one, by in zip(types["type_id"], types["decided_by"], strict=True)}

    @cached_property
    def items(self) -> pd.DataFrame:
        """The verdict of every committee (rows, as `committees`) and type (columns, as `types`).

        Raises
        ------
        InputError
            If they don't add up to the rates that the run wrote.
        """
        ids = self.committees["committee_id"].tolist()
        verdict_of = {
            name: rows.set_index("committee_id")["verdict"].reindex(ids).to_numpy(dtype=object)
            for name, rows in self.run.table("verdicts").groupby("requirement_id")
        }
        columns = {}
        for one in self.types:
            parts = [verdict_of[name] for name in self.requirement_of.get(one.id, [])]
            columns[one.id] = combine(parts) if parts else np.full(len(ids), "exempt", dtype=object)
        items = pd.DataFrame(columns, index=ids)
        _check_sums(items, self.run)
        return items

    @cached_property
    def headline(self) -> list[str]:
        """The types whose items make the rates."""
        types = self.run.table("types")
        return types.loc[types["headline"].astype(bool), "type_id"].tolist()

    @property
    def projects(self) -> gpd.GeoDataFrame | None:
        """The ledger's projects without rows that only count (marginals): they tell of projects that stand in others.

        None where the run has no ledger.
        """
        layer = self.run.layers.get("projects")
        return None if layer is None else layer[layer["marginal"].fillna("") == ""].reset_index(drop=True)

    @cached_property
    def facility_names(self) -> dict[str, str]:
        """The facilities that have a name, by id."""
        layer = self.run.layers.get("facilities")
        if layer is None:
            return {}
        named = layer[layer["name"].fillna("") != ""]
        return dict(zip(named["facility_id"], named["name"], strict=True))

    @cached_property
    def matrix(self) -> pd.DataFrame:
        """Item rates of every town (rows) and type (columns), NaN where nothing could be judged."""
        town = self.committees["town_id"].to_numpy()
        passed, failed = ((self.items == verdict).groupby(town).sum() for verdict in ("pass", "fail"))
        judged = passed + failed
        return (passed / judged.where(judged > 0)).reindex(self.towns)


def _names(table: pd.DataFrame, key: str) -> list[Name]:
    rows = zip(table[key], table["name_zh"], table["name_en"], strict=True)
    return [Name(one, zh or one, en or one) for one, zh, en in rows]


def _check_sums(items: pd.DataFrame, run: RunFolder) -> None:
    types = run.table("types")
    for verdict, column in ITEM_COUNTS.items():
        counts = zip(types["type_id"], types[column], strict=True)
        off = tuple(str(name) for name, count in counts if int((items[name] == verdict).sum()) != count)
        if off:
            what = f"verdicts.csv and types.csv differ in how many items are {verdict}"
            raise InputError(Problem(what, str(run.folder), off, RUN_AGAIN))
