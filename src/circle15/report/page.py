"""The report as one HTML file that opens from a disk: both languages inside, the map's library too, no request."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup, escape

from circle15.outputs.colours import MEANS_COLOURS, STEP_COLOURS, STEPS, VERDICT_COLOURS, step_labels
from circle15.outputs.dictionary import LANGS, Lang, load_dictionary
from circle15.outputs.manifest import notes_of
from circle15.package_files import package_templates, package_text
from circle15.percent import text_of_milestone, text_of_percent, text_of_rate
from circle15.report.embedded import embed
from circle15.report.facts import Facts, Name
from circle15.report.notes import told, word
from circle15.report.words import texts
from circle15.tables import ACTIONS, MEANS, STATUSES, VERDICTS

HTML_LANG = {"zh": "zh-CN", "en": "en"}
SPARE_ROWS = 200


def page_html(facts: Facts, lang: Lang) -> str:
    """Return the report of a run as HTML.

    Parameters
    ----------
    facts : Facts
        Of a run of ``compute``, ``verify`` or ``plan``.
    lang : {"zh", "en"}
        The language that it opens in.
    """
    run = facts.run
    has_projects = "projects" in run.layers
    sections = ["summary", "effects", "map", "matrix", "towns", "domains", "gaps", "projects", "method", "sources"]
    effects = _effects(facts)
    hidden = {"effects": not effects, "projects": not has_projects}
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            **common(facts, lang),
            sections=[one for one in sections if not hidden.get(one, False)],
            cards=_cards(facts),
            lead=_lead(facts),
            domains=_domain_rows(facts),
            effects=effects,
            effects_lead=changes_lead(facts),
            milestones=_milestones(facts),
            told_in=_told_in(facts),
            programme=records(run.table("programme")),
            has_projects=has_projects,
            steps=step_labels(),
            matrix=_matrix(facts),
            towns=[row | {"label": row["town_id"]} for row in records(run.table("towns"))],
            domain_pages=_domain_pages(facts),
            notes=_notes(facts),
            note_word=lambda name: both(*(word(name, one) for one in LANGS)),
            people=_people(facts),
            codes=_codes_used(facts),
            inputs=sorted(run.document["inputs"].items()),
            sources_line=_sources_line(facts),
            data=script_json(embed(facts)),
            script_texts=script_json(_script_texts()),
            leaflet_js=Markup(_asset("leaflet-1.9.4/leaflet.js").replace("//# sourceMappingURL=leaflet.js.map", "")),  # noqa: S704 - our own file
            js=Markup(_asset("page.js")),  # noqa: S704 - our own file
        )
    )


def common(facts: Facts, lang: Lang) -> dict[str, Any]:
    """Return what every template asks for."""
    run = facts.run
    currency = facts.currency
    return {
        "lang": lang,
        "html_lang": HTML_LANG[lang],
        "version": run.document["circle15"],
        "name": run.name,
        "as_of": year_label(facts),
        "year": run.as_of,
        "command": run.command,
        "standard_line": _standard_line(facts),
        "currency": both(f"（{currency}）", f" ({currency})") if currency else "",
        "css": Markup(page_css()),  # noqa: S704 - our own file and colours
        "plain": lambda key, which=lang: texts("page", which)[key],
        "t": text,
        "whole": whole,
        "year_of": year_of,
        "footer_line": both(
            *(
                texts("page", one)["footer_line"].format(
                    command=f"circle15 {run.command}", version=run.document["circle15"]
                )
                for one in LANGS
            )
        ),
        "number": number,
        "money": money,
        "percent": text_of_rate,
        "text_of_milestone": text_of_milestone,
        "text_of_percent": text_of_percent,
        "width": lambda rate: 0 if math.isnan(rate) else math.floor(rate * 1000) / 10,
        "code_name": code_name,
        "code_meaning": code_meaning,
    }


def year_label(facts: Facts) -> Markup | str:
    """Return the year that the rates are of; with a ledger the last of its projects', and that they are in."""
    if not len(facts.run.table("effects")):
        return str(facts.run.as_of)
    return Markup("{} {}").format(facts.run.as_of, text("with_projects"))


def both(zh: str, en: str) -> Markup:
    """Return a text in both languages, of which the page shows one."""
    if zh == en:
        return escape(zh)
    return Markup('<span class="zh" lang="zh-CN">{}</span><span class="en" lang="en">{}</span>').format(zh, en)


def text(key: str) -> Markup:
    """Return one of the page's texts in both languages."""
    return both(*(texts("page", lang)[key] for lang in LANGS))


