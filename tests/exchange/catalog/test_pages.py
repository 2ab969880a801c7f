"""The pages of the catalogue: what each visitor sees, and the whole way from a file to an open offer through the forms."""

import io
import re

import pytest

CODES = "编号,操作员姓名,联系电话,温度\n" + "".join(f"M-{n},张伟,1380000{n:04d},{731.415 + n:.3f}\n" for n in range(50))
TABS = ("overview", "dictionary", "quality", "value", "terms", "versions", "proof")
SECRETS = ("张伟", "13800000000", "13800000007", "731.415", "780.415")


class Visitor:
    """A browser without JavaScript: follows links, fills forms, keeps its cookie."""

    def __init__(self, client, language="en"):
        self.client = client
        self.client.environ_base["HTTP_ACCEPT_LANGUAGE"] = language

    def get(self, path, status=200):
        answered = self.client.get(path)
        assert answered.status_code == status, (path, answered.status_code)
        return answered.get_data(as_text=True)

    def send(self, form_page, path, status=303, **fields):
        page = self.get(form_page)
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)
        data = {"csrf_token": token[1] if token else "", **fields}
        answered = self.client.post(path, data=data, content_type="multipart/form-data")
        assert answered.status_code == status, (
            path,
            answered.status_code,
            re.findall(r"form-error[^>]*>.*?</p>", answered.get_data(as_text=True)),
        )
        return answered

    def follow(self, answered):
        return self.get(answered.headers["Location"].split("#")[0])


@pytest.fixture
def visit(embedded):
    return lambda actor=None, language="en": Visitor(embedded.exchange.client(actor), language)


def test_a_dataset_goes_from_upload_to_an_open_offer_through_the_forms(market):
    owner = Visitor(market.exchange.client(market.exchange.firm("Maker")))
    made = owner.send(
        "/datasets/new", "/datasets/new", title="五轴加工中心", description="Telemetry", keywords="主轴，振动", domain="production",
        coverage="2026", update_frequency="daily", delimiter="", encoding="", files=(io.BytesIO(CODES.encode()), "cell.csv"),
    )  # fmt: skip
    workbench = made.headers["Location"]
    dataset = re.search(r"/datasets/([^/]+)/manage", workbench)[1]
    page = owner.get(workbench)
    assert "mobile phone number" in page
    assert "declaration of rights" in page
    owner.send(
        f"/datasets/{dataset}/rights", f"/datasets/{dataset}/rights", holding="y", processing="y", operating="y",
        source="own-production", source_note="", evidence="Own production line.", evidence_digest="",
    )  # fmt: skip
    owner.send(
        f"/datasets/{dataset}/grading",
        f"/datasets/{dataset}/grading",
        safety="1",
        loss="1",
        reach="1",
        category="general",
        risk_assessment="",
        reason="Every row of this table is invented.",
    )
    valued = owner.send(
        f"/datasets/{dataset}/valuation", f"/datasets/{dataset}/valuation", cost_collection="500,000", cost_cleaning="12000.50", margin="8",
        age_years="0.5", life_years="4", expected_licences="5",
    )  # fmt: skip
    assert "Suggested prices" in owner.follow(valued)
    drafted = owner.send(
        f"/datasets/{dataset}/offers/new?template=n-times", f"/datasets/{dataset}/offers/new", template="n-times", p_count="3",
        kind="one-off", amount="1200.00", visibility="public",
    )  # fmt: skip
    draft = drafted.headers["Location"]
    offer = re.search(r"/offers/([^/]+)/edit", draft)[1]
    page = owner.get(draft)
    assert "13800000000" in page, "its owner sees the rows before"
    assert "138****0000" in page, "and after"
    place = re.search(r'for="method-(\d+)">Method for 温度<', page)[1]
    owner.send(draft, f"/offers/{offer}/edit", **{f"method-{place}": "generalize", f"text-{place}": "5"})
    assert market.row(offer).plan["columns"][int(place)]["parameters"] == {"width": 5}
    published = owner.send(draft, f"/offers/{offer}/publish")
    page = owner.follow(published)
    assert "recorded as ledger entry" in page
    assert market.row(offer).state == "open"
    stranger = Visitor(market.exchange.client())
    assert "五轴加工中心" in stranger.get("/catalog?q=加工")
    assert "Sign in to request access" in stranger.get(f"/datasets/{dataset}")
    owner.send(draft, f"/offers/{offer}/withdraw")
    stranger.get(f"/datasets/{dataset}", 404)


