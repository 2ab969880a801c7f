"""Plans in and out of data contracts: the Open Data Contract Standard (ODCS) v3 of Bitol.

A rule stands at its property as the custom property `desensitization`, and as a sentence in `transformDescription`,
so that a reader without this program sees it as well; the row filter and the plan's version stand at the object.
Written contracts are v3.1.0, which readers of v3.2 take too; every v3 is read. YAML is parsed by the caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from contracts.desensitization.derive import derive
from contracts.desensitization.finding import Finding
from contracts.desensitization.model import ColumnRule, Plan
from contracts.errors import PlanError

API_VERSION = "v3.1.0"
_RULE, _FILTER, _VERSION = "desensitization", "desensitizationRowFilter", "desensitizationVersion"
# Classifications that other tools give to what anybody may see.
_OPEN = frozenset({"", "public", "open", "internal", "1", "l1"})


def to_odcs(
    plan: Plan,
    schema: Any,
    *,
    contract_id: str,
    name: str,
    version: str = "1.0.0",
    status: str = "draft",
    findings: Iterable[Finding] = (),
) -> dict[str, Any]:
    """The plan as an ODCS data contract for a table called `name` of this Arrow schema, as a JSON object.

    A column's `classification` is the strictest category of its findings: direct, quasi or sensitive. Raises
    PlanError where plan and schema do not name the same columns.
    """
    if {rule.column for rule in plan.columns} != set(schema.names):
        raise PlanError("The plan and the schema do not have the same columns.", "方案与表结构的列不一致。")
    found: dict[str, set[str]] = {}
    for finding in findings:
        found.setdefault(finding.column, set()).add(finding.category)
    sentences = dict(zip((rule.column for rule in plan.columns), plan.describe()[len(plan.row_filter) :], strict=True))
    properties = []
    for field in schema:
        rule = plan.rule(field.name)
        assert rule is not None, "the same columns"  # noqa: S101
        value = rule.to_json()
        del value["column"]
        item = {
            "name": field.name,
            "logicalType": _logical(field.type),
            "physicalType": str(field.type),
            "required": not field.nullable,
            "transformDescription": sentences[field.name],
            "customProperties": [{"property": _RULE, "value": value}],
        }
        categories = found.get(field.name, set())
        if categories:
            item["classification"] = next(name for name in ("direct", "quasi", "sensitive") if name in categories)
        properties.append(item)
    custom: list[dict[str, Any]] = [{"property": _VERSION, "value": plan.version}]
    if plan.row_filter:
        custom.append({"property": _FILTER, "value": [item.to_json() for item in plan.row_filter]})
    table = {
        "name": name,
        "logicalType": "object",
        "physicalType": "table",
        "properties": properties,
        "customProperties": custom,
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": contract_id,
        "version": version,
        "status": status,
        "schema": [table],
    }


def from_odcs(
    document: Any, schema: Any, *, name: str | None = None, findings: Sequence[Finding] = (), grade: int = 2
) -> Plan:
    """The plan that an ODCS v3 contract holds for a table of this Arrow schema, to be confirmed by a person.

    A property with a rule of ours has that rule. Of another contract a property is read by its own words: what is
    classified as anything but public or internal, or has an encrypted form, is suppressed; the others get what
    `findings` call for at `grade`, and are kept where nothing was found. `name` chooses among several tables. Raises
    PlanError where the contract cannot be read, has no such table, or lacks or adds a column.
    """
    table = _table(document, name)
    properties = {str(_text(item, "name")): item for item in _objects(table.get("properties", []))}
    if set(properties) != set(schema.names):
        wrong = sorted(set(properties) ^ set(schema.names))
        raise PlanError(
            f"The contract and the table do not have the same columns: {', '.join(map(repr, wrong))}.",
            f"数据合同与表的列不一致：{'、'.join(wrong)}。",
        )
    proposed = derive(schema, findings, grade)
    custom = _custom(table)
    version = custom.get(_VERSION, 1)
    rules = [_rule(properties[rule.column], rule) for rule in proposed.columns]
    document = {"version": version, "columns": [rule.to_json() for rule in rules]}
    if _FILTER in custom:
        document["row_filter"] = custom[_FILTER]
    return Plan.from_json(document)


def _rule(item: Mapping[str, Any], proposed: ColumnRule) -> ColumnRule:
    custom = _custom(item)
    if _RULE in custom:
        value = custom[_RULE]
        if not isinstance(value, Mapping):
            raise PlanError(
                f"The rule of the property {proposed.column!r} is not an object.",
                f"属性“{proposed.column}”的规则应为对象。",
            )
        return ColumnRule.from_json({"column": proposed.column, **value})
    classification = str(item.get("classification") or "")
    if classification.lower() not in _OPEN or item.get("encryptedName"):
        return ColumnRule(proposed.column, "suppress", reason=classification or "encryptedName")
    return proposed


def _table(document: Any, name: str | None) -> Mapping[str, Any]:
    if not isinstance(document, Mapping) or document.get("kind") != "DataContract":
        raise _unread("it is no DataContract", "它不是 DataContract")
    api = document.get("apiVersion")
    if not isinstance(api, str) or not api.startswith("v3."):
        raise _unread(f"its apiVersion is {api!r}, and only v3 is read", f"其 apiVersion 为 {api!r}，仅支持 v3")
    tables = [item for item in _objects(document.get("schema", [])) if name is None or item.get("name") == name]
    if len(tables) != 1:
        raise PlanError(
            f"The contract has {len(tables)} tables that could be meant.",
            f"数据合同中有 {len(tables)} 个可能的表。",
            mend_en="Name the one that is.",
            mend_zh="请指明表名。",
        )
    return tables[0]


def _objects(value: Any) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise _unread("its schema or properties are not lists of objects", "其 schema 或 properties 不是对象列表")
    return value


def _custom(item: Mapping[str, Any]) -> dict[str, Any]:
    return {str(_text(entry, "property")): entry.get("value") for entry in _objects(item.get("customProperties", []))}


def _text(item: Mapping[str, Any], member: str) -> str:
    value = item.get(member)
    if not isinstance(value, str):
        raise _unread(f"a {member} is missing or no text", f"缺少 {member} 或其不是文本")
    return value


def _unread(reason_en: str, reason_zh: str) -> PlanError:
    return PlanError(f"The data contract cannot be read: {reason_en}.", f"无法读取数据合同：{reason_zh}。")


_LOGICAL = (
    (pa.types.is_integer, "integer"),
    (pa.types.is_floating, "number"),
    (pa.types.is_decimal, "number"),
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_date, "date"),
    (pa.types.is_timestamp, "timestamp"),
    (pa.types.is_time, "time"),
    (pa.types.is_struct, "object"),
    (pa.types.is_map, "object"),
    (pa.types.is_nested, "array"),
)


def _logical(kind: Any) -> str:
    if pa.types.is_dictionary(kind):
        return _logical(kind.value_type)
    return next((name for matches, name in _LOGICAL if matches(kind)), "string")