def code_name(code: str) -> Markup:
    """Return what a code is called."""
    entry = load_dictionary().code(code)
    return both(entry.zh, entry.en)


def code_meaning(code: str) -> Markup:
    """Return what a code means."""
    entry = load_dictionary().code(code)
    return both(entry.meaning_zh, entry.meaning_en)


def label_of(name: Name) -> Markup:
    """Return a name in both languages."""
    return both(name.zh, name.en)


def whole(value: float | None) -> str:
    """Return a number without decimals, thousands apart; ``–`` for none."""
    return "–" if value is None or pd.isna(value) else f"{value:,.0f}"


def year_of(value: float | None) -> str:
    """Return a year; ``–`` for none."""
    return "–" if value is None or pd.isna(value) else f"{value:.0f}"


def money(value: float | None) -> str:
    """Return a sum of money with one to three decimals, thousands apart; ``–`` for none."""
    if value is None or pd.isna(value):
        return "–"
    whole_part, decimals = f"{value:,.3f}".split(".")
    return f"{whole_part}.{decimals.rstrip('0') or '0'}"


def number(value: float | None) -> str:
    """Return a number with up to three decimals; ``–`` for none.

    Cut, not rounded: what is just below its target must not read as if it were there.
    """
    if value is None or pd.isna(value):
        return "–"
    cut = math.trunc(round(value * 1000, 6)) / 1000
    return f"{cut:,.3f}".rstrip("0").rstrip(".")


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as mappings."""
    return table.to_dict("records")  # type: ignore[return-value]


def script_json(document: Any) -> Markup:
    """Return JSON that may stand in a script element: no character of it can end the element or begin a comment."""
    plain = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704


def page_css() -> str:
    """Return the style sheet: the library's, the page's, and the colours of verdicts, means and rates."""
    variables = [f"--{name}: {colour}; --{name}-text: {_text_on(colour)};" for name, colour in VERDICT_COLOURS.items()]
    variables += [f"--means-{name}: {colour};" for name, colour in (*MEANS_COLOURS.items(), ("none", "#888"))]
    variables += [f"--s{n}: {colour};" for n, colour in enumerate(STEP_COLOURS)]
    steps = [f".s{n} {{ background: {c}; color: {_text_on(c)}; }}" for n, c in enumerate(STEP_COLOURS)]
    leaflet = re.sub(r"url\(images/[^)]*\)", "none", _asset("leaflet-1.9.4/leaflet.css"))  # it would be a request
    return f"{leaflet}\n:root {{ {' '.join(variables)} }}\n{_asset('page.css')}\n" + "\n".join(steps)


def _text_on(colour: str) -> str:
    """Return black or white, whichever is the easier to read on a colour (relative luminance of WCAG 2)."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]  # noqa: PLR2004
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#fff"


@lru_cache(maxsize=8)
def _asset(name: str) -> str:
    return package_text("circle15.report", f"assets/{name}")


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(package_templates("circle15.report")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )


def template(name: str) -> jinja2.Template:
    """Return one of the room's templates; everything that it prints is escaped."""
    return _environment().get_template(name)


def _script_texts() -> dict[str, dict[str, str]]:
    """Return the texts that the script shows, by language."""
    book = load_dictionary()
    codes = (*VERDICTS, *ACTIONS, *MEANS, *STATUSES)
    return {lang: {**texts("page", lang), **{f"code_{c}": book.code(c).title(lang) for c in codes}} for lang in LANGS}


def _cards(facts: Facts) -> list[dict[str, Any]]:
    district = records(facts.run.table("district"))
    row = district[0] if district else dict.fromkeys(("item_rate", "committee_rate", "population_rate"), math.nan)
    rates = {"items": "item_rate", "committees": "committee_rate", "people": "population_rate"}
    before = next((one for one in _effects(facts) if one["state"] == "before"), None)
    cards = [
        {
            "what": text(f"card_{key}"),
            "figure": text_of_rate(row[column]),
            "before": "" if before is None else text_of_rate(before[column]),
            "more": text(f"card_{key}_more"),
        }
        for key, column in rates.items()
    ]
    gaps: dict[str, Any] = {
        "what": text("card_gaps"),
        "figure": whole(len(facts.run.table("gaps"))),
        "more": text("card_gaps_more"),
    }
    return [*cards, gaps, _target_card(facts)]


