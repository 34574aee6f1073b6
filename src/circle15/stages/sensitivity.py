"""How verdicts depend on the assumed speeds: which of them turn if everybody is slower or faster.

At a speed that is `f` times the standard's, every time is divided by `f`, so a time is within its threshold if and
only if the standard's time is within `f` times the threshold. Thresholds in metres don't change. (A ferry's timetable
would not change either; it is scaled like the rest.)
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from circle15.assess.assemble import Judged
from circle15.stages.run import Inputs, Networks, RuleBook, Run
from circle15.stages.travel import ModeSurvey
from circle15.stages.verdicts import judge_all
from circle15.standard.requirements import Reach
from circle15.standard.resolve import Rules

NAMES = ("slower", "faster")


def factors(percent: float) -> tuple[float, float]:
    """Return what speeds are multiplied by: slower, faster."""
    return 1.0 - percent / 100.0, 1.0 + percent / 100.0


def scaled(book: RuleBook, factor: float) -> RuleBook:
    """Return the rules as they are at speeds `factor` times the standard's."""
    return [(one, _scaled(one, rules, factor)) for one, rules in book]


def _scaled(requirement: object, rules: Rules, factor: float) -> Rules:
    threshold_s = rules.threshold_s * factor
    if isinstance(requirement, Reach):
        in_metres = np.array([False, *(rule.metres is not None for rule in requirement.limits)])[rules.rule]
        threshold_s = np.where(in_metres, rules.threshold_s, threshold_s)
    return replace(rules, threshold_s=threshold_s)


def find_turning(
    run: Run,
    inputs: Inputs,
    networks: Networks,
    surveys: dict[str, ModeSurvey],
    book: RuleBook,
    judged: Sequence[Judged],
    percent: float,
) -> pd.DataFrame:
    """Return the verdicts that turn at speeds `percent` lower or higher.

    Parameters
    ----------
    surveys : dict of str to ModeSurvey
        Made with the thresholds of all three speeds.
    judged : sequence of Judged
        The verdicts as computed at the standard's speeds, before overrides.
    percent : float
        Above 0, below 100.

    Returns
    -------
    DataFrame
        One row a verdict that is another one at either speed: ``committee_id, type_id, requirement_id, headline,
        verdict, verdict_slower, verdict_faster, mode, threshold_s, time_s``.
    """
    others = [
        judge_all(run, inputs, networks, surveys, scaled(book, factor), speed=factor, people=False)
        for factor in factors(percent)
    ]
    ids = inputs.committees["committee_id"].to_numpy()
    frames = []
    for one, slower, faster in zip(judged, *others, strict=True):
        turned = (slower.verdict != one.verdict) | (faster.verdict != one.verdict)
        frames.append(
            pd.DataFrame(
                {
                    "committee_id": ids[turned],
                    "type_id": one.rules.type_id,
                    "requirement_id": one.requirement.id,
                    "headline": one.requirement.headline,
                    "verdict": one.verdict[turned],
                    "verdict_slower": slower.verdict[turned],
                    "verdict_faster": faster.verdict[turned],
                    "mode": one.rules.mode[turned],
                    "threshold_s": one.rules.threshold_s[turned],
                    "time_s": one.access.time_s[turned],
                }
            )
        )
    _note(run, judged, others, percent)
    return pd.concat(frames, ignore_index=True)


def _note(run: Run, judged: Sequence[Judged], others: Sequence[Sequence[Judged]], percent: float) -> None:
    heads = [n for n, one in enumerate(judged) if one.requirement.headline]
    if not heads:
        return
    parts = []
    for name, other in zip(NAMES, others, strict=True):
        turned = sum(int((judged[n].verdict != other[n].verdict).sum()) for n in heads)
        parts.append(f"{percent:g} % {name}: {turned} turn, {_rate([other[n] for n in heads])} pass")
    total = sum(int(np.isin(judged[n].verdict.astype(str), ("pass", "fail")).sum()) for n in heads)
    text = f"of {total} headline verdicts {_rate([judged[n] for n in heads])} pass; at speeds {'; '.join(parts)}"
    run.notes.add("sensitivity.speeds", total, text)


def _rate(judged: Sequence[Judged]) -> str:
    verdicts = np.concatenate([one.verdict.astype(str) for one in judged])
    known = int(np.isin(verdicts, ("pass", "fail")).sum())
    passed = int((verdicts == "pass").sum())
    return f"{1000 * passed // known / 10:.1f} %" if known else "none"  # down, as everywhere: 100.0 % means all
