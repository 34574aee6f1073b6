"""Stage 5: verdicts that somebody checked in the field take the place of computed ones."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from circle15.assess.assemble import Judged
from circle15.assess.rates import combine
from circle15.inputs.overrides import read_overrides
from circle15.stages.run import Inputs, Run
from circle15.tables import OVERRIDDEN


def override(
    run: Run, inputs: Inputs, judged: Sequence[Judged], type_id: str | None = None
) -> tuple[list[Judged], pd.DataFrame | None]:
    """Put verdicts from the field over the computed ones of an item, and return them with what they replaced.

    An override holds for all headline requirements of its type (for the others, if the type has none). The computed
    verdict stays beside it. People are counted as computed: a check of a committee says nothing of each household. An
    exempt item stays exempt, since nothing is asked of it. `type_id` leaves out those of other types, where only this
    one was judged.
    """
    table = read_overrides(run.config, inputs.committees, run.standard, run.notes)
    if table is None:
        return list(judged), None
    table = table if type_id is None else table[table["type_id"] == type_id].reset_index(drop=True)
    row_of = {name: row for row, name in enumerate(inputs.committees["committee_id"])}
    changed, computed = list(judged), []
    for committee_id, of_type, verdict in table[["committee_id", "type_id", "verdict"]].itertuples(index=False):
        row = row_of[committee_id]
        own = [n for n, one in enumerate(changed) if one.rules.type_id == of_type]
        chosen = [n for n in own if changed[n].requirement.headline] or own
        before = combine([changed[n].verdict[[row]] for n in chosen])[0] if chosen else "exempt"
        computed.append(before)
        if before != "exempt":
            for n in chosen:
                changed[n] = _put(changed[n], row, verdict)
    table = table.assign(computed_verdict=computed)
    _note(run, table)
    return changed, table


def _put(one: Judged, row: int, verdict: str) -> Judged:
    if one.verdict[row] == "exempt":
        return one
    size = len(one.verdict)
    computed = np.full(size, "", dtype=object) if one.computed is None else one.computed.copy()
    verdicts, reasons, edge = one.verdict.copy(), one.reason.copy(), one.edge_affected.copy()
    computed[row], verdicts[row], reasons[row], edge[row] = verdicts[row], verdict, OVERRIDDEN, False
    return replace(one, verdict=verdicts, reason=reasons, edge_affected=edge, computed=computed)


def _note(run: Run, table: pd.DataFrame) -> None:
    labels = table["committee_id"] + " × " + table["type_id"]
    exempt = table["computed_verdict"] == "exempt"
    turned = ~exempt & (table["computed_verdict"] != table["verdict"])
    text = (
        f"{int((~exempt).sum())} verdicts are somebody's from the field, {int(turned.sum())} of them other than "
        "computed; they are marked in every output, and people are counted as computed"
    )
    run.notes.add("overrides.applied", int((~exempt).sum()), text, labels[~exempt])
    text = f"{int(exempt.sum())} overrides are of exempt items, of which nothing is asked; they change nothing"
    run.notes.add("overrides.exempt", int(exempt.sum()), text, labels[exempt])
