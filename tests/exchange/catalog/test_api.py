"""The journey of a listing over HTTP, and what the API answers to bad input."""

import base64
import hashlib
import io
import json
import zipfile

import pytest

CODES = b"code,value\n001,1.5\n002,2.5\n"
RIGHTS = {
    "holding": True, "processing": True, "operating": True, "source": "own-production",
    "evidence": "Own production line, register entry 42.",
}  # fmt: skip
GRADING = {
    "answers": {"safety": 1, "loss": 1, "reach": 1},
    "category": "general",
    "reason": "Every row of this table is invented.",
}
OFFER = {
    "template": "n-times",
    "parameters": {"count": 3},
    "price": {"kind": "one-off", "amount_fen": 9900},
    "visibility": "public",
}


def put(client, dataset, data, name="data.csv", **query):
    return client.put(
        f"/api/v1/datasets/{dataset}/content", query_string={"filename": name, **query}, data=data,
        content_type="application/octet-stream",
    )  # fmt: skip


def make(client, **described):
    body = {"title": "Spindle vibration", "domain": "production", "description": "Telemetry.", **described}
    answered = client.post("/api/v1/datasets", json=body)
    assert answered.status_code == 201
    assert answered.headers["Location"].endswith(f"/api/v1/datasets/{answered.json['id']}")
    return answered.json["id"]


def list_it(client, data=CODES, **described):
    dataset = make(client, **described)
    assert put(client, dataset, data).status_code == 200
    assert client.put(f"/api/v1/datasets/{dataset}/rights", json=RIGHTS).status_code == 200
    assert client.put(f"/api/v1/datasets/{dataset}/grading", json=GRADING).status_code == 200
    offer = client.post(f"/api/v1/datasets/{dataset}/offers", json=OFFER)
    assert offer.status_code == 201
    published = client.post(f"/api/v1/offers/{offer.json['id']}/publication")
    assert published.status_code == 200
    return dataset, offer.json["id"], published


def problem(answered, status, code):
    assert answered.status_code == status, answered.json
    assert answered.content_type == "application/problem+json"
    assert answered.json["code"] == code
    return answered.json


def test_a_listing_is_made_offered_found_and_withdrawn_over_http(market, sample_csv):
    provider, buyer = market.exchange.firm("Maker"), market.exchange.firm("Buyer")
    client, other, stranger = market.exchange.client(provider), market.exchange.client(buyer), market.exchange.client()
    dataset, offer, published = list_it(client, sample_csv, title="五轴加工中心")
    receipt = published.json["receipts"][-1]
    assert int(receipt["index"]) >= 0
    assert "c2sp.org/tlog-proof" in receipt["proof"]
    for reader in (client, other, stranger):
        found = reader.get("/api/v1/catalog", query_string={"q": "加工中心"}).json
        assert [item["offer"] for item in found["items"]] == [offer]
        assert found["facets"]["price"] == {"one-off": 1}
    seen = other.get(f"/api/v1/datasets/{dataset}").json
    assert seen["version"]["rows"] == 200
    assert {"column": "联系电话", "kind": "mobile_phone", "category": "direct"} in seen["version"]["findings"]
    assert seen["offers"][0]["terms"]["en"]
    assert "evidence" not in seen["rights"]
    assert "warnings" not in seen["version"]
    version = seen["version"]["id"]
    assert other.get(f"/api/v1/versions/{version}/quality").json["report"]["rows"] == 200
    assert other.get(f"/api/v1/versions/{version}/profile").status_code == 404
    assert client.get(f"/api/v1/versions/{version}/profile").json["profile"]["rows"] == 200
    assert other.get(f"/api/v1/offers/{offer}").json["policy"]["@type"] == "Offer"
    assert other.get(f"/api/v1/offers/{offer}/preview").status_code == 404
    preview = client.get(f"/api/v1/offers/{offer}/preview").json
    place = [column["name"] for column in preview["columns"]].index("联系电话")
    assert preview["before"][0][place] == "13800000000"
    assert preview["after"][0][place] == "138****0000"
    assert client.post(f"/api/v1/offers/{offer}/withdrawal").json["state"] == "closed"
    for reader in (other, stranger):
        assert reader.get("/api/v1/catalog").json["items"] == []
        assert reader.get(f"/api/v1/datasets/{dataset}").status_code == 404
        assert reader.get(f"/api/v1/offers/{offer}").status_code == 404
        assert reader.get(f"/api/v1/versions/{version}").status_code == 404
        assert reader.get(f"/api/v1/versions/{version}/quality").status_code == 404
    assert client.get("/api/v1/datasets").json["items"][0]["state"] == "withdrawn"


