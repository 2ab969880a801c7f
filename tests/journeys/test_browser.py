"""The whole journey in a real browser against a real server: each person has a window, every kind of page is looked at.

The tests are the steps of one story and run in their order; each page that is looked at is photographed into `screenshots/`,
light and dark, wide and on a phone, and examined for errors of the console, of its layout and of its accessibility.
"""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exchange.participants.credit_code import check_character

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROWS = 60_000
# Reading files and preparing deliveries is background work; a busy machine may take its time.
PATIENCE = 90_000
PASSWORD = "a long enough password"
PROVIDER, BUYER = "华东精密机床有限公司", "Jiangnan Bearings Co., Ltd."
TITLE = "数控机床主轴振动数据"
NEED = "用于预测本厂主轴轴承的磨损，安排检修。"


@dataclass
class Story:
    """What the steps leave for those after them."""

    dataset: str = ""
    negotiation: str = ""
    agreement: str = ""
    transfer: str = ""

    def so_far(self, name: str) -> str:
        """Return what an earlier step left; without it this step has nothing to stand on."""
        return str(getattr(self, name)) or pytest.skip("an earlier step of the journey did not get here")


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


def credit_code(number: int) -> str:
    body = f"91320594MA1BRW{number:02d}0"
    return body + check_character(body)


def table(path: Path) -> Path:
    """Write an invented table: times, machines, batch numbers that look like numbers, names, phones and prices."""
    chance = random.Random(11)
    people = [("张伟", "13800001234"), ("李秀英", "13900005678"), ("王建国", "13700004321")]
    lines = ["采集时间,设备编号,批次,主轴转速,振动值,操作员姓名,联系电话,单价"]
    for number in range(ROWS):
        name, phone = people[number % 3]
        day, minute, second = number // 86_400 + 1, number // 60 % 1440, number % 60
        lines.append(
            f"2026-03-{day:02d} {minute // 60:02d}:{minute % 60:02d}:{second:02d},CNC-{number % 6:02d},{20260300 + number // 500},"
            f"{6000 + chance.randrange(900)},{chance.gauss(1.2, 0.2):.3f},{name},{phone},{80 + number % 40}.50"
        )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def register(window: Any, name: str, owner: str, email: str, code: str) -> None:
    window.visit("/register")
    window.fill("Name of the organisation", name)
    window.fill("Unified social credit code", code)
    window.fill("Evidence for the verification", "国家企业信用信息公示系统，登记编号 3205000001234。")
    window.fill("Your name", owner)
    window.fill("E-mail address", email)
    window.fill("Password", PASSWORD, exact=True)
    window.fill("Password again", PASSWORD)


def test_a_visitor_reads_the_ledger_and_verifies_a_receipt(desk: Any) -> None:
    visitor = desk("visitor")
    visitor.visit("/")
    visitor.look("home")
    visitor.follow("Browse the catalogue")
    visitor.sees("Nothing is listed for you yet")
    visitor.look("catalogue-empty")
    visitor.visit("/datasets", status=401)
    visitor.look("error-401")
    visitor.visit("/audit")
    visitor.page.get_by_role("link", name="0", exact=True).click()
    visitor.sees("Log opened")
    visitor.look("entry-public")
    visitor.open("Inclusion proof")
    proof = visitor.page.locator(".receipt pre").inner_text()
    visitor.follow("Verify this receipt")
    visitor.fill("Receipt", proof, exact=True)
    visitor.press("Verify")
    visitor.sees("The receipt holds")
    visitor.look("receipt-verified")
    visitor.fill("Receipt", proof.replace("index 0", "index 1"), exact=True)
    visitor.press("Verify")
    visitor.sees("The receipt does not hold")
    visitor.look("receipt-refused")


def test_two_firms_register_and_may_do_little_while_they_are_pending(desk: Any) -> None:
    provider, buyer = desk("provider"), desk("buyer")
    register(provider, PROVIDER, "陈晓明", "provider@firm.example", "91320594MA1BRW0100")
    provider.fill("Password again", "another password")
    provider.press("Register", status=422)
    provider.sees("The check character of the unified social credit code is wrong.")
    provider.sees("The two passwords differ.")
    provider.look("register-errors")
    register(provider, PROVIDER, "陈晓明", "provider@firm.example", credit_code(1))
    provider.press("Register", status=201)
    provider.sees("Your joining is recorded")
    provider.look("registered")
    register(buyer, BUYER, "Lin Yue", "buyer@firm.example", credit_code(2))
    buyer.press("Register", status=201)
    provider.visit("/login")
    provider.fill("E-mail address", "provider@firm.example")
    provider.fill("Password", "not the password")
    provider.press("Sign in", status=422)
    provider.sees("You are not signed in")
    provider.look("login-errors")
    provider.sign_in("provider@firm.example", PASSWORD)
    buyer.sign_in("buyer@firm.example", PASSWORD)
    provider.look("home-pending")
    provider.visit("/datasets/new", status=403)
    provider.sees("until an operator has verified its evidence")
    provider.look("error-403-pending")
    provider.visit("/datasets/urn:uuid:00000000-0000-7000-8000-000000000000", status=404)
    provider.look("error-404")
    provider.visit("/organisation")
    provider.look("organisation-pending")


