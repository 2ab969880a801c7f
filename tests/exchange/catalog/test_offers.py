"""Nothing is offered without rights, grade and a plan that fits; what is offered is fixed."""

import pytest

from contracts.desensitization.plan import Plan
from contracts.odrl import parse
from exchange.catalog.models import Offer
from exchange.errors import ConflictError, InvalidInputError, NotFoundError, PermissionDeniedError

CODES = b"code,value\n001,1.5\n002,2.5\n"
ONE_OFF = {"kind": "one-off", "amount_fen": 150_000}


def refused(market, actor, name, **arguments):
    with pytest.raises((ConflictError, InvalidInputError)) as found:
        market.run(actor, name, **arguments)
    return found.value.code, found.value.field


def test_an_offer_goes_from_draft_to_open_to_closed_and_each_step_is_signed(market, sample_csv):
    firm = market.exchange.firm("Maker")
    dataset = market.prepared(firm, sample_csv)
    offer = market.draft(firm, dataset, template="n-times", parameters={"count": 5}, price=ONE_OFF)
    draft = market.row(offer)
    assert (draft.state, draft.dataset.state) == ("draft", "draft")
    assert draft.price == {"kind": "one-off", "amount_fen": 150_000, "currency": "CNY"}
    assert (draft.policy["@id"], draft.policy["@type"], "target" in draft.policy) == (offer, "Offer", False)
    assert parse(draft.policy).assigner == firm.participant
    plan = Plan.from_json(draft.plan)
    assert plan.digest() == draft.plan_digest
    assert plan.rule("联系电话").method == "mask"
    market.run(firm, "catalog.publish_offer", offer=offer)
    opened = market.row(offer)
    assert (opened.state, opened.dataset.state) == ("open", "offered")
    market.run(firm, "catalog.withdraw_offer", offer=offer)
    assert (market.row(offer).state, market.row(offer).dataset.state) == ("closed", "withdrawn")
    assert set(market.kinds(dataset)) == {
        "dataset.version_published", "quality.reported", "dataset.rights_declared", "dataset.graded", "offer.published",
        "offer.withdrawn",
    }  # fmt: skip


def test_without_content_rights_domain_or_grade_there_is_no_offer(embedded, rights):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm, domain="")
    terms = {"template": "internal-use", "price": {"kind": "free"}, "visibility": "public"}
    assert refused(embedded, firm, "catalog.draft_offer", dataset=dataset, **terms)[0] == "no-version"
    embedded.upload(firm, dataset, CODES)
    assert refused(embedded, firm, "catalog.draft_offer", dataset=dataset, **terms)[0] == "rights-not-declared"
    answers = {"safety": 1, "loss": 1, "reach": 1}
    embedded.run(firm, "catalog.grade_dataset", dataset=dataset, answers=answers, category="general")
    offer = embedded.draft(firm, dataset)
    assert refused(embedded, firm, "catalog.publish_offer", offer=offer)[0] == "rights-not-declared"
    embedded.run(firm, "catalog.declare_rights", dataset=dataset, **rights)
    assert refused(embedded, firm, "catalog.publish_offer", offer=offer)[0] == "no-domain"
    embedded.run(firm, "catalog.describe_dataset", dataset=dataset, domain="production")
    embedded.run(firm, "catalog.publish_offer", offer=offer)


def test_each_of_the_three_rights_is_needed(embedded, rights):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)
    for right in ("holding", "processing", "operating"):
        code, field = refused(embedded, firm, "catalog.declare_rights", dataset=dataset, **{**rights, right: False})
        assert (code, field) == ("right-missing", right)
    for field, value in (("source", "found"), ("evidence", "none"), ("evidence_digest", "sha256:12")):
        assert (
            refused(embedded, firm, "catalog.declare_rights", dataset=dataset, **{**rights, field: value})[1] == field
        )


@pytest.mark.parametrize(
    ("grade", "visibility", "code"),
    [
        (2, "public", "grade-2-not-public"),
        (3, "public", "grade-3-not-offered"),
        (3, "authorised", "grade-3-not-offered"),
    ],
)
def test_the_grade_governs(embedded, grade, visibility, code):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, CODES, grade=grade)
    offer = embedded.draft(firm, dataset, visibility=visibility)
    assert refused(embedded, firm, "catalog.publish_offer", offer=offer)[0] == code


@pytest.mark.parametrize("question", ["safety", "loss", "reach"])
def test_the_highest_of_the_three_answers_is_the_grade(embedded, question):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)
    answers = {"safety": 1, "loss": 1, "reach": 1, question: 2}
    found = embedded.run(firm, "catalog.grade_dataset", dataset=dataset, answers=answers, category="general")
    assert found["grade"] == 2


@pytest.mark.parametrize(
    "answers",
    [{}, {"safety": 1}, {"safety": 4, "loss": 1, "reach": 1}, {"safety": "1", "loss": 1, "reach": 1}, [1, 1, 1]],
)
def test_incomplete_or_unknown_answers_give_no_grade(embedded, answers):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)
    assert (
        refused(embedded, firm, "catalog.grade_dataset", dataset=dataset, answers=answers, category="general")[1]
        == "answers"
    )