def test_no_page_shows_others_a_value_of_the_data(embedded, visit):
    firm, other = embedded.exchange.firm("Maker"), embedded.exchange.firm("Other")
    dataset = embedded.prepared(firm, CODES.encode())
    costs = {"items": {"collection": 87_654_300}, "margin": "0.1", "age_years": "0", "life_years": "4"}
    embedded.run(firm, "appraisal.estimate", dataset=dataset, **costs)
    embedded.offer(firm, dataset)
    for visitor in (visit(other), visit(None, "zh"), visit(embedded.exchange.staff("auditor"))):
        for tab in TABS:
            page = visitor.get(f"/datasets/{dataset}?tab={tab}")
            for secret in (*SECRETS, "876,543"):
                assert secret not in page, (tab, secret)
    assert "876,543" in visit(firm).get(f"/datasets/{dataset}?tab=value")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_of_the_owner_opens_in_both_languages(embedded, visit, language):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, CODES.encode(), grade=2)
    opaque = embedded.prepared(firm, b"%PDF-1.7", name="drawing.pdf")
    empty = embedded.dataset(firm, domain="")
    failed = embedded.dataset(firm)
    embedded.upload(firm, failed, b"a,b\n1,2,3\n")
    embedded.run(
        firm,
        "appraisal.estimate",
        dataset=dataset,
        items={"collection": 100},
        margin="0",
        age_years="5",
        life_years="4",
    )
    drafts = [embedded.draft(firm, dataset, visibility="authorised"), embedded.draft(firm, opaque)]
    version = embedded.row(drafts[0]).version_id
    visitor = visit(firm, language)
    for path in ("/catalog", "/catalog?q=x&grade=2", "/datasets", "/datasets/new", f"/versions/{version}/types"):
        visitor.get(path)
    for offer in drafts:
        visitor.get(f"/offers/{offer}/edit")
    for row in (dataset, opaque, empty, failed):
        for page in (
            "manage",
            "description",
            "rights",
            "grading",
            "offers/new",
            "offers/new?template=until-date",
            "valuation",
        ):
            visitor.get(f"/datasets/{row}/{page}")
        for tab in TABS:
            visitor.get(f"/datasets/{row}?tab={tab}")


def test_every_template_of_terms_has_its_form(embedded, visit):
    from contracts.odrl.templates import TEMPLATES

    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, CODES.encode())
    for name in TEMPLATES:
        page = visit(firm).get(f"/datasets/{dataset}/offers/new?template={name}")
        for parameter in TEMPLATES[name].parameters:
            assert f'name="p_{parameter.name}"' in page


def test_a_wrong_form_says_what_is_wrong_beside_its_field(embedded, visit):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, CODES.encode())
    visitor = visit(firm)
    refused = visitor.send("/datasets/new", "/datasets/new", 422, title="", delimiter="", encoding="")
    assert "Choose at least one file." in refused.get_data(as_text=True)
    refused = visitor.send(
        f"/datasets/{dataset}/rights",
        f"/datasets/{dataset}/rights",
        422,
        holding="y",
        source="public",
        evidence="Register entry.",
    )
    assert "Without this right the dataset cannot be offered." in refused.get_data(as_text=True)
    path = f"/datasets/{dataset}/offers/new"
    for fields, text in (
        ({"p_count": "0", "kind": "free"}, "Number must be at least 1"),
        ({"p_count": "2", "kind": "one-off", "amount": "1.234"}, "at most two decimals"),
        ({"p_count": "2", "kind": "one-off", "amount": ""}, "an amount above zero"),
    ):
        refused = visitor.send(f"{path}?template=n-times", path, 422, template="n-times", visibility="public", **fields)
        assert text in refused.get_data(as_text=True)
    refused = visitor.send(
        f"/datasets/{dataset}/valuation",
        f"/datasets/{dataset}/valuation",
        422,
        margin="x",
        age_years="1",
        life_years="0",
        expected_licences="1",
    )
    assert "This is not a number." in refused.get_data(as_text=True)


def test_a_file_that_cannot_be_read_is_explained_on_the_workbench(embedded, visit):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)
    visitor = visit(firm)
    manage = f"/datasets/{dataset}/manage"
    sent = visitor.send(
        manage,
        f"/datasets/{dataset}/content",
        delimiter="",
        encoding="",
        files=(io.BytesIO(b"a,b\n1,2,3\n"), "ragged.csv"),
    )
    page = visitor.follow(sent)
    assert "could not be read; nothing of it was kept" in page
    assert "ragged.csv" in page
    assert "What to do" in page


def test_several_files_are_sent_at_once_and_a_refused_one_takes_all_back(embedded, visit, nothing, monkeypatch):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)
    visitor = visit(firm)
    manage, path = f"/datasets/{dataset}/manage", f"/datasets/{dataset}/content"
    two = {
        "files": [(io.BytesIO(b"a\n1\n"), "y1.csv"), (io.BytesIO(b"a\n2\n3\n"), "y2.csv")],
        "delimiter": "",
        "encoding": "",
    }
    assert ">3<" in visitor.follow(visitor.send(manage, path, **two)).replace("\n", "")
    two["files"] = [(io.BytesIO(b"a\n1\n"), "y1.csv"), (io.BytesIO(b"a\n2\n"), "..")]
    assert "A file has a name" in visitor.follow(visitor.send(manage, path, **two))
    assert embedded.leftovers() == nothing
    assert embedded.version(embedded.upload(firm, dataset, b"a\n1\n")).number == 2


