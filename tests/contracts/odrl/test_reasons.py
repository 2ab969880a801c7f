"""Every refusal names the rule, the expected, the actual and the mend, in both languages."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contracts.odrl import World, parse
from contracts.odrl.operands import OPERANDS
from contracts.odrl.reasons import _CODES


def _one(left, operator, right, unit=None):
    constraint = {"leftOperand": left, "operator": operator, "rightOperand": right}
    return constraint | ({"unit": unit} if unit else {})


@pytest.mark.parametrize(
    ("constraint", "facts", "en", "zh"),
    [
        (
            _one("dateTime", "lt", "2026-06-01T00:00:00+08:00"),
            {},
            "Permission 1 allows this until the end of 31 May 2026 (UTC+8); it is 15 June 2026, 20:00 (UTC+8)."
            " Use the data within the agreed time, or agree on another time with the provider.",
            "第 1 项许可的条件是：截至2026年5月31日（含当日，北京时间）；而当前时间为2026年6月15日 20:00（北京时间）。"
            "请在约定时间内使用，或与提供方协商变更时间。",
        ),
        (
            _one("elapsedTime", "lteq", "P30D"),
            {"first": 31},
            "Permission 1 allows this within 30 days of the first use; 31 days have passed since the first use."
            " Agree on a longer time with the provider.",
            "第 1 项许可的条件是：在首次使用后 30 天内；而距首次使用已过 31 天。请与提供方协商延长使用期限。",
        ),
        (
            _one("ex:sinceAgreement", "lteq", "P30D"),
            {},
            "Permission 1 allows this within 30 days of the start of the agreement; whether that is so cannot be told,"
            " because the start of the agreement is not known. State it in the request, or have it put on record.",
            "第 1 项许可的条件是：在协议生效后 30 天内；但协议生效时间未知，无法判定。请在请求中说明，或先行登记。",
        ),
        (
            _one("count", "lteq", "5"),
            {"count": 5},
            "Permission 1 allows this at most 5 times; this would be use number 6."
            " Agree on further uses with the provider.",
            "第 1 项许可的条件是：最多 5 次；而本次将是第 6 次使用。请与提供方协商增加使用次数。",
        ),
        (
            _one("purpose", "eq", "research"),
            {"purpose": "marketing"},
            "Permission 1 allows this only for research; the stated purpose is “marketing”."
            " State a purpose that was agreed, or agree on this one with the provider.",
            "第 1 项许可的条件是：仅用于科学研究；而声明的用途为“marketing”。"
            "请声明约定的用途，或与提供方协商增加该用途。",
        ),
        (
            _one("recipient", "eq", "urn:x:plant"),
            {},
            "Permission 1 allows this only for “urn:x:plant” as recipient; whether that is so cannot be told, because"
            " no recipient is stated. State it in the request, or have it put on record.",
            "第 1 项许可的条件是：仅由“urn:x:plant”接收；但未声明接收方，无法判定。请在请求中说明，或先行登记。",
        ),
        (
            _one("spatial", "isPartOf", "CN"),
            {"attributes": {"spatial": ["CN", "US"]}},
            "Permission 1 allows this only within China; whether that is so cannot be told, because the place is China"
            " and “US”. State it in the request, or have it put on record.",
            "第 1 项许可的条件是：仅在中国范围内；但使用地为中国和“US”，无法判定。请在请求中说明，或先行登记。",
        ),
        (
            _one("industry", "isPartOf", "C34"),
            {"attributes": {"industry": "F51"}},
            "Permission 1 allows this only within the industry C34; the industry is F51."
            " Only organisations of the agreed industry may use the data; ask the provider for an exception.",
            "第 1 项许可的条件是：仅在 C34 行业范围内；而所属行业为 F51。"
            "仅约定行业的组织可以使用，如需例外请与提供方协商。",
        ),
        (
            _one("fileFormat", "eq", "text/csv"),
            {"attributes": {"fileFormat": "application/json"}},
            "Permission 1 allows this only in the format “text/csv”; the format is “application/json”."
            " Ask for a format that was agreed.",
            "第 1 项许可的条件是：仅以“text/csv”格式；而格式为“application/json”。请改用约定的格式。",
        ),
        (
            _one("payAmount", "gteq", "5000.00", "CNY"),
            {},
            "Permission 1 allows this once CNY 5,000.00 has been paid; CNY 0.00 has been paid."
            " Pay the outstanding amount first.",
            "第 1 项许可的条件是：在支付人民币 5,000.00 元后；而已支付人民币 0.00 元。请先付清所欠款项。",
        ),
        (
            _one("event", "gt", "urn:x:trial"),
            {"event": (None, None)},
            "Permission 1 allows this after the event “urn:x:trial”; it is 15 June 2026, 12:00 (UTC)."
            " Use the data when the event allows it, or agree on another time with the provider.",
            "第 1 项许可的条件是：在事件“urn:x:trial”之后；而当前时间为2026年6月15日 12:00（UTC）。"
            "请在事件允许的时间内使用，或与提供方协商变更。",
        ),
        (
            _one("timeInterval", "eq", "P7D"),
            {"last": 2},
            "Permission 1 allows this at intervals of at least 7 days; 2 days have passed since the last use."
            " Wait until the interval has passed, or agree on a shorter one with the provider.",
            "第 1 项许可的条件是：每次使用间隔不少于 7 天；而距上次使用已过 2 天。请待间隔时间届满，或与提供方协商缩短间隔。",
        ),
        (
            _one("delayPeriod", "eq", "P30D"),
            {},
            "Permission 1 allows this after a waiting period of 30 days from the start of the agreement; whether that is so"
            " cannot be told, because the start of the agreement is not known. State it in the request, or have it put on"
            " record.",
            "第 1 项许可的条件是：在协议生效后等待 30 天之后；但协议生效时间未知，无法判定。请在请求中说明，或先行登记。",
        ),
        (
            _one("meteredTime", "lteq", "PT10H"),
            {"meter": timedelta(hours=11)},
            "Permission 1 allows this for at most 10 hours of metered time; it would come to 11 hours of metered time."
            " Agree on more time with the provider.",
            "第 1 项许可的条件是：累计使用时间不超过 10 小时；而累计使用时间将达 11 小时。请与提供方协商增加使用时长。",
        ),
        (
            _one("percentage", "lteq", "12.5"),
            {"attributes": {"percentage": "50"}},
            "Permission 1 allows this for at most 12.5% of the data; it would be 50% of the data."
            " Ask for a smaller part of the data, or agree on a larger one with the provider.",
            "第 1 项许可的条件是：所涉数据比例不超过 12.5%；而本次涉及数据的 50%。请减少所请求的数据，或与提供方协商提高比例。",
        ),
        (
            _one("resolution", "lteq", "1", "kHz"),
            {"attributes": {"resolution": "20 kHz"}},
            "Permission 1 allows this at a resolution of at most 1 kHz; the resolution is 20 kHz."
            " Ask for a resolution that was agreed.",
            "第 1 项许可的条件是：分辨率不超过 1 kHz；而分辨率为 20 kHz。请改用约定的分辨率。",
        ),
        (
            _one("language", "eq", "zh"),
            {"attributes": {"language": "en"}},
            "Permission 1 allows this only in the language Chinese; the language is English."
            " Ask for a language that was agreed.",
            "第 1 项许可的条件是：仅以中文；而语言为英文。请改用约定的语言。",
        ),
        (
            _one("ex:grade", "lteq", "2"),
            {"known": {"ex:grade": 3}},
            "Permission 1 allows this only for data of grade 2 or lower; the data is of grade 3."
            " Ask for a version of a lower grade, such as a desensitized one.",
            "第 1 项许可的条件是：数据级别不高于 2 级；而数据级别为 3 级。请改用级别较低的版本，例如脱敏后的版本。",
        ),
        (
            _one("ex:dataCategory", "eq", "general"),
            {"known": {"ex:dataCategory": "important"}},
            "Permission 1 allows this only for general data; the category of the data is important data."
            " Ask for data of an agreed category.",
            "第 1 项许可的条件是：仅针对一般数据；而数据类别为重要数据。请改用约定类别的数据。",
        ),
        (
            _one("ex:crossBorder", "eq", False),
            {"known": {"ex:crossBorder": True}},
            "Permission 1 allows this where the data stays in the country; the data would leave the country."
            " Receive the data where it was agreed; for a transfer abroad have it assessed first.",
            "第 1 项许可的条件是：在数据不出境时；而数据将出境。请在约定的境内或境外接收；确需出境的，请先完成数据出境评估。",
        ),
        (
            _one("ex:securityLevel", "gteq", "3"),
            {"known": {"ex:securityLevel": 2}},
            "Permission 1 allows this only in systems of protection level 3 or higher; the consumer's system is of"
            " protection level 2. Have a system of the agreed protection level put on record.",
            "第 1 项许可的条件是：系统保护等级不低于 3 级；而使用方系统的保护等级为 2 级。请使用并登记达到约定保护等级的系统。",
        ),
        (
            _one("ex:artefactState", "eq", "encrypted"),
            {"known": {"ex:artefactState": ["desensitized", "sealed"]}},
            "Permission 1 allows this only while the data is encrypted; the data is desensitized and sealed."
            " Ask for the data in the agreed state.",
            "第 1 项许可的条件是：仅在数据已加密时；而数据状态为已脱敏和已封装。请以约定的状态获取数据。",
        ),
        (
            _one("version", "gteq", "1.2"),
            {"attributes": {"version": "1.1"}},
            "Permission 1 allows this only in versions from 1.2 on; the version is 1.1."
            " Ask for a version that was agreed.",
            "第 1 项许可的条件是：仅限 1.2 及更新版本；而版本为 1.1。请改用约定的版本。",
        ),
    ],
)
def test_a_refused_left_operand_in_words(offer, ask, now, *, constraint, facts, en, zh):
    world = World(
        counts={"use": facts["count"]} if "count" in facts else {},
        first_use=now - timedelta(days=facts["first"]) if "first" in facts else None,
        last_use=now - timedelta(days=facts["last"]) if "last" in facts else None,
        meters={"use": facts["meter"]} if "meter" in facts else {},
        attributes={"event": {"urn:x:trial": facts["event"]}} if "event" in facts else facts.get("known", {}),
    )
    request = {name: facts[name] for name in ("purpose", "attributes") if name in facts}
    decision = ask(offer(constraint), world=world, **request)
    assert decision.text("en") == en
    assert decision.text("zh") == zh


PAY = {"action": "compensate", "constraint": [_one("payAmount", "eq", "10", "CNY")]}
DELETE = {"action": "delete", "constraint": [_one("dateTime", "lteq", "2026-06-01T00:00Z")]}


def test_the_table_shows_a_refusal_of_every_left_operand():
    [mark] = [mark for mark in test_a_refused_left_operand_in_words.pytestmark if mark.name == "parametrize"]
    assert {row[0]["leftOperand"] for row in mark.args[1]} == set(OPERANDS)


@pytest.mark.parametrize(
    ("policy", "action", "code", "en", "zh"),
    [
        (
            {},
            "use",
            "empty",
            "The policy contains no permission, so nothing is allowed. Ask the provider to add a permission.",
            "该策略不含任何许可，因此不允许任何操作。请提供方补充许可。",
        ),
        (
            {"permission": [{"action": "read"}]},
            "use",
            "action",
            "No permission lets the consumer use the data; what is permitted is to read the data."
            " Agree on this action with the provider.",
            "没有许可允许使用方使用该数据；所许可的是读取该数据。请与提供方协商增加该动作。",
        ),
        (
            {"permission": [{"action": "use", "assignee": "urn:x:a"}]},
            "use",
            "assignee",
            "The permission is given to “urn:x:a”, not to “urn:x:buyer”. Ask for an agreement of your own.",
            "该许可授予“urn:x:a”，而非“urn:x:buyer”。请自行申请并签订协议。",
        ),
        (
            {"permission": [{"action": "use", "target": "urn:x:d"}]},
            "use",
            "target",
            "The permission is for the dataset “urn:x:d”, not for “urn:x:data”. Ask for an agreement over this dataset.",
            "该许可针对数据集“urn:x:d”，而非“urn:x:data”。请就该数据集申请并签订协议。",
        ),
        (
            {"permission": [{"action": "use", "assignee": {"@type": "PartyCollection", "source": "urn:x:club"}}]},
            "use",
            "member",
            "Permission 1 is given to the group “urn:x:club”; whether “urn:x:buyer” belongs to it is not known."
            " Have the membership put on record.",
            "第 1 项许可授予群组“urn:x:club”；“urn:x:buyer”是否属于该群组未知。请先行登记其归属关系。",
        ),
        (
            {"permission": [{"action": "use"}]},
            "mine",
            "request",
            "The requested action “mine” is not known. Ask for a known action, such as “use”.",
            "所请求的动作“mine”未知。请使用已知的动作，例如“use”。",
        ),
        (
            {"permission": [{"action": "use", "duty": [PAY]}]},
            "use",
            "unpaid",
            "Duty 1 of permission 1 asks for a payment of CNY 10.00 before the data is released; CNY 0.00 has been paid."
            " Pay the outstanding amount first.",
            "第 1 项许可的第 1 项义务要求先支付人民币 10.00 元方可交付；已支付人民币 0.00 元。请先付清所欠款项。",
        ),
        (
            {"permission": [{"action": "use", "duty": [DELETE]}]},
            "use",
            "overdue",
            "Duty 1 of permission 1 had to be done by 1 June 2026, 00:00 (UTC); it is 15 June 2026, 12:00 (UTC), so it"
            " could not be done in time. Agree on a later date with the provider.",
            "第 1 项许可的第 1 项义务须在2026年6月1日 00:00（UTC）之前完成；当前时间为2026年6月15日 12:00（UTC），"
            "已无法按时完成。请与提供方协商延后日期。",
        ),
        (
            {"permission": [{"action": "use", "duty": [{"action": "inform"}]}]},
            "use",
            "unperformed",
            "Duty 1 of permission 1 was not done in time: inform the other side about the data. Do it, and ask the"
            " provider to accept it late.",
            "第 1 项许可的第 1 项义务未按时履行：就该数据告知对方。请先履行，并请提供方接受补履行。",
        ),
        (
            {"permission": [{"action": "use"}], "prohibition": [{"action": "distribute"}], "conflict": "prohibit"},
            "distribute",
            "prohibited",
            "Prohibition 1 applies: the consumer may not pass the data on to third parties."
            " Agree on this use with the provider first.",
            "第 1 项禁止适用：使用方不得向第三方提供该数据。请先与提供方就该用途达成约定。",
        ),
        (
            {
                "permission": [{"action": "use"}],
                "prohibition": [{"action": "use", "constraint": [_one("purpose", "eq", "research")]}],
                "conflict": "prohibit",
            },
            "use",
            "not-excluded",
            "Prohibition 1 may apply, and this cannot be excluded: the consumer may not use the data for research."
            " State the missing fact in the request, or have it put on record.",
            "第 1 项禁止可能适用，目前无法排除：使用方不得使用该数据，情形为用于科学研究。"
            "请在请求中说明缺少的情况，或先行登记。",
        ),
        (
            {"permission": [{"action": "use"}], "prohibition": [{"action": "read"}]},
            "read",
            "conflict",
            "Permission 1 lets the consumer read the data and prohibition 1 forbids it; the policy does not say which"
            " wins, so nothing is allowed. Ask the provider to set “conflict” to “prohibit” or “perm”.",
            "第 1 项许可允许使用方读取该数据，而第 1 项禁止不允许；策略未规定以何者为准，因此不予允许。"
            "请提供方将 conflict 设为 prohibit 或 perm。",
        ),
        (
            {"permission": [{"action": "use", "constraint": [{"or": [_one("count", "gt", "1")]}]}]},
            "use",
            "choice",
            "Permission 1 asks that at least one of 1 alternatives holds; none is known to hold. Meet one of them.",
            "第 1 项许可要求 1 个备选条件中至少满足一个，目前没有确认满足的条件。请满足其中之一。",
        ),
        (
            {"permission": [{"action": "use"}], "obligation": [{"action": "compensate"}]},
            "use",
            "unknown",
            "The duty “compensate” at $.obligation[0] names no amount, so nothing is allowed."
            " Ask the provider to add a payAmount.",
            "$.obligation[0] 处的义务“compensate”未写明金额，因此不允许任何操作。请提供方补充 payAmount。",
        ),
    ],
)
def test_a_refusal_of_each_kind_in_words(ask, *, policy, action, code, en, zh):
    world = World(performed={"$.permission[0].duty[0]": False} if code == "unperformed" else {})
    reason = ask(parse({"@id": "urn:x"} | policy), action, world=world).reasons[0]
    assert reason.code == code
    assert reason.text_en == en
    assert reason.text_zh == zh


def test_the_two_tables_cover_every_code(request):
    shown = {"constraint", "undecided"} | {
        row[2] for mark in test_a_refusal_of_each_kind_in_words.pytestmark for row in mark.args[1]
    }
    assert shown == set(_CODES)
