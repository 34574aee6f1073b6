"""What a run keeps of its inputs, and inputs that stand on what another run kept."""

import pandas as pd

from circle15.errors import Notes
from circle15.inputs.census import read_census
from circle15.inputs.committees import zone_words
from circle15.inputs.land import read_water
from circle15.inputs.overrides import read_overrides
from circle15.outputs.archive import ZONE_WORD, Archive
from circle15.stages.people import groups_of
from circle15.stages.read import read_network
from circle15.stages.run import Inputs, Run
from circle15.standard.load import standard_bytes


def archive_of(run: Run, inputs: Inputs) -> Archive:
    """Return what is kept of a run.

    Parameters
    ----------
    run : Run
        Its files are read once more; they have told their notes already.
    inputs : Inputs
        As `read_inputs` returns them: before people get a committee.
    """
    config, told = run.config, Notes()
    census = None
    if inputs.cells is not None:
        found = read_census(config, inputs.committees, groups_of(inputs.cells), told)
        census = None if found is None else pd.DataFrame(found.table.reset_index())
    return Archive(
        config=config,
        standard=standard_bytes(config.run.standard, config.folder)[0],
        crs=inputs.crs,
        committees=inputs.committees.assign(**{ZONE_WORD: zone_words(config, inputs.committees).to_numpy()}),
        cells=inputs.cells,
        facilities=inputs.facilities,
        streets=read_network(run, inputs.crs, told),
        overrides=read_overrides(config, inputs.committees, run.standard, told),
        census=census,
        water=read_water(config, inputs.crs, told),
    )