def test_the_value_is_estimated_over_http(embedded, sample_csv):
    provider, buyer = embedded.exchange.firm("Maker"), embedded.exchange.firm("Buyer")
    client, other = embedded.exchange.client(provider), embedded.exchange.client(buyer)
    dataset, _, _ = list_it(client, sample_csv)
    assert {"id": "collection", "group": "direct"}.items() <= client.get("/api/v1/appraisal/accounts").json["items"][
        4
    ].items()
    costs = {"items": {"collection": 50_000_00}, "margin": "0.1", "age_years": "0", "life_years": "4"}
    made = client.post(f"/api/v1/datasets/{dataset}/valuations", json=costs)
    assert made.status_code == 201
    report = client.get(made.headers["Location"])
    assert "sha256:" + hashlib.sha256(report.data).hexdigest() == made.json["digest"]
    assert other.get(made.headers["Location"]).status_code == 404
    seen = other.get(f"/api/v1/versions/{made.json['version']}/valuation").json
    assert seen["value_fen"] == made.json["value_fen"]
    assert "inputs" not in seen
    assert client.get(f"/api/v1/datasets/{dataset}/valuations").json["items"][0]["steps"]
    assert other.get(f"/api/v1/datasets/{dataset}/valuations").status_code == 404
    draft = client.post(f"/api/v1/datasets/{dataset}/offers", json=OFFER).json["id"]
    choice = {"valuation": made.json["id"], "kind": "free"}
    assert client.post(f"/api/v1/offers/{draft}/price", json=choice).json["price"]["amount_fen"] == 0
    wrong = client.post(f"/api/v1/datasets/{dataset}/valuations", json={**costs, "margin": "x"})
    assert problem(wrong, 422, "invalid-input")["field"] == "margin"


def test_every_resource_of_another_firm_answers_as_if_it_did_not_exist(embedded):
    owner, other = embedded.exchange.firm("Maker"), embedded.exchange.firm("Other")
    mine, theirs = embedded.exchange.client(owner), embedded.exchange.client(other)
    dataset = make(mine)
    version = put(mine, dataset, CODES).json["version"]
    mine.put(f"/api/v1/datasets/{dataset}/grading", json=GRADING)
    offer = mine.post(f"/api/v1/datasets/{dataset}/offers", json=OFFER).json["id"]
    calls = [
        ("get", f"datasets/{dataset}", None), ("patch", f"datasets/{dataset}", {"title": "Mine now"}),
        ("delete", f"datasets/{dataset}/content", None), ("get", f"datasets/{dataset}/versions", None),
        ("put", f"datasets/{dataset}/rights", RIGHTS), ("put", f"datasets/{dataset}/grading", GRADING),
        ("get", f"datasets/{dataset}/offers", None), ("post", f"datasets/{dataset}/offers", OFFER),
        ("get", f"versions/{version}", None), ("post", f"versions/{version}/publication", None),
        ("post", f"versions/{version}/rereading", {}), ("get", f"versions/{version}/quality", None),
        ("get", f"versions/{version}/valuation", None), ("get", f"offers/{offer}", None),
        ("patch", f"offers/{offer}", {"visibility": "public"}), ("delete", f"offers/{offer}", None),
        ("post", f"offers/{offer}/publication", None), ("post", f"offers/{offer}/withdrawal", None),
        ("get", f"offers/{offer}/preview", None),
    ]  # fmt: skip
    unknown = "urn:uuid:00000000-0000-7000-8000-000000000000"
    for method, path, body in calls:
        foreign = getattr(theirs, method)(f"/api/v1/{path}", json=body)
        nothing = getattr(theirs, method)(
            f"/api/v1/{path.split('/')[0]}/{unknown}{path[path.find('/', path.find('/') + 1) :] if path.count('/') > 1 else ''}",
            json=body,
        )
        assert foreign.status_code == nothing.status_code == 404, path
        assert foreign.json == nothing.json, path
    assert put(theirs, dataset, CODES).status_code == 404


def test_a_pending_firm_gets_403_and_may_look_around(embedded):
    client = embedded.exchange.client(embedded.exchange.firm("Newcomer", verified=False))
    problem(client.post("/api/v1/datasets", json={"title": "Too early"}), 403, "participant-not-verified")
    assert client.get("/api/v1/catalog").status_code == 200


def test_a_stranger_may_not_write_and_a_narrow_token_not_either(embedded):
    firm = embedded.exchange.firm("Maker")
    problem(embedded.exchange.client().post("/api/v1/datasets", json={"title": "Nobody's"}), 401, "not-authenticated")
    client = embedded.exchange.app.test_client()
    token = embedded.exchange.token(firm, ["firm:catalog:read"])
    narrow = {"Authorization": f"Bearer {token}"}
    problem(client.post("/api/v1/datasets", json={"title": "Too narrow"}, headers=narrow), 403, "permission-denied")


