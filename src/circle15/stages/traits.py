"""Stage 2a: what rules can ask of committees, and in which town each facility lies."""

import dataclasses

import numpy as np

from circle15.inputs.towns import facility_towns
from circle15.stages.run import Inputs, Run
from circle15.standard.resolve import Traits
from circle15.units import FloatArray


def traits_of(run: Run, inputs: Inputs) -> Traits:
    """Return each committee's zone, kind, density and population groups."""
    committees = inputs.committees
    population = inputs.population
    total = population.get("total", np.full(len(committees), np.nan))
    somebody = np.where(total > 0, total, np.nan)
    return Traits(
        committees["zone"].to_numpy(dtype=object),
        committees["kind"].to_numpy(dtype=object),
        _density(run, inputs, total),
        {group: 100.0 * persons / somebody for group, persons in population.items() if group != "total"},
    )


def _density(run: Run, inputs: Inputs, total: FloatArray) -> FloatArray:
    return np.full(len(inputs.committees), np.nan)


def place_facilities(run: Run, inputs: Inputs) -> Inputs:
    """Give every facility its town."""
    town = facility_towns(inputs.facilities.table, inputs.committees, run.notes)
    return dataclasses.replace(inputs, facility_town=town)
