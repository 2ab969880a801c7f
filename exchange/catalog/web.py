"""Pages of the catalogue that everybody reads: search, and one dataset with its dictionary, quality, value, terms and proof."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import get_locale
from flask_babel import gettext as _
from sqlalchemy import select
from werkzeug.wrappers import Response

from contracts.desensitization.plan import Plan
from contracts.odrl import describe, parse
from exchange.access import Permission
from exchange.appraisal import charts_data
from exchange.appraisal import service as appraisal
from exchange.catalog import drafts, listing, views
from exchange.catalog.api import reader
from exchange.catalog.datasets import DOMAINS, current_version, own_datasets
from exchange.catalog.forms import FREQUENCIES, SOURCE_NAMES
from exchange.catalog.models import Dataset, Offer
from exchange.errors import NotFoundError
from exchange.jobs import Job
from exchange.participants import service as participants
from exchange.web import current_actor, reading, requires, services
from ledger.errors import LedgerError

blueprint = Blueprint("catalog", __name__)
TABS = ("overview", "dictionary", "quality", "value", "terms", "versions", "proof")
_FILTERS = ("domain", "grade", "price", "kind")


def language() -> str:
    """Return the page's language, "zh" or "en"."""
    return "zh" if str(get_locale() or "en").startswith("zh") else "en"


@blueprint.get("/catalog")
@requires(Permission.PUBLIC)
def index() -> str:
    """Search the offers that the visitor may see."""
    words, cursor = request.args.get("q", "").strip(), request.args.get("cursor")
    chosen = listing.check_filters({name: request.args.getlist(name) for name in _FILTERS})
    page = listing.find(reading(), reader(), words, chosen, cursor, count=True)
    firms = participants.names(reading(), {offer.participant_id for offer in page.items})
    scores = appraisal.scores_of(reading(), {offer.version_id for offer in page.items})
    items = [_card(offer, firms.get(offer.participant_id, ""), scores) for offer in page.items]
    state: dict[str, Any] = {"q": words or None, **{name: list(values) for name, values in chosen.items()}}
    return render_template(
        "catalog/index.html",
        words=words,
        items=items,
        facets=_facets(state, page.facets),
        chosen=_chosen(state),
        clear_url=url_for("catalog.index", q=words or None),
        filters=[(name, value) for name, values in chosen.items() for value in values],
        next_url=url_for("catalog.index", **state, cursor=page.next) if page.next else None,
        first_url=url_for("catalog.index", **state) if cursor else None,
    )


def _card(offer: Offer, provider: str, scores: dict[str, float | None]) -> dict[str, Any]:
    dataset, version = offer.dataset, offer.version
    card: dict[str, Any] = {
        "url": url_for("catalog.show", dataset=dataset.id, offer=offer.id), "title": dataset.title,
        "description": dataset.description[:300], "provider": provider, "domain": domain_name(dataset.domain),
        "grade": dataset.grade, "size": version.bytes, "updated_at": offer.published_at, "keywords": dataset.keywords,
        "plan": offer.price,
    }  # fmt: skip
    if version.kind == "table":
        card |= {"rows": version.rows, "columns": len(version.schema), "quality": scores.get(version.id)}
    return card


def domain_name(code: str) -> str:
    """Return a data domain's name in the page's language."""
    domain = DOMAINS.get(code)
    return (domain.name_zh if language() == "zh" else domain.name_en) if domain else code


def _value_name(name: str, value: str) -> str:
    if name == "domain":
        return domain_name(value)
    if name == "grade":
        return _("Grade %(grade)s", grade=value)
    return {"free": _("Free"), "one-off": _("One-off price"), "table": _("Table"), "opaque": _("Other file")}[value]


def _facet_titles() -> dict[str, str]:
    return {"domain": _("Data domain"), "grade": _("Grade"), "price": _("Price"), "kind": _("Form")}


def _toggled(state: dict[str, Any], name: str, value: str) -> str:
    values = state.get(name, [])
    changed = [item for item in values if item != value] if value in values else [*values, value]
    return url_for("catalog.index", **{**state, name: changed})


def _facets(state: dict[str, Any], counts: dict[str, dict[str, int]]) -> list[tuple[str, list[dict[str, Any]]]]:
    shown = []
    for name, title in _facet_titles().items():
        active = state.get(name, [])
        values = [*dict.fromkeys([*active, *sorted(counts.get(name, {}), key=lambda value: -counts[name][value])])]
        options = [
            {
                "label": _value_name(name, value),
                "url": _toggled(state, name, value),
                "count": _count(counts[name].get(value, 0)),
                "active": value in active,
            }
            for value in values
        ]
        if options:
            shown.append((title, options))
    return shown


def _count(hits: int) -> str:
    return f"{listing.COUNTED}+" if hits >= listing.COUNTED else str(hits)


def _chosen(state: dict[str, Any]) -> list[tuple[str, str]]:
    titles = _facet_titles()
    return [
        (f"{titles[name]}: {_value_name(name, value)}", _toggled(state, name, value))
        for name in _FILTERS
        for value in state.get(name, [])
    ]