def test_a_token_without_the_catalogue_sees_what_a_stranger_sees(embedded):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, CODES, grade=2)
    embedded.offer(firm, dataset, visibility="authorised")
    client = embedded.exchange.app.test_client()
    headers = {"Authorization": f"Bearer {embedded.exchange.token(firm, ['firm:transfer:read'])}"}
    assert client.get("/api/v1/catalog", headers=headers).json["items"] == []
    assert client.get(f"/api/v1/datasets/{dataset}", headers=headers).status_code == 404


def test_an_upload_cut_short_is_400_and_nothing_is_kept(embedded, nothing):
    client = embedded.exchange.client(embedded.exchange.firm("Maker"))
    dataset = make(client)
    cut = client.put(
        f"/api/v1/datasets/{dataset}/content", query_string={"filename": "a.csv"}, input_stream=io.BytesIO(b"a,b\n1"),
        environ_overrides={"CONTENT_LENGTH": "1000"},
    )  # fmt: skip
    assert cut.status_code == 400
    assert cut.content_type == "application/problem+json"
    assert embedded.leftovers() == nothing
    assert list(embedded.exchange.operations.services.objects.digests()) == []


def test_an_upload_beyond_the_limit_is_413(make_exchange, market_of, nothing):
    market = market_of(make_exchange(max_upload_bytes=2000))
    client = market.exchange.client(market.exchange.firm("Maker"))
    dataset = make(client)
    refused = put(client, dataset, b"x" * 2001)
    assert refused.status_code == 413
    assert refused.content_type == "application/problem+json"
    assert market.leftovers() == nothing


def test_the_announced_digest_is_checked(embedded, nothing):
    client = embedded.exchange.client(embedded.exchange.firm("Maker"))
    dataset = make(client)
    path, query = f"/api/v1/datasets/{dataset}/content", {"filename": "a.csv"}
    right = base64.b64encode(hashlib.sha256(CODES).digest()).decode()
    for headers in (
        {"X-Content-SHA256": hashlib.sha256(b"other").hexdigest()},
        {"Content-Digest": f"sha-256=:{'A' * 43}=:"},
    ):
        wrong = client.put(path, query_string=query, data=CODES, headers=headers)
        problem(wrong, 422, "digest-mismatch")
    malformed = client.put(path, query_string=query, data=CODES, headers={"Content-Digest": "sha-256=:***:"})
    assert problem(malformed, 422, "invalid-input")["field"] == "Content-Digest"
    assert embedded.leftovers() == nothing
    sent = client.put(
        path, query_string=query, data=CODES, headers={"Content-Digest": f"sha-512=:xx:, sha-256=:{right}:"}
    )
    assert sent.status_code == 200


def test_a_repeated_put_with_its_key_answers_the_same(embedded):
    client = embedded.exchange.client(embedded.exchange.firm("Maker"))
    dataset = make(client)
    path, headers = f"/api/v1/datasets/{dataset}/content?filename=a.csv", {"Idempotency-Key": "k1"}
    first = client.put(path, data=CODES, headers=headers)
    again = client.put(path, data=CODES, headers=headers)
    assert (again.status_code, again.json["version"]) == (200, first.json["version"])
    problem(client.put(path, data=b"a\n9\n", headers=headers), 422, "idempotency-key-reused")


def test_a_repeated_publication_with_its_key_answers_the_same(embedded):
    client = embedded.exchange.client(embedded.exchange.firm("Maker"))
    dataset = make(client)
    put(client, dataset, CODES)
    client.put(f"/api/v1/datasets/{dataset}/rights", json=RIGHTS)
    client.put(f"/api/v1/datasets/{dataset}/grading", json=GRADING)
    offer = client.post(f"/api/v1/datasets/{dataset}/offers", json=OFFER).json["id"]
    first = client.post(f"/api/v1/offers/{offer}/publication", headers={"Idempotency-Key": "p1"})
    again = client.post(f"/api/v1/offers/{offer}/publication", headers={"Idempotency-Key": "p1"})
    assert first.json["receipts"][0]["index"] == again.json["receipts"][0]["index"]
    problem(client.post(f"/api/v1/offers/{offer}/publication"), 409, "offer-not-draft")


def bomb():
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 300_000_000)
    return target.getvalue()


