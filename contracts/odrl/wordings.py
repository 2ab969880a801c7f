"""The words of refusals as tables: what was found, how to mend it, what was not understood; English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# What is found, by left operand, and what it means that nothing is.
ACTUAL: Mapping[str, tuple[str, str, str, str]] = MappingProxyType(
    {
        "dateTime": ("it is {}", "当前时间为{}", "the time is not known", "时间未知"),
        "elapsedTime": (
            "{} have passed since the first use",
            "距首次使用已过 {}",
            "the first use is not known",
            "首次使用时间未知",
        ),
        "ex:sinceAgreement": (
            "{} have passed since the start of the agreement",
            "距协议生效已过 {}",
            "the start of the agreement is not known",
            "协议生效时间未知",
        ),
        "count": (
            "this would be use number {}",
            "本次将是第 {} 次使用",
            "the number of uses so far is not known",
            "此前的使用次数未知",
        ),
        "payAmount": ("{} has been paid", "已支付{}", "the amount paid is not known", "已支付金额未知"),
        "purpose": ("the stated purpose is {}", "声明的用途为{}", "no purpose is stated", "未声明用途"),
        "recipient": ("the recipient is {}", "接收方为{}", "no recipient is stated", "未声明接收方"),
        "spatial": ("the place is {}", "使用地为{}", "the place is not known", "使用地未知"),
        "industry": ("the industry is {}", "所属行业为 {}", "the industry is not known", "所属行业未知"),
        "fileFormat": ("the format is {}", "格式为{}", "the format is not known", "格式未知"),
        "version": ("the version is {}", "版本为 {}", "the version is not known", "版本未知"),
        "timeInterval": (
            "{} have passed since the last use",
            "距上次使用已过 {}",
            "the last use is not known",
            "上次使用时间未知",
        ),
        "delayPeriod": (
            "{} have passed since the start of the agreement",
            "距协议生效已过 {}",
            "the start of the agreement is not known",
            "协议生效时间未知",
        ),
        "meteredTime": (
            "it would come to {} of metered time",
            "累计使用时间将达 {}",
            "the metered time is not known",
            "累计使用时间未知",
        ),
        "percentage": (
            "it would be {} of the data",
            "本次涉及数据的 {}",
            "the share of the data is not known",
            "所涉数据比例未知",
        ),
        "resolution": ("the resolution is {}", "分辨率为 {}", "the resolution is not known", "分辨率未知"),
        "language": ("the language is {}", "语言为{}", "the language is not known", "语言未知"),
        "ex:grade": (
            "the data is of grade {}",
            "数据级别为 {} 级",
            "the grade of the data is not known",
            "数据级别未知",
        ),
        "ex:dataCategory": (
            "the category of the data is {}",
            "数据类别为{}",
            "the category of the data is not known",
            "数据类别未知",
        ),
        "ex:crossBorder": (
            "{}",
            "{}",
            "whether the data would leave the country is not known",
            "数据是否出境未知",
        ),
        "ex:securityLevel": (
            "the consumer's system is of protection level {}",
            "使用方系统的保护等级为 {} 级",
            "the protection level of the consumer's system is not known",
            "使用方系统的保护等级未知",
        ),
        "ex:artefactState": (
            "the data is {}",
            "数据状态为{}",
            "the state of the data is not known",
            "数据状态未知",
        ),
        "event": (
            "it is {}",
            "当前时间为{}",
            "nothing is known about the event",
            "该事件的情况未知",
        ),
    }
)

MENDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "dateTime": (
            "Use the data within the agreed time, or agree on another time with the provider.",
            "请在约定时间内使用，或与提供方协商变更时间。",
        ),
        "elapsedTime": ("Agree on a longer time with the provider.", "请与提供方协商延长使用期限。"),
        "ex:sinceAgreement": ("Agree on a longer time with the provider.", "请与提供方协商延长使用期限。"),
        "count": ("Agree on further uses with the provider.", "请与提供方协商增加使用次数。"),
        "payAmount": ("Pay the outstanding amount first.", "请先付清所欠款项。"),
        "purpose": (
            "State a purpose that was agreed, or agree on this one with the provider.",
            "请声明约定的用途，或与提供方协商增加该用途。",
        ),
        "recipient": (
            "Name a recipient that was agreed, or agree on this one with the provider.",
            "请填写约定的接收方，或与提供方协商增加该接收方。",
        ),
        "spatial": (
            "Use the data in a place that was agreed, or agree on this one with the provider.",
            "请在约定的地区使用，或与提供方协商增加该地区。",
        ),
        "industry": (
            "Only organisations of the agreed industry may use the data; ask the provider for an exception.",
            "仅约定行业的组织可以使用，如需例外请与提供方协商。",
        ),
        "fileFormat": ("Ask for a format that was agreed.", "请改用约定的格式。"),
        "version": ("Ask for a version that was agreed.", "请改用约定的版本。"),
        "timeInterval": (
            "Wait until the interval has passed, or agree on a shorter one with the provider.",
            "请待间隔时间届满，或与提供方协商缩短间隔。",
        ),
        "delayPeriod": (
            "Wait until the period has passed, or agree on a shorter one with the provider.",
            "请待等待期届满，或与提供方协商缩短等待期。",
        ),
        "meteredTime": ("Agree on more time with the provider.", "请与提供方协商增加使用时长。"),
        "percentage": (
            "Ask for a smaller part of the data, or agree on a larger one with the provider.",
            "请减少所请求的数据，或与提供方协商提高比例。",
        ),
        "resolution": ("Ask for a resolution that was agreed.", "请改用约定的分辨率。"),
        "language": ("Ask for a language that was agreed.", "请改用约定的语言。"),
        "ex:grade": (
            "Ask for a version of a lower grade, such as a desensitized one.",
            "请改用级别较低的版本，例如脱敏后的版本。",
        ),
        "ex:dataCategory": ("Ask for data of an agreed category.", "请改用约定类别的数据。"),
        "ex:crossBorder": (
            "Receive the data where it was agreed; for a transfer abroad have it assessed first.",
            "请在约定的境内或境外接收；确需出境的，请先完成数据出境评估。",
        ),
        "ex:securityLevel": (
            "Have a system of the agreed protection level put on record.",
            "请使用并登记达到约定保护等级的系统。",
        ),
        "ex:artefactState": (
            "Ask for the data in the agreed state.",
            "请以约定的状态获取数据。",
        ),
        "event": (
            "Use the data when the event allows it, or agree on another time with the provider.",
            "请在事件允许的时间内使用，或与提供方协商变更。",
        ),
    }
)

KINDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "type": ("the policy type", "策略类型"),
        "conflict": ("the conflict strategy", "冲突策略"),
        "profile": ("the profile", "配置文件"),
        "context": ("the context", "上下文"),
        "property": ("the property", "属性"),
        "inheritFrom": ("the parent policy", "父策略"),
        "collection": ("the group without source or refinement", "既无来源也无细化条件的群组"),
        "dutyGroup": ("in a duty the group", "义务中的群组"),
        "reference": ("a value that lies elsewhere,", "位于他处的取值"),
        "action": ("the action", "动作"),
        "duty": ("the duty", "义务动作"),
        "dutyConstraint": ("in a duty the constraint", "义务中的约束"),
        "leftOperand": ("the left operand", "左操作数"),
        "operator": ("the operator", "运算符"),
        "rightOperand": ("the value", "取值"),
        "unit": ("the unit", "单位"),
        "logic": ("an empty logical constraint", "空的逻辑约束"),
    }
)

# What a right operand should look like, where it is not one of a list of terms.
FORMS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "xsd:dateTime": (
            "a time with its zone, such as 2026-12-31T16:00:00Z",
            "带时区的时间，例如 2026-12-31T16:00:00Z",
        ),
        "xsd:duration": ("a duration, such as P30D", "时长，例如 P30D"),
        "xsd:dayTimeDuration": ("a duration without months, such as PT10H", "不含月和年的时长，例如 PT10H"),
        "xsd:boolean": ("true or false", "true 或 false"),
        "percentage": ("a number from 0 to 100", "0 至 100 之间的数"),
        "number": ("a number, such as 0.5", "数，例如 0.5"),
        "grade": ("a grade from 1 to 3", "1 至 3 级"),
        "level": ("a protection level from 1 to 5", "1 至 5 级的保护等级"),
        "xsd:integer": ("a whole number, such as 5", "整数，例如 5"),
        "xsd:decimal": ("an amount with at most two decimals, such as 5000.00", "最多两位小数的金额，例如 5000.00"),
        "@id": ("a name or an address", "名称或网址"),
        "version": ("a dotted version, such as 1.2", "点分版本号，例如 1.2"),
        "one value": ("one value", "一个取值"),
        "at least one value": ("at least one value", "至少一个取值"),
    }
)