@pytest.mark.parametrize("category", ["important", "core"])
def test_important_and_core_data_need_a_risk_assessment(embedded, category):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, CODES)
    grading = {"dataset": dataset, "answers": {"safety": 1, "loss": 1, "reach": 1}, "category": category}
    embedded.run(firm, "catalog.grade_dataset", **grading)
    offer = embedded.draft(firm, dataset)
    assert refused(embedded, firm, "catalog.publish_offer", offer=offer)[0] == "risk-assessment-missing"
    embedded.run(firm, "catalog.grade_dataset", **grading, risk_assessment="RA-2026-17")
    embedded.run(firm, "catalog.publish_offer", offer=offer)


def test_an_open_offer_is_never_changed_nor_what_it_rests_on(embedded, rights):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, CODES)
    offer = embedded.offer(firm, dataset)
    assert refused(embedded, firm, "catalog.change_offer", offer=offer, price=ONE_OFF)[0] == "offer-not-draft"
    assert refused(embedded, firm, "catalog.discard_offer", offer=offer)[0] == "offer-not-draft"
    assert refused(embedded, firm, "catalog.publish_offer", offer=offer)[0] == "offer-not-draft"
    assert refused(embedded, firm, "catalog.declare_rights", dataset=dataset, **rights)[0] == "dataset-offered"
    grading = {"answers": {"safety": 1, "loss": 1, "reach": 1}, "category": "general"}
    assert refused(embedded, firm, "catalog.grade_dataset", dataset=dataset, **grading)[0] == "dataset-offered"


def test_a_new_version_leaves_the_open_offer_on_the_old_one(embedded):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, CODES)
    offer = embedded.offer(firm, dataset)
    newer = embedded.upload(firm, dataset, b"code,value\n003,9.5\n")
    assert embedded.row(offer).version_id != newer
    assert embedded.row(embedded.draft(firm, dataset)).version_id == newer


def test_a_version_without_the_providers_statement_is_not_offered(embedded):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, CODES)
    offer = embedded.draft(firm, dataset)
    with embedded.exchange.operations.database.writing() as session:
        session.get_one(Offer, offer).version.published_at = None
    assert refused(embedded, firm, "catalog.publish_offer", offer=offer)[0] == "version-not-published"


def test_a_version_whose_bytes_are_gone_is_not_offered(embedded):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, CODES)
    offer = embedded.draft(firm, dataset)
    file = embedded.version(embedded.row(offer).version_id).files[0]
    embedded.exchange.operations.services.objects.delete(file.object_digest)
    assert refused(embedded, firm, "catalog.publish_offer", offer=offer)[0] == "not-deliverable"


def test_the_plan_is_edited_by_column_and_must_fit_the_table(embedded, sample_csv):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, sample_csv)
    offer = embedded.draft(firm, dataset)
    before = embedded.row(offer).plan_digest
    embedded.run(firm, "catalog.change_offer", offer=offer, columns=[{"column": "单价", "method": "suppress"}])
    plan = Plan.from_json(embedded.row(offer).plan)
    assert plan.rule("单价").method == "suppress"
    assert plan.rule("联系电话").method == "mask", "the other rules stay"
    assert plan.digest() == embedded.row(offer).plan_digest != before
    wrong = (
        [{"column": "no such column", "method": "suppress"}],
        [{"column": "单价", "method": "scramble"}],
        [{"column": "单价", "method": "mask", "parameters": {"keep_first": -1}}],
        [{"column": "振动", "method": "mask", "parameters": {"keep_first": 2}}],
        [{"column": "单价"}],
    )
    for columns in wrong:
        with pytest.raises(InvalidInputError):
            embedded.run(firm, "catalog.change_offer", offer=offer, columns=columns)
    everything = [{"column": column["column"], "method": "suppress"} for column in embedded.row(offer).plan["columns"]]
    with pytest.raises(InvalidInputError):
        embedded.run(firm, "catalog.change_offer", offer=offer, columns=everything)
    assert Plan.from_json(embedded.row(offer).plan).digest() == plan.digest()


def test_a_direct_identifier_is_never_delivered_as_it_is(embedded, sample_csv):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, sample_csv)
    offer = embedded.draft(firm, dataset)
    keep = [{"column": "联系电话", "method": "keep"}]
    assert refused(embedded, firm, "catalog.change_offer", offer=offer, columns=keep) == (
        "direct-identifier",
        "columns",
    )


@pytest.mark.parametrize(
    "price",
    [
        {},
        {"kind": "barter"},
        {"kind": "one-off"},
        {"kind": "one-off", "amount_fen": 0},
        {"kind": "one-off", "amount_fen": -5},
        {"kind": "one-off", "amount_fen": 10.5},
        {"kind": "one-off", "amount_fen": True},
        {"kind": "one-off", "amount_fen": 10**14},
        {"kind": "free", "amount_fen": 5},
        {"kind": "one-off", "amount_fen": 5, "currency": "USD"},
        "free",
    ],
)
def test_a_price_is_whole_fen_in_yuan_or_nothing(embedded, price):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, CODES)
    terms = {"template": "internal-use", "visibility": "public", "price": price}
    assert refused(embedded, firm, "catalog.draft_offer", dataset=dataset, **terms)[1] == "price"