def _target_card(facts: Facts) -> dict[str, Any]:
    targets = facts.run.table("targets")
    verdicts = targets["verdict"].tolist() if len(targets) else []
    parts = [("met", "pass"), ("not_met", "fail"), ("not_due", "exempt"), ("unknown", "unknown")]
    counts = [(key, verdicts.count(verdict)) for key, verdict in parts if verdicts.count(verdict)]
    more = Markup(" · ").join(Markup("{} {}").format(text(key), count) for key, count in counts if key != "met")
    figure = f"{verdicts.count('pass')} / {len(verdicts)}"
    return {"what": text("card_targets"), "figure": figure, "more": more}


def _lead(facts: Facts) -> Markup:
    """Return the headline rate held against its target, where the standard has one, and of when it is."""
    when = "lead_projected" if len(facts.run.table("effects")) else "lead_now"
    targets = facts.run.table("targets")
    overall = targets[targets["measured_by"] == "item_rate"] if len(targets) else targets
    parts = []
    for row in records(overall):
        names = {"zh": row["name_zh"], "en": row["name_en"]}
        said = {
            lang: texts("page", lang)["lead"].format(
                name=names[lang],
                year=f"{row['due']:.0f}",
                value=number(row["value"]),
                measured=text_of_rate(row["measured"] / 100.0),
                when=texts("page", lang)[when].format(year=facts.run.as_of),
            )
            for lang in LANGS
        }
        mark = Markup('<span class="mark {}">{}</span>').format(row["verdict"], code_name(row["reason"]))
        parts.append(both(said["zh"], said["en"]) + mark)
    return Markup("<br>").join(parts)


def _domain_rows(facts: Facts) -> list[dict[str, Any]]:
    rows = [row | {"label": both(row["name_zh"], row["name_en"])} for row in records(facts.run.table("domains"))]
    return [*rows, *(row | {"label": text("all_domains")} for row in records(facts.run.table("district")))]


def _effects(facts: Facts) -> list[dict[str, Any]]:
    table = facts.run.table("effects")
    if not len(table):
        return []
    rows = records(table[table["by"] == "district"])
    for row in rows:
        year = "" if pd.isna(row["year"]) else f" {row['year']:.0f}"
        row["label"] = Markup("{}{}").format(text(str(row["state"])), year)
    return rows


def changes_lead(facts: Facts, town: str | None = None) -> Markup:
    """Return what became of the gaps, of the district or of one town; empty without a ledger."""
    status = facts.run.table("changes")
    if town is not None and len(status):
        status = status[status["town_id"] == town]
    if not len(status):
        return Markup("")
    counts = status["status"].value_counts()
    return Markup(" · ").join(Markup("{} {}").format(code_name(str(one)), count) for one, count in counts.items())


def _milestones(facts: Facts) -> list[dict[str, Any]]:
    return [row | {"label": both(row["name_zh"], row["name_en"])} for row in records(facts.run.table("milestones"))]


def starts_in(row: Mapping[str, Any]) -> Markup | str:
    """Return in which year a project starts; by the plan, where it has no other."""
    if pd.isna(row["start_year"]) and not pd.isna(row["plan_year"]):
        return both(*(texts("page", lang)["by_plan_year"].format(year=year_of(row["plan_year"])) for lang in LANGS))
    return year_of(row["start_year"])


def _told_in(facts: Facts) -> Markup:
    """Return in which year the milestones tell what is started and done; the rates are of a later one."""
    year = facts.run.document["as_of"]
    return both(*(texts("page", lang)["told_in"].format(year=year) for lang in LANGS))


def step_of(rate: float) -> int | str:
    """Return the number of a rate's colour; ``none`` where it is NaN."""
    return "none" if math.isnan(rate) else int(np.searchsorted(STEPS, rate + 1e-12, side="right"))


def _matrix(facts: Facts) -> dict[str, Any]:
    """Return the rates of towns and types as rows and columns, the longer of the two downwards: paper is upright.

    Types that count in no rate come last, and are marked: they have no gaps that a click could list.
    """
    counted = [one.id in facts.headline for one in facts.types]
    order = np.argsort(~np.array(counted, dtype=bool), kind="stable")
    towns = [{"label": both(one, one), "counted": True} for one in facts.towns]
    types = [{"label": label_of(facts.types[n]), "counted": counted[n]} for n in order]
    rates = facts.matrix.to_numpy(dtype=np.float64)
    upright = len(towns) >= len(types)
    heads, firsts = (types, towns) if upright else (towns, types)
    rows = []
    for n, first in enumerate(firsts):
        cells = []
        for m in range(len(heads)):
            town, number = (n, order[m]) if upright else (m, order[n])
            rate = float(rates[town, number])
            text_of = text_of_rate(rate).removesuffix(" %")
            own = {"town": town, "type": int(number), "counted": counted[number]}
            cells.append({"step": step_of(rate), "text": text_of, **own})
        rows.append({**first, "cells": cells})
    return {
        "corner": text("town" if upright else "type"),
        "heads": heads,
        "rows": rows,
        "turned": upright,
        "some_uncounted": not all(counted),
    }