def test_the_operator_verifies_both_and_books_the_buyers_money(desk: Any, site: Any) -> None:
    operator = desk("operator")
    operator.sign_in("operator@exchange.example", site.passwords["operator"])
    operator.look("home-operator")
    for name in (BUYER, PROVIDER):
        operator.visit("/participants")
        operator.page.locator("tr", has_text=name).get_by_role("link", name="Check evidence").click()
        operator.sees("Check the evidence against the public register")
        operator.press("Verify this organisation")
        operator.sees(f"{name} is verified.")
    operator.look("participants")
    operator.visit("/accounts/top-up")
    operator.pick("Organisation", f"{BUYER} ({credit_code(2)})")
    operator.fill("Amount received", "500000")
    operator.fill("Reference of the bank transfer", "BANK-2026-0001")
    operator.look("top-up")
    operator.press("Book it")
    operator.sees("The transfer is booked and recorded.")
    operator.look("accounts-exchange")


def test_the_provider_publishes_a_table_watches_it_being_read_and_corrects_a_type(
    desk: Any, story: Story, tmp_path: Path
) -> None:
    provider = desk("provider")
    provider.visit("/datasets/new")
    provider.press("Upload", status=422)
    provider.sees("Choose at least one file.")
    provider.look("dataset-new-errors")
    provider.page.set_input_files("input[type=file]", table(tmp_path / "spindle.csv"))
    provider.fill("Title", TITLE)
    provider.fill("Description", "六台加工中心主轴的转速与振动，每秒一行，附批次与操作员。")
    provider.fill("Keywords", "机床, 主轴, 振动")
    provider.pick("Data domain", "Production data")
    provider.press("Upload")
    dataset = provider.page.url.split("/datasets/")[1].split("/")[0]
    # The page follows the job by itself: a bar while the file is read, then what was found, without a hand on it.
    provider.page.locator("[data-poll-url] progress").first.wait_for()
    provider.sees("Reading version 1")
    provider.sees("4 sensitive findings", PATIENCE)
    provider.follow("Check the types")
    provider.page.locator("tr", has_text="批次").get_by_role("combobox").select_option("text")
    provider.look("types")
    provider.press("Read again with these types")
    provider.sees("the result is the next version")
    provider.page.locator("#content dd").get_by_text("2", exact=True).first.wait_for(timeout=PATIENCE)
    provider.page.locator("aside progress").first.wait_for(timeout=PATIENCE)
    provider.look("workbench-findings")
    story.dataset = dataset


def test_the_provider_declares_rights_and_determines_the_grade(desk: Any, story: Story) -> None:
    provider, dataset = desk("provider"), story.so_far("dataset")
    provider.visit(f"/datasets/{dataset}/rights")
    provider.press("Declare and sign", status=422)
    provider.look("rights-errors")
    for right in ("right to hold", "right to process", "right to operate"):
        provider.tick(right)
    provider.tick("Own production or operation")
    provider.fill("Evidence", "二〇二四年设备台账与操作员协议。", exact=True)
    provider.press("Declare and sign")
    provider.sees("The declaration of rights is recorded")
    provider.visit(f"/datasets/{dataset}/grading")
    provider.look("grading")
    for answer in ("A larger or major accident", "A considerable loss", "Few users or partners"):
        provider.tick(answer)
    provider.press("Determine and sign", status=422)
    provider.sees("The columns suggest a higher answer to “Reach beyond the enterprise”.")
    provider.look("grading-below-the-suggestion")
    provider.fill("Why a lower answer than suggested is right", "三名操作员均为本厂员工，已书面同意。")
    provider.press("Determine and sign")
    provider.sees("Grade 2 is recorded on the ledger.")