def test_types_are_corrected_on_their_page(embedded, visit):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)
    version = embedded.upload(firm, dataset, b"batch,value\n1,2\n")
    visitor = visit(firm)
    page = visitor.get(f"/versions/{version}/types")
    assert '<option value="text">' in page
    sent = visitor.send(
        f"/versions/{version}/types", f"/versions/{version}/types", **{"type-0": "text", "type-1": "int64"}
    )
    assert "read again with your types" in visitor.follow(sent)
    sent = visitor.send(
        f"/versions/{version}/types", f"/versions/{version}/types", **{"type-0": "int64", "type-1": "int64"}
    )
    assert "Nothing was changed" in visitor.follow(sent)


def test_the_plan_form_refuses_what_fits_no_method_and_keeps_the_plan(embedded, visit):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, CODES.encode())
    offer = embedded.draft(firm, dataset)
    before = embedded.row(offer).plan_digest
    visitor, path = visit(firm), f"/offers/{offer}/edit"
    place = [rule["column"] for rule in embedded.row(offer).plan["columns"]].index("联系电话")
    for method, text in (("mask", "three"), ("round", ""), ("generalize", "a bit"), ("keep", "")):
        page = visitor.send(path, path, 422, **{f"method-{place}": method, f"text-{place}": text}).get_data(
            as_text=True
        )
        assert "Nothing was changed" in page
    assert embedded.row(offer).plan_digest == before


def test_the_plan_is_read_and_written_in_the_words_of_the_reader(embedded, visit):
    firm = embedded.exchange.firm("Maker")
    offer = embedded.draft(
        firm, embedded.prepared(firm, b"at,code\n2026-01-01 08:00:00,M-1\n2026-01-02 08:00:00,M-2\n")
    )
    place = [rule["column"] for rule in embedded.row(offer).plan["columns"]].index("at")
    path = f"/offers/{offer}/edit"
    rules = {"zh": ("月", {"unit": "month"}), "en": ("day", {"unit": "day"})}
    for language, (text, parameters) in rules.items():
        visitor = visit(firm, language)
        visitor.send(path, path, **{f"method-{place}": "generalize", f"text-{place}": text})
        assert embedded.row(offer).plan["columns"][place]["parameters"] == parameters
        page = visitor.get(path)
        assert f'name="text-{place}" value="{text}"' in page
        for code in (">keep<", ">suppress<", ">generalize<", ">pseudonymize<"):
            assert code not in page


def test_the_pages_of_others_and_of_narrow_roles_are_closed(embedded, visit):
    firm, other = embedded.exchange.firm("Maker"), embedded.exchange.firm("Other")
    dataset = embedded.prepared(firm, CODES.encode())
    offer = embedded.draft(firm, dataset)
    version = embedded.row(offer).version_id
    owned = [
        f"/datasets/{dataset}/{page}"
        for page in ("manage", "description", "rights", "grading", "offers/new", "valuation")
    ]
    owned += [f"/offers/{offer}/edit", f"/offers/{offer}", f"/versions/{version}/types", f"/datasets/{dataset}"]
    for path in owned:
        visit(other).get(path, 404)
    buyer = visit(embedded.exchange.person(firm, "buyer"))
    buyer.get(f"/datasets/{dataset}/manage")
    for path in (f"/datasets/{dataset}/rights", f"/offers/{offer}/edit", "/datasets/new"):
        buyer.get(path, 403)
    visit().get("/datasets", 401)
    visit(firm).get(f"/datasets/{dataset}?tab=nonsense", 404)


def test_filters_are_links_that_keep_the_words(embedded, visit):
    firm = embedded.exchange.firm("Maker")
    embedded.offer(firm, embedded.prepared(firm, CODES.encode(), title="Spindle"))
    page = visit().get("/catalog?q=spindle")
    link = re.search(r'href="(/catalog\?[^"]*grade=1[^"]*)"', page)[1].replace("&amp;", "&")
    assert "q=spindle" in link
    narrowed = visit().get(link)
    assert "Remove this filter" in narrowed
    assert "Spindle" in narrowed
    assert "Nothing fits" in visit().get("/catalog?q=nonexistent")
    assert visit().client.get("/catalog?grade=9").status_code == 422


def test_an_offer_leads_to_its_dataset(embedded, visit):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, CODES.encode())
    offer = embedded.offer(firm, dataset)
    answered = visit().client.get(f"/offers/{offer}")
    assert answered.status_code == 303
    assert dataset in answered.headers["Location"]