def _domain_pages(facts: Facts) -> list[dict[str, Any]]:
    types, targets = facts.run.table("types"), facts.run.table("targets")
    requirements = facts.run.table("requirements")
    whole_district = requirements[requirements["scope"] == "district"] if len(requirements) else requirements
    pages = []
    names = {one.id: label_of(one) for one in facts.types}
    domains = records(facts.run.table("domains"))
    known = {row["domain"] for row in domains}
    others = [{"domain": one, "name_zh": one, "name_en": one} for one in types["domain"].unique() if one not in known]
    for row in [*domains, *others]:
        own = types[types["domain"] == row["domain"]]
        pages.append(
            {
                "label": both(row["name_zh"], row["name_en"]),
                "item_rate": row.get("item_rate", math.nan),
                "caption": text("types_caption"),
                "types": [_type_row(one) for one in records(own)],
                "requirements": [
                    one | {"label": subject_label(one["subject"], names)}
                    for one in records(whole_district[_about(whole_district, set(own["type_id"]))])
                ],
                "targets": _targets(targets[targets["domain"] == row["domain"]] if len(targets) else targets),
            }
        )
    general = targets[targets["domain"] == ""] if len(targets) else targets
    if len(general):
        nothing = {"item_rate": math.nan, "caption": "", "types": [], "requirements": []}
        pages.append({"label": text("general_targets"), **nothing, "targets": _targets(general)})
    return pages


def subject_label(subject: str, names: Mapping[str, Markup]) -> Markup:
    """Return what the types of a requirement are called, joined by ``+``."""
    return Markup(" + ").join(names.get(one, escape(one)) for one in subject.split("|"))


def _about(requirements: pd.DataFrame, types: set[str]) -> Sequence[bool]:
    return [bool(types & set(subject.split("|"))) for subject in requirements.get("subject", [])]


def _type_row(row: Mapping[str, Any]) -> dict[str, Any]:
    note = "" if row["headline"] else text("not_headline")
    return {**row, "label": both(row["name_zh"], row["name_en"]), "note": note}


def _targets(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [row | {"label": both(row["name_zh"], row["name_en"])} for row in records(table)]


def _notes(facts: Facts) -> list[dict[str, Any]]:
    """Return the run's notes in both languages, the first of what each concerns with it."""
    found = notes_of(facts.run.document)
    pairs = zip(
        *(told(found.items, lang, {t.id: getattr(t, lang) for t in facts.types}) for lang in LANGS), strict=True
    )
    return [
        {
            "count": zh.count,
            "text": both(zh.text, en.text).replace("\n", Markup("<br>")),
            "original": escape(zh.original).replace("\n", Markup("<br>")),
            "rows": zh.rows[:SPARE_ROWS],
        }
        for zh, en in pairs
    ]


def _people(facts: Facts) -> Markup | str:
    people = facts.run.document.get("people") or {}
    if not people.get("total"):
        return ""
    said = {}
    for lang in LANGS:
        words = texts("page", lang)
        parts = (f"{words[key]} {whole(people[key])}" for key in ("assigned", "outside", "off_network"))
        said[lang] = words["people_line"].format(total=whole(people["total"]), parts=words["comma"].join(parts))
    return both(said["zh"], said["en"])


def _standard_line(facts: Facts) -> Markup:
    """Return what the standard is called, and whether its text is the official one."""
    label = facts.run.document["standard"]
    said = {
        lang: texts("page", lang)["standard_line"].format(
            title=label[lang], status=texts("page", lang)[f"standard_{label['status']}"]
        )
        for lang in LANGS
    }
    return both(said["zh"], said["en"])


def _sources_line(facts: Facts) -> Markup:
    document = facts.run.document
    own = {
        "standard": document["standard"]["id"],
        "sha256": document["standard"]["sha256"][:16],
        "command": f"circle15 {facts.run.command}",
        "version": document["circle15"],
        "fingerprint": document["fingerprint"][:16],
    }
    return both(*(texts("page", lang)["sources_line"].format(**own) for lang in LANGS))


def _codes_used(facts: Facts) -> list[str]:
    verdicts = facts.run.table("verdicts")
    return [*VERDICTS, *sorted(verdicts["reason"].unique())]
