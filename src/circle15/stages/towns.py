"""What each town's plan says: its gaps, its projects by year and means, its rates before and after, what stays open."""

from typing import Any

import numpy as np
import pandas as pd

from circle15.outputs.towns import folder_names, town_markdown
from circle15.stages.run import Run
from circle15.stages.verify import Proof
from circle15.tables import MEANS
from circle15.units import SECONDS_PER_MINUTE

MEANS_ZH = dict(zip(MEANS, ("盘活存量", "复合利用", "规划完善"), strict=True))
STATUS_ZH = {"planned": "计划", "started": "已启动", "done": "已完成"}
RATES = {
    "item_rate": "items 单项达标率",
    "committee_rate": "committees 居村委达标率",
    "population_rate": "people 人口覆盖率",
}


def town_plans(run: Run, proof: Proof, told: int) -> tuple[dict[str, str], dict[str, pd.DataFrame]]:
    """Return every town's page and tables.

    Parameters
    ----------
    proof : Proof
        The ledger's proof.
    told : int
        The year in which the ledger's status is told.

    Returns
    -------
    texts : dict of str to str
        File below the run's folder → Markdown.
    tables : dict of str to DataFrame
        File below the run's folder, without its ending → table.
    """
    texts, tables = {}, {}
    before, after = (proof.before.rates["towns"], proof.after.rates["towns"])
    folders = folder_names(proof.inputs.committees["town_id"].unique())
    for town, folder in folders.items():
        page = _Town(run, proof, town)
        own = [table[table["town_id"] == town] for table in (before, after)]
        texts[f"towns/{folder}/README.md"] = town_markdown(page.content(own[0], own[1], told))
        tables[f"towns/{folder}/gaps"] = page.changes
        tables[f"towns/{folder}/projects"] = page.projects
        both = [table.assign(state=state) for table, state in zip(own, ("before", "after"), strict=True)]
        tables[f"towns/{folder}/rates"] = pd.concat(both, ignore_index=True)
    return texts, tables


class _Town:
    """One town's share of a proof."""

    def __init__(self, run: Run, proof: Proof, town: str) -> None:
        self._run, self._town = run, town
        committees = proof.inputs.committees
        self._committees = committees[committees["town_id"] == town].set_index("committee_id")["name"]
        self._zh = {one.id: one.zh for one in run.standard.types}
        self.changes = proof.changes[proof.changes["town_id"] == town].reset_index(drop=True)
        ledger = pd.DataFrame(proof.projects.drop(columns="geometry"))
        mine = (ledger["town_id"] == town) & (ledger["marginal"] == "")
        self.projects = ledger[mine].reset_index(drop=True)

    def content(self, before: pd.DataFrame, after: pd.DataFrame, told: int) -> dict[str, Any]:
        """Return what the page's template asks for."""
        changes = self.changes
        cost = self.projects["cost"]
        currency = self._run.config.suggest.currency
        opened = changes[changes["status"] == "opened"]
        return {
            "standard": self._run.standard.zh,
            "told": told,
            "last": self._run.config.run.as_of,
            "town": {"title": self._town, "committees": len(self._committees)},
            "rates": [
                {"name": name, "before": _percent(before, column), "after": _percent(after, column)}
                for column, name in RATES.items()
            ],
            "counts": {
                f"{name}_{state}": _count(table, name)
                for name in ("passed", "failed", "unknown")
                for state, table in (("before", before), ("after", after))
            },
            "gaps": self._gaps(),
            "projects": self._by_year(currency),
            "by_means": ", ".join(
                f"{MEANS_ZH[one]} {int(self.projects['units'][self.projects['means'] == one].sum())}" for one in MEANS
            ),
            "cost": _money(cost.sum(min_count=1), currency),
            "open": self._open(changes[changes["status"].isin(["left", "opened"])]),
            "opened": ", ".join(
                f"{self._name(one)} × {self._zh[of]}"
                for one, of in zip(opened["committee_id"], opened["type_id"], strict=True)
            ),
        }

    def _name(self, committee_id: str) -> str:
        name = str(self._committees.get(committee_id, ""))
        return f"{name} ({committee_id})" if name else committee_id

    def _gaps(self) -> list[dict[str, Any]]:
        was = self.changes[self.changes["before"] == "fail"]
        rows = []
        for type_id in (one.id for one in self._run.standard.types):
            own = was[was["type_id"] == type_id]
            if len(own):
                missing = (own["population"] - own["covered_before"]).sum(min_count=1)
                rows.append(
                    {
                        "type": self._zh[type_id],
                        "committees": len(own),
                        "closed": int((own["status"] == "closed").sum()),
                        "left": int((own["status"] != "closed").sum()),
                        "people": "" if pd.isna(missing) else f"{missing:,.0f}",
                    }
                )
        return rows

    def _by_year(self, currency: str) -> list[dict[str, Any]]:
        year = self.projects["plan_year"].fillna(self.projects["start_year"])
        groups = [
            {"title": f"{int(one)}", "rows": self._rows(self.projects[year == one], currency)}
            for one in sorted(year.dropna().unique())
        ]
        if year.isna().any():
            groups.append({"title": "without a year", "rows": self._rows(self.projects[year.isna()], currency)})
        return groups

    def _rows(self, projects: pd.DataFrame, currency: str) -> list[dict[str, Any]]:
        order = {one: number for number, one in enumerate(MEANS)}
        by_means = projects.sort_values("means", key=lambda column: column.map(order), kind="stable")
        return [
            {
                "name": row["name"] or row["project_id"],
                "type": self._zh.get(row["type_id"], row["type_id"]),
                "means": MEANS_ZH.get(row["means"], row["means"]),
                "status": f"{STATUS_ZH[row['status']]} {row['status']}"
                + _other(row["action"])
                + " · late" * row["late"],
                "cost": _money(row["cost"], currency),
                "department": row["department"],
                "closes": "–" if pd.isna(row["closes"]) else f"{int(row['closes'])}",
            }
            for row in by_means.to_dict("records")
        ]

    def _open(self, gaps: pd.DataFrame) -> list[dict[str, Any]]:
        return [
            {
                "committee": self._name(row["committee_id"]),
                "type": self._zh[row["type_id"]],
                "reason": row["reason_after"],
                "minutes": _minutes(row["time_after_s"], ".1f"),
                "asked": _minutes(row["threshold_after_s"], "g"),
            }
            for row in gaps.to_dict("records")
        ]


def _other(action: str) -> str:
    return "" if action == "open" else f" ({action})"


def _minutes(seconds: float, form: str) -> str:
    return "–" if pd.isna(seconds) else format(seconds / SECONDS_PER_MINUTE, form)


def _percent(table: pd.DataFrame, column: str) -> str:
    """Return a rate rounded down to a tenth of a percent: 100.0 % means all."""
    if not len(table) or pd.isna(table[column].iloc[0]):
        return "–"
    tenths = np.floor(round(float(table[column].iloc[0]) * 1000.0, 6))
    return f"{tenths / 10.0:.1f} %"


def _count(table: pd.DataFrame, column: str) -> int:
    return int(table[column].iloc[0]) if len(table) else 0


def _money(value: float, currency: str) -> str:
    return "–" if pd.isna(value) else f"{value:,.6g} {currency}".strip()
