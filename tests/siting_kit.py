"""Small siting problems, and what is best for them by trying every choice of options: an oracle without a solver."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from circle15.plan.covering import Coverage, gather
from circle15.plan.problem import Siting
from circle15.plan.solver import Limits

EXACT = Limits(gap=0.0)
TYPES = ("clinic", "market", "nursery")
OVER = 1e-9  # the share of a need, an area or a budget that rounding may take


def siting(
    sites: dict[str, tuple[float, float]],
    options: list[tuple[str, str, float, float]],
    demands: list[tuple[float, dict[int, float]]],
) -> Siting:
    """A problem by hand.

    ``sites``: id → (fixed cost, floor area); ``options``: (site, type, cost, area); ``demands``: (need, {row of the
    option as given: what it gives}). Sites and options are put into their order.
    """
    names = sorted(sites)
    order = sorted(range(len(options)), key=lambda row: (options[row][0], options[row][1]))
    at = {row: number for number, row in enumerate(order)}
    gives = np.zeros((len(demands), len(options)))
    for row, (_, of) in enumerate(demands):
        for option, amount in of.items():
            gives[row, at[option]] = amount
    return Siting(
        np.array(names, dtype=object),
        np.array([sites[name][0] for name in names], dtype=float),
        np.array([sites[name][1] for name in names], dtype=float),
        np.array([names.index(options[row][0]) for row in order], dtype=np.int64),
        np.array([options[row][1] for row in order], dtype=object),
        np.array([options[row][2] for row in order], dtype=float),
        np.array([options[row][3] for row in order], dtype=float),
        np.array([need for need, _ in demands], dtype=float),
        sparse.csr_matrix(gives),
    )


def one_type(near: np.ndarray, costs: np.ndarray | None = None) -> Siting:
    """A problem of one type, without floor areas: ``near`` (demands, sites) tells what reaches what."""
    count = near.shape[1]
    return siting(
        {f"s{row:03d}": (1.0 if costs is None else float(costs[row]), np.inf) for row in range(count)},
        [(f"s{row:03d}", "clinic", 0.0, 0.0) for row in range(count)],
        [(1.0, dict.fromkeys(map(int, np.flatnonzero(row)), 1.0)) for row in near],
    )


def named(problem: Siting, chosen: np.ndarray) -> list[str]:
    """The chosen options as ``site type``."""
    rows = np.flatnonzero(chosen)
    return [f"{problem.site_id[problem.option_site[row]]} {problem.option_type[row]}" for row in rows]


@dataclass(frozen=True)
class Town:
    """Sites, people and demands in a unit square, and the siting problem that they make."""

    siting: Siting
    coverage: Coverage
    site_xy: np.ndarray
    cells: tuple[np.ndarray, ...]


def random_town(
    seed: int, *, room: bool = True, amounts: bool = True, most_options: int = 9, types: int | None = None
) -> Town:
    """A town of up to 6 sites, 3 types and 6 demands; costs are whole, so that many programmes cost the same."""
    rng = np.random.default_rng(seed)
    sites, kinds = int(rng.integers(1, 7)), int(rng.integers(1, 4)) if types is None else types
    demands = int(rng.integers(1, 7))
    site_xy, demand_xy = rng.random((sites, 2)), rng.random((demands, 2))
    taken = [(site, kind) for site in range(sites) for kind in range(kinds) if rng.random() < 0.8]
    taken = sorted(rng.permutation(taken)[:most_options].tolist()) if taken else []
    option_site = np.array([site for site, _ in taken], dtype=np.int64)
    option_kind = np.array([kind for _, kind in taken], dtype=np.int64)
    area = rng.choice([0.0, 50.0, 100.0, 150.0], len(taken))
    floor = rng.choice([0.0, 100.0, 200.0, np.inf], sites) if room else np.full(sites, np.inf)
    demand_kind = rng.integers(0, kinds, demands)
    gap_m = np.hypot(*(demand_xy[:, None, :] - site_xy[option_site][None]).transpose(2, 0, 1))
    gives = ((gap_m <= rng.uniform(0.3, 0.8)) & (demand_kind[:, None] == option_kind[None])).astype(float)
    need = rng.choice([1.0, 1.0, 2.0, 3.0], demands)
    if amounts:
        measured = rng.random(demands) < 0.4  # a demand of square metres or persons
        gives[measured] *= rng.choice([80.0, 120.0, 333.3], len(taken))
        need[measured] *= 110.0
    problem = Siting(
        np.array([f"s{row}" for row in range(sites)], dtype=object),
        rng.choice([0.0, 1.0, 3.0, 8.0], sites),
        floor,
        option_site,
        np.array([TYPES[kind] for kind in option_kind], dtype=object),
        rng.choice([0.0, 1.0, 2.0, 2.5], len(taken)),
        area,
        need,
        sparse.csr_matrix(gives),
    )
    cells = int(rng.integers(1, 25))
    cell_xy = rng.random((cells, 2))
    weight = rng.integers(0, 40, cells).astype(float) * float(rng.choice([1.0, 1.25]))
    needs, group = rng.choice([1, 1, 1, 2, 3], cells), rng.integers(0, 3, cells)
    served = np.hypot(*(cell_xy[:, None, :] - site_xy[option_site][None]).transpose(2, 0, 1)) <= 0.4
    cell, option = np.nonzero(served)
    coverage = gather(weight, needs, cell, option, len(taken), group)
    return Town(problem, coverage, site_xy, (weight, needs, served, group))


def every_choice(problem: Siting) -> np.ndarray:
    """All subsets of the options whose floor areas fit, the empty one first."""
    count = len(problem.option_site)
    subsets = (np.arange(2**count)[:, None] >> np.arange(count)[None] & 1).astype(float)
    fits = np.ones(len(subsets), dtype=bool)
    for site, floor in enumerate(problem.floor_area_m2):
        own = problem.option_site == site
        fits &= subsets[:, own] @ problem.option_area_m2[own] <= floor * (1 + OVER)
    return subsets[fits]


def costs(problem: Siting, subsets: np.ndarray) -> np.ndarray:
    total = subsets @ problem.option_cost
    for site, fixed in enumerate(problem.fixed_cost):
        total = total + fixed * subsets[:, problem.option_site == site].any(axis=1)
    return total


def met(problem: Siting, subsets: np.ndarray) -> np.ndarray:
    return subsets @ problem.gives.toarray().T >= problem.need * (1 - OVER)


def best_closing(problem: Siting) -> tuple[int, float]:
    """The most demands that any choice meets, and the least that meeting so many costs."""
    subsets = every_choice(problem)
    count = met(problem, subsets).sum(axis=1)
    return int(count.max()), float(costs(problem, subsets)[count == count.max()].min())


def people(town: Town, subsets: np.ndarray) -> np.ndarray:
    """People served by each choice, counted cell by cell."""
    weight, needs, served, _ = town.cells
    return (subsets @ served.T.astype(float) >= needs) @ weight


def best_spending(town: Town, budget: float) -> float:
    """The most people that any choice within the budget serves."""
    subsets = every_choice(town.siting)
    paid = costs(town.siting, subsets) <= budget * (1 + OVER)
    return float(people(town, subsets)[paid].max())


def sound(problem: Siting, chosen: np.ndarray) -> bool:
    """Whether every site's floor area holds what is chosen."""
    return any((row == chosen).all() for row in every_choice(problem))


