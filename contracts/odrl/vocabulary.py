"""The terms of ODRL 2.2 that are known here, and how a term of a document becomes one of them.

Source: W3C, ODRL Vocabulary & Expression 2.2. A term may be written short (`use`), with the prefix
(`odrl:use`) or as the whole address; all three mean the same. Terms of this exchange's own profile carry
the prefix `ex:`.
"""

from __future__ import annotations

from types import MappingProxyType

ODRL = "http://www.w3.org/ns/odrl/2/"
DSPACE = "https://w3id.org/dspace/2025/1/"
XSD = "http://www.w3.org/2001/XMLSchema#"
PROFILE = "urn:industrial-data-exchange:odrl:1"

# Namespaces whose long form is shortened, so that a rule reads the same however it was written.
_SHORTER = (
    (ODRL, ""),
    ("odrl:", ""),
    (f"{PROFILE}#", "ex:"),
    (XSD, "xsd:"),
    ("http://www.w3.org/2000/01/rdf-schema#", "rdfs:"),
    ("http://purl.org/dc/terms/", "dct:"),
    ("dcterms:", "dct:"),
)

# The one property of the Dataspace Protocol that a policy has.
_TIMESTAMPS = frozenset({f"{DSPACE}timestamp", "dspace:timestamp"})

# What a document's `@context` may say without changing the meaning of a term. An inline context may only
# repeat these prefixes; anything else could give a known word another meaning, so it is treated as unknown.
CONTEXTS = frozenset(
    {
        "http://www.w3.org/ns/odrl.jsonld",
        "https://www.w3.org/ns/odrl.jsonld",
        "https://w3id.org/dspace/2025/1/context.jsonld",
        "https://w3id.org/dspace/2025/1/odrl-profile.jsonld",
    }
)
PREFIXES = MappingProxyType(
    {
        "odrl": ODRL,
        "xsd": XSD,
        "ex": f"{PROFILE}#",
        "dct": "http://purl.org/dc/terms/",
        "dcterms": "http://purl.org/dc/terms/",
        "dspace": DSPACE,
        "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
        "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    }
)

TYPES = ("Set", "Offer", "Agreement")
PROFILES = frozenset({PROFILE, f"{ODRL}core", "core", ODRL})
CONFLICTS = ("perm", "prohibit", "invalid")

# Notes that describe a policy or a rule and have no effect on a decision.
ANNOTATIONS = frozenset(
    {
        "dct:title",
        "dct:description",
        "dct:creator",
        "dct:publisher",
        "dct:issued",
        "dct:modified",
        "dct:source",
        "rdfs:label",
        "rdfs:comment",
    }
)

OPERATORS = (
    "eq",
    "neq",
    "lt",
    "lteq",
    "gt",
    "gteq",
    "hasPart",
    "isA",
    "isAllOf",
    "isAnyOf",
    "isNoneOf",
    "isPartOf",
)
LOGICAL = ("and", "or", "xone", "andSequence")

# Every action of the vocabulary that is not deprecated, with the action it is included in. `write` is deprecated
# but common; to write is to modify, so that a prohibition of one holds for the other.
INCLUDED_IN = MappingProxyType(
    {
        "use": None,
        "transfer": None,
        "give": "transfer",
        "sell": "transfer",
        "display": "play",
        "extract": "reproduce",
        "write": "modify",
        **dict.fromkeys(
            (
                "acceptTracking",
                "aggregate",
                "annotate",
                "anonymize",
                "archive",
                "attribute",
                "compensate",
                "concurrentUse",
                "delete",
                "derive",
                "digitize",
                "distribute",
                "ensureExclusivity",
                "execute",
                "grantUse",
                "include",
                "index",
                "inform",
                "install",
                "modify",
                "move",
                "nextPolicy",
                "obtainConsent",
                "play",
                "present",
                "print",
                "read",
                "reproduce",
                "reviewPolicy",
                "stream",
                "synchronize",
                "textToSpeech",
                "transform",
                "translate",
                "uninstall",
                "watermark",
            ),
            "use",
        ),
    }
)

# The actions that an exchange deals with; they are named when an unknown one is refused.
COMMON_ACTIONS = (
    "use",
    "display",
    "read",
    "aggregate",
    "modify",
    "derive",
    "transfer",
    "distribute",
    "anonymize",
)

# The duties that an exchange can turn into something it performs, checks or waits for.
DUTIES = ("anonymize", "attribute", "compensate", "delete", "inform", "ex:log")

# The functions a party may have in a duty, beside assigner and assignee.
PARTY_FUNCTIONS = frozenset(
    {"informedParty", "informingParty", "compensatedParty", "compensatingParty", "attributedParty"}
)

# Purposes that the exchange offers in its forms. A policy may name any other; it is compared as it is
# written.
PURPOSES = MappingProxyType(
    {
        "predictive-maintenance": ("predictive maintenance", "预测性维护"),
        "process-optimization": ("process optimization", "工艺优化"),
        "quality-improvement": ("quality improvement", "质量改进"),
        "energy-management": ("energy management", "能源管理"),
        "supply-chain-coordination": ("supply chain coordination", "供应链协同"),
        "equipment-benchmarking": ("equipment benchmarking", "设备对标"),
        "product-development": ("product development", "产品研发"),
        "model-training": ("training of machine learning models", "机器学习模型训练"),
        "research": ("research", "科学研究"),
        "safety-supervision": ("safety supervision", "安全监管"),
        "internal-analysis": ("internal analysis", "内部分析"),
    }
)


# States that an artefact may be in when it is delivered; it may be in several.
ARTEFACT_STATES = MappingProxyType(
    {
        "encrypted": ("encrypted", "已加密"),
        "anonymized": ("anonymized", "已匿名化"),
        "desensitized": ("desensitized", "已脱敏"),
        "aggregated": ("aggregated", "已汇总"),
        "fingerprinted": ("fingerprinted", "已加指纹"),
        "sealed": ("sealed", "已封装"),
    }
)

# GB/T 43697: what harm the loss of the data could do.
DATA_CATEGORIES = MappingProxyType(
    {
        "general": ("general data", "一般数据"),
        "important": ("important data", "重要数据"),
        "core": ("core data", "核心数据"),
    }
)

LANGUAGES = MappingProxyType({"zh": ("Chinese", "中文"), "en": ("English", "英文")})

# Units of a resolution: what they measure, and how many of its base unit they are.
UNITS = MappingProxyType(
    {
        "dpi": ("dots", "1"),
        "Hz": ("frequency", "1"),
        "kHz": ("frequency", "1000"),
        "MHz": ("frequency", "1000000"),
        "ms": ("time", "0.001"),
        "s": ("time", "1"),
        "min": ("time", "60"),
        "h": ("time", "3600"),
        "mm": ("length", "0.001"),
        "cm": ("length", "0.01"),
        "m": ("length", "1"),
        "km": ("length", "1000"),
        "bit": ("depth", "1"),
    }
)
_QUDT = "http://qudt.org/vocab/unit/"
UNIT_NAMES = MappingProxyType(
    {
        **{name: name for name in UNITS},
        **{
            f"{_QUDT}{name}": short
            for name, short in (
                ("HZ", "Hz"),
                ("KiloHZ", "kHz"),
                ("MegaHZ", "MHz"),
                ("MilliSEC", "ms"),
                ("SEC", "s"),
                ("MIN", "min"),
                ("HR", "h"),
                ("MilliM", "mm"),
                ("CentiM", "cm"),
                ("M", "m"),
                ("KiloM", "km"),
                ("BIT", "bit"),
            )
        },
    }
)


def shorten(term: str) -> str:
    """The short form of a term.

    `odrl:use` and its whole address become `use`. Foreign terms stay as they are.
    """
    if term in _TIMESTAMPS:
        return "timestamp"
    for long, short in _SHORTER:
        if term.startswith(long) and len(term) > len(long):
            return short + term[len(long) :]
    return term


def included(action: str) -> frozenset[str]:
    """Every action that `action` covers.

    Itself and all that is included in it. Empty for an unknown action.
    """
    return _INCLUDED.get(action, frozenset())


def _closure(action: str) -> frozenset[str]:
    covered = {action}
    while True:
        more = {name for name, parent in INCLUDED_IN.items() if parent in covered} - covered
        if not more:
            return frozenset(covered)
        covered |= more


_INCLUDED = MappingProxyType({action: _closure(action) for action in INCLUDED_IN})