@blueprint.get("/datasets")
@requires(Permission.DATASET_READ)
def mine() -> str:
    """List the acting firm's datasets and what each still lacks."""
    rows, following = own_datasets(reading(), current_actor(), cursor=request.args.get("cursor"))
    items = []
    for row in rows:
        version = current_version(reading(), row)
        items.append(
            {
                "dataset": row,
                "version": version,
                "missing": views.missing(reading(), row),
                "removable": drafts.is_empty(row),
            }
        )
    next_url = url_for("catalog.mine", cursor=following) if following else None
    return render_template("catalog/mine.html", items=items, next_url=next_url, domain_name=domain_name)


@blueprint.get("/offers/<offer>")
@requires(Permission.PUBLIC)
def offer(offer: str) -> Response:
    """Go to the page of the dataset that an offer is made of."""
    row = listing.visible_offer(reading(), reader(), offer)
    return redirect(url_for("catalog.show", dataset=row.dataset_id, offer=row.id), code=303)


@blueprint.get("/datasets/<dataset>")
@requires(Permission.PUBLIC)
def show(dataset: str) -> str:
    """Show a dataset by tabs: overview, dictionary, quality, value, terms, versions and proof."""
    actor = reader()
    row, offers = listing.look(reading(), actor, dataset)
    own = row.participant_id == actor.participant
    chosen = next((item for item in offers if item.id == request.args.get("offer")), offers[0] if offers else None)
    version = chosen.version if chosen else current_version(reading(), row)
    tab = request.args.get("tab", "overview")
    if tab not in TABS:
        raise NotFoundError()
    quality = appraisal.quality_of(reading(), version.id) if version else None
    valuation = appraisal.valuation_of(reading(), version.id) if version else None
    return render_template(
        "catalog/show.html",
        dataset=row, own=own, tab=tab, offers=offers, offer=chosen, version=version, quality=quality,
        valuation=appraisal.value_view(valuation, own=own) if valuation else None,
        provider=participants.names(reading(), {row.participant_id}).get(row.participant_id, ""),
        domain=domain_name(row.domain), frequency=FREQUENCIES.get(row.update_frequency),
        sources=SOURCE_NAMES, rights=views.rights_view(row, own=own),
        terms=describe(parse(chosen.policy), language()) if chosen else [],
        policy_json=json.dumps(chosen.policy, ensure_ascii=False, indent=2) if chosen and tab == "terms" else "",
        **_tab(tab, row, chosen, version, quality, valuation, own=own),
    )  # fmt: skip


def _tab(tab: str, row: Dataset, chosen: Offer | None, version: Any, *found: Any, own: bool) -> dict[str, Any]:
    """Return what only the open tab needs."""
    quality, valuation = found
    needs: dict[str, Any] = {}
    if tab == "dictionary" and version is not None:
        counts = {column["name"]: column for column in quality.columns} if quality else {}
        needs = {"dictionary": views.dictionary(version, chosen), "counts": counts}
    elif tab in {"overview", "quality"} and quality is not None:
        shown = charts_data.quality(quality.report, language())
        needs = {"radar": shown.radar, "dimensions": shown.dimensions, "findings": quality.report["findings"]}
    elif tab == "quality":
        needs = {"job": last_assessment(row) if own else None}
    elif tab == "value" and valuation is not None:
        needs = {"interval": charts_data.interval(valuation, language())}
        needs["waterfall"] = charts_data.waterfall(valuation, language()) if own else None
    elif tab == "terms" and chosen is not None:
        needs = {"plan": views.plan_words(chosen)[language()], "masks": bool(Plan.from_json(chosen.plan).columns)}
    elif tab == "versions":
        offered = {item.version for item in listing.offers_of(reading(), reader(), row)}
        needs = {"versions": row.versions if own else sorted(offered, key=lambda item: item.number)}
    elif tab == "proof":
        needs = {"entries": _entries(row)}
    return needs


def last_assessment(row: Dataset) -> Job | None:
    """Return the newest job that assesses this dataset."""
    query = select(Job).where(Job.subject == row.id, Job.kind == "appraisal.appraise").order_by(Job.created_at.desc())
    return reading().scalars(query).first()


def _entries(row: Dataset) -> list[dict[str, Any]]:
    """Return the ledger entries about the listing with their places."""
    entries = []
    for found in views.listing_statements(reading(), row):
        try:
            index = services().log.index_of(found.statement)
        except LedgerError:
            # Recorded a moment ago and not sequenced yet; the next look shows its place.
            index = None
        entries.append({"kind": found.kind, "at": found.at, "statement": found.statement, "index": index})
    return entries


# The owner's pages join the same blueprint; they stand in files of their own for length.
from exchange.catalog import disputes_web as _disputes_web  # noqa: E402, F401
from exchange.catalog import offers_web as _offers_web  # noqa: E402, F401
from exchange.catalog import owner_web as _owner_web  # noqa: E402, F401