def test_the_provider_values_the_data_and_offers_it(desk: Any, story: Story) -> None:
    provider, dataset = desk("provider"), story.so_far("dataset")
    provider.visit(f"/datasets/{dataset}/valuation")
    costs = {"Collection": "42000", "Storage": "9000", "Cleaning": "11000", "Margin": "8"}
    for label, text in {**costs, "Age in years": "1", "Useful life": "5", "Expected licences": "10"}.items():
        provider.fill(label, text)
    provider.press("Estimate and record")
    provider.sees("The estimate is recorded")
    provider.look("valuation")
    provider.visit(f"/datasets/{dataset}/offers/new")
    provider.follow("A number of uses for named purposes")
    provider.tick("predictive maintenance")
    provider.fill("Number of uses", "1")
    provider.look("offer-new")
    provider.press("Draft the offer")
    provider.sees("As delivered")
    provider.look("offer-draft")
    provider.press("Publish the offer")
    provider.sees("The offer is open")
    provider.visit(f"/datasets/{dataset}/manage")
    provider.look("workbench-offered")
    provider.visit("/datasets")
    provider.look("my-data")


def test_the_buyer_finds_the_dataset_reads_it_and_requests_it(desk: Any, story: Story) -> None:
    story.so_far("dataset")
    buyer = desk("buyer")
    buyer.visit("/catalog")
    buyer.fill("Search datasets", "振动")
    buyer.press("Search")
    buyer.look("catalogue-search")
    buyer.follow(TITLE)
    for tab in ("Dictionary", "Quality", "Value", "Terms", "Versions", "Proof", "Overview"):
        buyer.page.locator(".tabs").get_by_role("link", name=tab).click()
        buyer.page.locator(".tabs [aria-current]", has_text=tab).wait_for()
        buyer.look(f"dataset-{tab.lower()}")
    buyer.follow("Request access")
    buyer.press("Send the request")
    buyer.sees("The request was not sent")
    buyer.look("request-errors")
    buyer.pick("Purpose", "Predictive maintenance")
    buyer.fill("What you will do with the data", NEED)
    buyer.press("Send the request")
    buyer.sees("Your request is recorded")
    buyer.look("negotiation-requested")
    story.negotiation = buyer.page.url.rsplit("/", 1)[1]


def test_the_provider_approves_and_the_buyer_signs_and_funds(desk: Any, story: Story) -> None:
    provider, buyer, negotiation = desk("provider"), desk("buyer"), story.so_far("negotiation")
    provider.visit("/")
    provider.sees("A request or offer waits for your answer")
    provider.look("home-member")
    provider.visit("/negotiations")
    provider.look("negotiations")
    provider.follow(TITLE)
    provider.open("Approve and sign")
    provider.look("negotiation-approve")
    provider.press("Sign for my organisation")
    provider.sees("You approved the terms and signed")
    buyer.visit(f"/negotiations/{negotiation}")
    buyer.confirm("Check and sign", "Sign for my organisation")
    buyer.look("agreement-unfunded")
    buyer.confirm("Fund the agreement", "Fund it")
    buyer.sees("the agreement is in force")
    buyer.look("agreement-in-force")
    story.agreement = buyer.page.url.rsplit("/", 1)[1]
    buyer.visit("/accounts")
    buyer.look("accounts-buyer")


def test_the_buyer_receives_and_acknowledges_and_a_second_use_is_refused(
    desk: Any, story: Story, tmp_path: Path
) -> None:
    buyer, agreement = desk("buyer"), story.so_far("agreement")
    buyer.visit(f"/agreements/{agreement}")
    buyer.open("Start a delivery")
    buyer.sees("This takes use 1 of 1.")
    buyer.look("agreement-start-delivery")
    buyer.press("Take this use")
    buyer.sees("Download the data", PATIENCE)
    buyer.look("delivery-started")
    received = buyer.download("Download the data", tmp_path)
    assert received.stat().st_size > 100_000
    buyer.fill("SHA-256", "sha256:" + "0" * 64)
    buyer.press("Acknowledge the delivery", status=422)
    buyer.sees("What arrived is not what was recorded")
    buyer.look("acknowledge-refused")
    buyer.fill("SHA-256", hashlib.sha256(received.read_bytes()).hexdigest())
    buyer.press("Acknowledge the delivery")
    buyer.sees("The delivery is acknowledged")
    buyer.look("delivery-completed")
    story.transfer = buyer.page.url.rsplit("/", 1)[1]
    buyer.visit(f"/agreements/{agreement}")
    buyer.sees("No further delivery can be started")
    buyer.sees("this would be use number 2")
    assert buyer.page.get_by_text("Start a delivery").count() == 0
    buyer.look("uses-spent")
    buyer.visit("/transfers")
    buyer.look("deliveries")