def far_apart(problem: Siting) -> Siting:
    """Two copies of a problem that have nothing to do with one another."""
    sites = len(problem.site_id)
    return replace(
        problem,
        site_id=np.array([f"{part}{name}" for part in "ab" for name in problem.site_id], dtype=object),
        fixed_cost=np.tile(problem.fixed_cost, 2),
        floor_area_m2=np.tile(problem.floor_area_m2, 2),
        option_site=np.concatenate([problem.option_site, problem.option_site + sites]),
        option_type=np.tile(problem.option_type, 2),
        option_cost=np.tile(problem.option_cost, 2),
        option_area_m2=np.tile(problem.option_area_m2, 2),
        need=np.tile(problem.need, 2),
        gives=sparse.block_diag([problem.gives, problem.gives], format="csr"),
    )


def without_site(problem: Siting, site: int) -> Siting:
    """The problem as if a candidate weren't there."""
    rows = np.flatnonzero(np.arange(len(problem.site_id)) != site)
    keep = np.flatnonzero(problem.option_site != site)
    old = problem.option_site[keep]
    return replace(
        problem,
        site_id=problem.site_id[rows],
        fixed_cost=problem.fixed_cost[rows],
        floor_area_m2=problem.floor_area_m2[rows],
        option_site=old - (old > site),
        option_type=problem.option_type[keep],
        option_cost=problem.option_cost[keep],
        option_area_m2=problem.option_area_m2[keep],
        gives=problem.gives[:, keep],
    )