BAD = {
    "an empty file": (b"", "data.csv"),
    "a header only": (b"a,b,c\n", "data.csv"),
    "ragged rows": (b"a,b\n1,2\n1,2,3\n", "data.csv"),
    "a Parquet file cut short": (b"PAR1" + b"\x00" * 100, "data.parquet"),
    "a zip bomb in XLSX": (None, "data.xlsx"),
    "duplicate names": (b"a,a\n1,2\n", "data.csv"),
    "a column without a name": (b"a,b,\n1,2,3\n", "data.csv"),
    "broken JSON lines": (b'{"a": 1}\n{"a": \n', "data.jsonl"),
    "no encoding of text": (b"a,b\n\xff\xfe\xfa,\x81\x00\n", "data.csv"),
    "a cell of 20 MB": (b"a,b\n1," + b"x" * 20_000_000 + b"\n", "data.csv"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_file_that_cannot_be_read_is_refused_with_field_reason_and_mend(embedded, nothing, what):
    data, name = BAD[what]
    client = embedded.exchange.client(embedded.exchange.firm("Maker"))
    dataset = make(client)
    refused = put(client, dataset, bomb() if data is None else data, name)
    assert refused.status_code == 422, refused.json
    assert refused.content_type == "application/problem+json"
    assert refused.json["field"]
    assert refused.json["detail"]
    assert refused.json["mend"]
    shown = client.get(f"/api/v1/datasets/{dataset}/versions").json["items"][0]
    assert shown["state"] == "failed"
    assert shown["error"]["code"] == refused.json["code"]
    assert client.get(f"/api/v1/datasets/{dataset}").json["missing"][0] == "content"
    assert embedded.leftovers() == nothing
    assert list(embedded.exchange.operations.services.objects.digests()) == []
    assert put(client, dataset, CODES).status_code == 200, "the dataset can be mended by another upload"


@pytest.mark.parametrize(
    "data",
    ["编号,温度\n1,20\n".encode("gb18030"), b"\xef\xbb\xbfa,b\n1,2\n", b"a;b\n1;2\n", b"a,b\n1,NaN\n2,Infinity\n",
     (",".join(f"c{n}" for n in range(2000)) + "\n" + ",".join("1" * 2000) + "\n").encode(), b"a,b\n=1+2,@SUM(A1)\n"],
    ids=["GB18030", "BOM", "semicolons", "NaN and Inf", "2000 columns", "formulas"],
)  # fmt: skip
def test_unusual_but_readable_files_are_read(embedded, data):
    client = embedded.exchange.client(embedded.exchange.firm("Maker"))
    dataset = make(client)
    answered = put(client, dataset, data)
    assert (answered.status_code, answered.json.get("state")) == (200, "ready"), answered.json


def test_reading_options_travel_with_the_upload(embedded):
    client = embedded.exchange.client(embedded.exchange.firm("Maker"))
    dataset = make(client)
    answered = put(client, dataset, b"code|value\n001|1,5\n", types=json.dumps({"code": "text"}), delimiter="|")
    version = client.get(f"/api/v1/versions/{answered.json['version']}").json
    assert [column["type"] for column in version["columns"]] == ["text", "float64[decimal-comma]"]
    assert put(client, dataset, CODES, types="[1]").status_code == 422
    assert put(client, dataset, CODES, part=2, parts=1).status_code == 422


def test_types_are_corrected_over_http(embedded):
    client = embedded.exchange.client(embedded.exchange.firm("Maker"))
    version = put(client, make(client), b"batch,value\n1,1.5\n").json["version"]
    again = client.post(f"/api/v1/versions/{version}/rereading", json={"types": {"batch": "text"}})
    assert (again.status_code, again.json["state"]) == (202, "ready")
    problem(
        client.post(f"/api/v1/versions/{again.json['version']}/rereading", json={"types": {"value": "date"}}),
        422,
        "not-of-type",
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("datasets", {}),
        ("datasets", {"title": "x"}),
        ("datasets", {"title": "Fine", "domain": "nowhere"}),
        ("datasets", {"title": "Fine", "keywords": ["k" * 60]}),
        ("datasets", {"title": "Fine", "unknown": 1}),
        ("datasets", {"title": "Two\nlines"}),
        ("datasets", {"title": ["a", "list"]}),
    ],
)
def test_a_bad_description_is_422(embedded, path, body):
    client = embedded.exchange.client(embedded.exchange.firm("Maker"))
    refused = client.post(f"/api/v1/{path}", json=body)
    assert refused.status_code == 422
    assert refused.content_type == "application/problem+json"


def test_domains_and_questions_are_given_as_data(embedded):
    client = embedded.exchange.client()
    domains = client.get("/api/v1/catalog/domains").json["items"]
    assert "production" in {domain["id"] for domain in domains}
    questions = client.get("/api/v1/catalog/grading").json["items"]
    assert [(question["id"], len(question["answers"])) for question in questions] == [
        ("safety", 3),
        ("loss", 3),
        ("reach", 3),
    ]


def test_the_api_description_names_every_route(embedded):
    description = embedded.exchange.client().get("/api/v1/openapi.json").json
    for path in ("/api/v1/catalog", "/api/v1/datasets/{dataset}/content", "/api/v1/offers/{offer}/publication",
                 "/api/v1/versions/{version}/quality", "/api/v1/datasets/{dataset}/valuations"):  # fmt: skip
        assert path in description["paths"]
