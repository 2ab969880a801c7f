"""Pages of the owner's appraisal: cost inputs, the estimate with every step, and the price that it suggests."""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby
from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_babel import get_locale
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from exchange.access import Permission
from exchange.appraisal import charts_data, service
from exchange.appraisal.forms import cost_form, items_of
from exchange.catalog import service as catalog
from exchange.errors import ExchangeError
from exchange.web import current_actor, reading, requires, run, show_in_form
from valuation.approaches import chart

blueprint = Blueprint("appraisal", __name__)


@blueprint.route("/datasets/<dataset>/valuation", methods=["GET", "POST"])
@requires(Permission.APPRAISAL_WRITE)
def estimate(dataset: str) -> Any:
    """Ask for the costs of a dataset and show its estimates, the newest with its steps."""
    row = catalog.own_dataset(reading(), current_actor(), dataset)
    found = service.valuations_of(reading(), row)
    form = cost_form(**_known(found))
    if form.validate_on_submit():
        try:
            outcome = run(
                "appraisal.estimate", dataset=dataset, items=items_of(form), margin=form.margin.exact,
                age_years=form.age_years.exact, life_years=form.life_years.exact,
                expected_licences=form.expected_licences.data,
            )  # fmt: skip
        except ExchangeError as error:
            show_in_form(error, form, "margin")
        else:
            receipt = outcome.receipt
            flash(
                _("The estimate is recorded as ledger entry %(index)s.", index=receipt.index if receipt else ""), "good"
            )
            return redirect(url_for("appraisal.estimate", dataset=dataset), code=303)
        row = catalog.own_dataset(reading(), current_actor(), dataset)
        found = service.valuations_of(reading(), row)
    return _page(row, found, form), 422 if form.errors else 200


def _known(found: list[Any]) -> dict[str, Any]:
    """Return the inputs of the newest estimate, to begin the next one from."""
    if not found:
        return {}
    inputs = found[0].inputs
    return {
        **{f"cost_{name}": fen for name, fen in inputs["items"].items()},
        "margin": f"{(Decimal(inputs['margin']) * 100).normalize():f}",
        "age_years": inputs["age_years"],
        "life_years": inputs["life_years"],
        "expected_licences": found[0].report["expected_licences"],
    }


def _page(row: Any, found: list[Any], form: Any) -> str:
    language = "zh" if str(get_locale() or "en").startswith("zh") else "en"
    version = catalog.current_version(reading(), row)
    quality = service.quality_of(reading(), version.id) if version else None
    newest = found[0] if found else None
    groups = [
        (group, [account.id for account in accounts]) for group, accounts in groupby(chart(), lambda item: item.group)
    ]
    drafts = [offer for offer in catalog.own_offers(reading(), row) if offer.state == "draft"]
    return render_template(
        "appraisal/estimate.html",
        dataset=row, version=version, quality=quality, form=form, groups=groups, drafts=drafts,
        valuation=service.value_view(newest, own=True) if newest else None,
        stale=newest is not None and version is not None and newest.version_id != version.id,
        waterfall=charts_data.waterfall(newest, language) if newest else None,
        interval=charts_data.interval(newest, language) if newest else None,
        earlier=[service.value_view(item, own=True) for item in found[1:]],
    )  # fmt: skip


@blueprint.post("/offers/<offer>/price/<valuation>/<kind>")
@requires(Permission.APPRAISAL_WRITE)
def price(offer: str, valuation: str, kind: str) -> Response:
    """Write a suggested price into a draft offer."""
    run("appraisal.price_offer", offer=offer, valuation=valuation, kind=kind)
    flash(_("The price is written into the draft."), "good")
    return redirect(url_for("catalog.edit_offer", offer=offer), code=303)
