"""What siting decides on: sites, what each may take in, and what is asked.

A *site* is a place that can be had; an *option* is one type on one site; a *demand* is something that fails and is to
pass: a committee's gap, a town without a facility, an amount that is missing. ``gives[d, o]`` is what option *o* adds
to what demand *d* still needs: 1 for a facility within the threshold, persons or m² where an amount is asked for.

    Σ_o gives_do y_o ≥ need_d         every demand that is to be met
    y_o ≤ z_site(o)                    a type needs its site
    Σ_o∈site area_o y_o ≤ area_site    what stands on a site fits into it
    cost = Σ_j fixed_j z_j + Σ_o cost_o y_o

With one type this is the location set covering problem (Toregas et al. 1971); with several, types on one site share
its fixed cost and its floor area (复合利用). Existing facilities are fixed: a demand's need is what they leave open.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

from circle15.units import FloatArray

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
TextArray = npt.NDArray[np.object_]

ROW_SIZE = 1000.0
"""Money and floor areas are handed to the solver as thousandths of their limit: its tolerance of 1e-6 of a row is then
a billionth of the limit, which is `ENOUGH`."""
ENOUGH = 1e-9
"""By so much of it, relatively, a need may be missed and a floor area exceeded: the rounding of sums."""


@dataclass(frozen=True)
class Siting:
    """A siting problem. Sites are sorted by id, options by site and then by type.

    Attributes
    ----------
    site_id : object array of str, shape (sites,)
        Ids, ascending: of equally good sites the first is taken.
    fixed_cost, floor_area_m2 : float64 arrays of shape (sites,)
        What a site costs once, whatever it takes in; the room that it has, infinite where it isn't limited.
    option_site : int64 array of shape (options,)
        Row of the site.
    option_type : object array of str, shape (options,)
        The type.
    option_cost, option_area_m2 : float64 arrays of shape (options,)
        What the type costs there beside the fixed cost, and the floor area that it takes.
    need : float64 array of shape (demands,)
        Above 0.
    gives : csr matrix of shape (demands, options)
        0 or more.
    """

    site_id: TextArray
    fixed_cost: FloatArray
    floor_area_m2: FloatArray
    option_site: IntArray
    option_type: TextArray
    option_cost: FloatArray
    option_area_m2: FloatArray
    need: FloatArray
    gives: sparse.csr_matrix

    def __post_init__(self) -> None:
        """Refuse what is no number: a row with one would be open for ever, without a word."""
        for name in ("fixed_cost", "option_cost", "option_area_m2", "need"):
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"{name} of a siting problem has to be finite")
        if not np.isfinite(self.gives.data).all() or np.isnan(self.floor_area_m2).any():
            raise ValueError("what options give and floor areas have to be numbers")

    @cached_property
    def by_option(self) -> sparse.csc_matrix:
        """`gives` by columns."""
        return self.gives.tocsc()

    @cached_property
    def first_option(self) -> IntArray:
        """Where each site's options begin, and in the end how many there are; shape (sites + 1,)."""
        return np.searchsorted(self.option_site, np.arange(len(self.site_id) + 1)).astype(np.int64)

    def options_of(self, site: int) -> IntArray:
        """Return the rows of a site's options."""
        return np.arange(self.first_option[site], self.first_option[site + 1])

    @cached_property
    def fits_alone(self) -> BoolArray:
        """Which options have room on their site if nothing else is there; shape (options,)."""
        return np.asarray(self.option_area_m2 <= self.floor_area_m2[self.option_site] * (1.0 + ENOUGH), dtype=bool)

    def sites_of(self, chosen: BoolArray) -> BoolArray:
        """Return which sites hold one of the chosen options."""
        used = np.zeros(len(self.site_id), dtype=bool)
        used[self.option_site[chosen]] = True
        return used

    def cost(self, chosen: BoolArray) -> float:
        """Return what the chosen options cost with their sites."""
        return float(self.fixed_cost[self.sites_of(chosen)].sum() + self.option_cost[chosen].sum())

    def met(self, chosen: BoolArray) -> BoolArray:
        """Return which demands the chosen options meet."""
        return np.asarray(self.gives @ chosen.astype(np.float64) >= self.need * (1.0 - ENOUGH), dtype=bool)

    def fits(self, chosen: BoolArray) -> bool:
        """Return whether everything chosen has room on its site."""
        used = np.bincount(self.option_site[chosen], weights=self.option_area_m2[chosen], minlength=len(self.site_id))
        return bool((used <= self.floor_area_m2 * (1.0 + ENOUGH)).all())

    def of_demands(self, rows: IntArray) -> "Siting":
        """Return the same sites with some of the demands only."""
        return replace(self, need=self.need[rows], gives=self.gives[rows])

    def part(self, sites: IntArray, demands: IntArray) -> tuple["Siting", IntArray]:
        """Return the problem of some sites and demands, and the rows of its options here."""
        number = np.full(len(self.site_id), -1, dtype=np.int64)
        number[sites] = np.arange(len(sites))
        options = np.flatnonzero(number[self.option_site] >= 0)
        one = Siting(
            self.site_id[sites],
            self.fixed_cost[sites],
            self.floor_area_m2[sites],
            number[self.option_site[options]],
            self.option_type[options],
            self.option_cost[options],
            self.option_area_m2[options],
            self.need[demands],
            self.gives[demands][:, options],
        )
        return one, options

    def components(self) -> list[tuple[IntArray, IntArray]]:
        """Return the parts that have no site and no demand in common, as (sites, demands), the first site first."""
        sites = len(self.site_id)
        demand, option = self.gives.nonzero()
        size = sites + len(self.need)
        joined = sparse.coo_matrix(
            (np.ones(len(demand), np.int8), (self.option_site[option], sites + demand)), shape=(size, size)
        )
        count, label = csgraph.connected_components(joined, directed=False)
        order = np.argsort(label, kind="stable")
        parts = np.split(order, np.searchsorted(label[order], np.arange(1, count)))
        found = [(part[part < sites], part[part >= sites] - sites) for part in parts]
        return sorted(
            ((s.astype(np.int64), d.astype(np.int64)) for s, d in found if len(s) and len(d)), key=lambda one: one[0][0]
        )


def reachable_demands(siting: Siting) -> BoolArray:
    """Return which demands can be met if they were the only ones: by every option that has room by itself."""
    return siting.met(siting.fits_alone)
