"""The plan's own figures, summed anew from the tables that were read off it."""

import csv
from collections import defaultdict
from pathlib import Path

REFERENCE = Path(__file__).parent.parent / "../shared/reference"
MEANS = ("盘活存量", "复合利用", "规划完善")
YEARS = ("2021", "2022", "2023")


def rows(name: str) -> list[dict[str, str]]:
    with (REFERENCE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def type_lines() -> list[str]:
    """Return a line of the page for each type: by year, their sum, by means, their sum; + for not less than."""
    years: dict[str, dict[str, str]] = defaultdict(dict)
    means: dict[str, dict[str, str]] = defaultdict(dict)
    domain = {}
    for row in rows("plan_projects.csv"):
        domain[row["type_id"]] = row["domain"]
        more = row["at_least"] == "1"
        years[row["type_id"]][row["year"]] = "?" if more and row["count"] == "0" else row["count"] + "+" * more
    for row in rows("plan_means.csv"):
        means[row["type_id"]][row["means"]] = row["count"] or "?"
    lines = []
    for type_id, by_year in years.items():
        cells = [by_year.get(year, "") for year in YEARS]
        cells.append(total(cells))
        cells += [means[type_id].get(one, "") for one in MEANS]
        cells.append(total(cells[4:]))
        lines.append(f"| `{type_id}` | {domain[type_id]} | {' | '.join(cells)} |")
    return lines


def total(cells: list[str]) -> str:
    """Return the sum of what is printed, + if there is more that isn't."""
    known = sum(int(cell.rstrip("+")) for cell in cells if cell not in ("", "?"))
    return f"{known}{'+' * any('+' in cell or cell == '?' for cell in cells)}"


def domain_lines() -> list[str]:
    """Return a line of the page for each domain: printed total, by year, sums, the share that started in 2021."""
    by_year: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    by_means: dict[str, int] = defaultdict(int)
    for row in rows("plan_projects.csv"):
        for domain in (row["domain"], "ALL"):
            by_year[domain][row["year"]] += int(row["count"])
    for row in rows("plan_means.csv"):
        for domain in (row["domain"], "ALL"):
            by_means[domain] += int(row["count"] or 0)
    printed = {r["domain"]: (int(r["printed_total"]), r["total_at_least"] == "1") for r in rows("domain_totals.csv")}
    lines = []
    for domain, (whole, more) in printed.items():
        years = [by_year[domain][year] for year in YEARS]
        share = f"{100 * years[0] / whole:.1f} %"
        cells = [f"{whole}{'+' * more}", *map(str, years), str(sum(years)), str(by_means[domain]), share]
        lines.append(f"| {domain if domain == 'ALL' else f'`{domain}`'} | {' | '.join(cells)} |")
    return lines