def test_the_auditor_opens_an_entry_and_verifies_a_bundle_offline(
    desk: Any, site: Any, story: Story, tmp_path: Path
) -> None:
    story.so_far("agreement")
    auditor = desk("auditor")
    auditor.sign_in("auditor@exchange.example", site.passwords["auditor"])
    auditor.visit("/supervision")
    auditor.look("supervision")
    auditor.visit("/audit")
    auditor.look("ledger")
    log_key = auditor.page.locator(".checkpoint [data-copy]").last.get_attribute("data-copy")
    auditor.page.locator("tr", has_text="Agreement signed by the provider").get_by_role("link").first.click()
    auditor.sees("Opening it is itself recorded on the ledger.")
    auditor.follow("Open and record it")
    auditor.sees("agreement_digest")
    auditor.look("entry-opened")
    auditor.visit("/audit")
    newest = auditor.page.locator("tbody tr").first.inner_text()
    assert "audit.read" in newest
    auditor.visit("/supervision/agreements")
    auditor.look("supervision-agreements")
    bundle = auditor.download("Evidence bundle", tmp_path)
    verified = subprocess.run(
        [sys.executable, "-m", "ledger", "verify", str(bundle), "--key", str(log_key)],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_the_other_pages_of_a_member(desk: Any, story: Story) -> None:
    story.so_far("dataset")
    provider = desk("provider")
    pages = {
        "/account": "account", "/account/tokens": "tokens", "/audit/mine": "our-entries", "/accounts": "accounts-provider",
        "/organisation": "organisation",
    }  # fmt: skip
    for path, name in pages.items():
        provider.visit(path)
        provider.look(name)
    provider.visit("/api/docs")
    provider.page.locator(".opblock-tag").first.wait_for()
    provider.look("api-docs")


def test_language_and_appearance_are_chosen_on_the_page(desk: Any) -> None:
    visitor = desk("visitor")
    visitor.visit("/")
    visitor.follow("中文")
    assert visitor.page.evaluate("document.documentElement.lang") == "zh-CN"
    visitor.page.locator(".menu-theme summary").click()
    visitor.follow("深色")
    assert visitor.page.evaluate("document.documentElement.dataset.bsTheme") == "dark"
    visitor.page.set_viewport_size({"width": 390, "height": 844})
    visitor.page.locator(".menu-mobile summary").click()
    visitor.look_in_chinese("zh-menu-on-a-phone")


def test_the_main_pages_speak_chinese(desk: Any, story: Story) -> None:
    dataset, negotiation = story.so_far("dataset"), story.so_far("negotiation")
    agreement, transfer = story.so_far("agreement"), story.so_far("transfer")
    pages = [
        ("provider", "/", "home"), ("provider", f"/datasets/{dataset}/manage", "workbench"),
        ("provider", f"/datasets/{dataset}/grading", "grading"), ("provider", f"/datasets/{dataset}/valuation", "valuation"),
        ("buyer", "/catalog?q=振动", "catalogue"), ("buyer", f"/datasets/{dataset}", "dataset"),
        ("buyer", f"/datasets/{dataset}?tab=quality", "dataset-quality"), ("buyer", f"/datasets/{dataset}?tab=terms", "dataset-terms"),
        ("buyer", f"/negotiations/{negotiation}", "negotiation"), ("buyer", f"/agreements/{agreement}", "agreement"),
        ("buyer", f"/transfers/{transfer}", "delivery"), ("buyer", "/accounts", "accounts"), ("auditor", "/audit", "ledger"),
        ("auditor", "/audit/verify?index=0", "verify"), ("auditor", "/supervision", "supervision"),
    ]  # fmt: skip
    for person, path, name in pages:
        desk(person).choose_language("zh")
        desk(person).visit(path)
        assert desk(person).page.evaluate("document.documentElement.lang") == "zh-CN"
        desk(person).look_in_chinese(f"zh-{name}")


def test_no_page_raised_an_error_or_broke_the_content_security_policy(desk: Any, album: Any) -> None:
    assert len(album.pages) > 50, "the pages were not looked at"
    assert not album.console, "\n".join(album.console)


def test_no_page_was_wider_than_its_window(desk: Any, album: Any) -> None:
    assert not album.layout, "\n".join(album.layout)


def test_no_page_had_a_serious_barrier_for_anybody(desk: Any, album: Any) -> None:
    assert not album.accessibility, "\n".join(album.accessibility)


def test_no_chinese_page_had_an_english_sentence(desk: Any, album: Any) -> None:
    assert not album.english, "\n".join(album.english)
