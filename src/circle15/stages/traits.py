"""Stage 2a: what rules can ask of committees, and in which town each facility lies."""

import dataclasses

from circle15.inputs.towns import facility_towns
from circle15.stages.people import densities, group_shares
from circle15.stages.run import Inputs, Run
from circle15.standard.resolve import Traits


def traits_of(run: Run, inputs: Inputs) -> Traits:
    """Return each committee's zone, kind, density and population groups."""
    committees = inputs.committees
    return Traits(
        committees["zone"].to_numpy(dtype=object),
        committees["kind"].to_numpy(dtype=object),
        densities(run, inputs),
        group_shares(inputs),
    )


def place_facilities(run: Run, inputs: Inputs) -> Inputs:
    """Give every facility its town."""
    town = facility_towns(inputs.facilities.table, inputs.committees, run.notes)
    return dataclasses.replace(inputs, facility_town=town)