@pytest.mark.parametrize(
    ("template", "parameters", "field"),
    [
        ("no-such", {}, "template"),
        ("n-times", {}, "parameters.count"),
        ("n-times", {"count": 0}, "parameters.count"),
        ("n-times", {"count": 3, "colour": "red"}, "parameters.colour"),
        ("until-date", {"date": "tomorrow"}, "parameters.date"),
        ("n-times", {"count": 3, "target": "urn:x"}, "parameters"),
    ],
)
def test_a_template_takes_its_own_parameters_only(embedded, template, parameters, field):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, CODES)
    terms = {"price": {"kind": "free"}, "visibility": "public", "template": template, "parameters": parameters}
    assert refused(embedded, firm, "catalog.draft_offer", dataset=dataset, **terms)[1] == field


def test_named_recipients_are_verified_participants_of_an_authorised_offer(embedded):
    firm, buyer = embedded.exchange.firm("Maker"), embedded.exchange.firm("Buyer")
    pending = embedded.exchange.firm("Pending", verified=False)
    dataset = embedded.prepared(firm, CODES)
    terms = {"dataset": dataset, "template": "internal-use", "price": {"kind": "free"}}
    for visibility, audience in (
        ("public", [buyer.participant]),
        ("authorised", [pending.participant]),
        ("authorised", ["urn:uuid:00000000-0000-7000-8000-000000000000"]),
    ):
        given = {"visibility": visibility, "audience": audience}
        assert refused(embedded, firm, "catalog.draft_offer", **terms, **given)[1] == "audience"
    offer = embedded.draft(firm, dataset, visibility="authorised", audience=[buyer.participant, buyer.participant])
    assert embedded.row(offer).audience == [buyer.participant]


def test_an_opaque_file_is_offered_as_it_is(embedded):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, b"%PDF-1.7 drawing", name="drawing.pdf")
    offer = embedded.offer(firm, dataset)
    assert embedded.row(offer).plan["columns"] == []


def test_another_firms_offer_and_dataset_look_like_none(embedded, rights):
    firm, other = embedded.exchange.firm("Maker"), embedded.exchange.firm("Other")
    dataset = embedded.prepared(firm, CODES)
    offer = embedded.offer(firm, dataset)
    draft = embedded.draft(firm, dataset)
    grading = {"answers": {"safety": 1, "loss": 1, "reach": 1}, "category": "general"}
    terms = {"template": "internal-use", "price": {"kind": "free"}, "visibility": "public"}
    for name, arguments in (
        ("catalog.describe_dataset", {"dataset": dataset, "title": "Taken over"}),
        ("catalog.declare_rights", {"dataset": dataset, **rights}),
        ("catalog.grade_dataset", {"dataset": dataset, **grading}),
        ("catalog.draft_offer", {"dataset": dataset, **terms}),
        ("catalog.abandon_upload", {"dataset": dataset}),
        ("catalog.change_offer", {"offer": draft, "price": ONE_OFF}),
        ("catalog.discard_offer", {"offer": draft}),
        ("catalog.publish_offer", {"offer": draft}),
        ("catalog.withdraw_offer", {"offer": offer}),
    ):
        with pytest.raises(NotFoundError):
            embedded.run(other, name, **arguments)


def test_a_pending_firm_and_a_buyer_may_not_publish(embedded):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, CODES)
    offer = embedded.draft(firm, dataset)
    buyer, publisher = embedded.exchange.person(firm, "buyer"), embedded.exchange.person(firm, "publisher")
    pending = embedded.exchange.firm("Pending", verified=False)
    for actor, code in ((buyer, "permission-denied"), (pending, "participant-not-verified")):
        with pytest.raises(PermissionDeniedError) as found:
            embedded.run(actor, "catalog.publish_offer", offer=offer)
        assert found.value.code == code
    embedded.run(publisher, "catalog.publish_offer", offer=offer)


def test_publishing_lets_the_uploaded_files_go(embedded, nothing):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, CODES)
    assert len(list(embedded.exchange.operations.services.objects.digests())) == 2
    embedded.offer(firm, dataset)
    assert len(list(embedded.exchange.operations.services.objects.digests())) == 1
    assert embedded.leftovers() == nothing


def test_the_price_that_appraisal_suggests_is_written_into_a_draft_only(embedded):
    from exchange.catalog import service as catalog
    from exchange.steps import operation

    @operation("test.set_price", None)
    def set_price(step, *, offer):
        step.actor = firm
        catalog.set_price(step, offer, ONE_OFF)
        return {}

    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, CODES)
    offer = embedded.draft(firm, dataset)
    embedded.exchange.operations.run_as_system("test.set_price", offer=offer)
    assert embedded.row(offer).price["amount_fen"] == 150_000
    embedded.run(firm, "catalog.publish_offer", offer=offer)
    with pytest.raises(ConflictError):
        embedded.exchange.operations.run_as_system("test.set_price", offer=offer)
