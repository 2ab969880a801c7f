"""What a column can be found to hold, and how that reads in English and Chinese."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Category = Literal["direct", "quasi", "sensitive"]


@dataclass(frozen=True)
class Kind:
    """A kind of content; `personal` where it identifies a natural person, by itself or with more."""

    category: Category
    personal: bool
    label_en: str
    label_zh: str


KINDS: dict[str, Kind] = {
    "resident_id": Kind("direct", True, "resident identity numbers", "居民身份证号"),
    "passport": Kind("direct", True, "passport numbers", "护照号"),
    "mobile_phone": Kind("direct", True, "mobile phone numbers", "手机号"),
    "fixed_phone": Kind("direct", True, "fixed-line phone numbers", "固定电话"),
    "bank_card": Kind("direct", True, "bank card numbers", "银行卡号"),
    "email": Kind("direct", True, "e-mail addresses", "电子邮箱"),
    "person_name": Kind("direct", True, "names of persons", "人员姓名"),
    "operator_name": Kind("direct", True, "names of operators", "操作人员"),
    "plate": Kind("direct", True, "vehicle licence plates", "车牌号"),
    "vin": Kind("quasi", True, "vehicle identification numbers", "车辆识别代号"),
    "ip": Kind("quasi", True, "IP addresses", "IP 地址"),
    "mac": Kind("quasi", True, "MAC addresses", "MAC 地址"),
    "gps": Kind("quasi", True, "geographic positions", "地理位置"),
    "uscc": Kind("quasi", False, "unified social credit codes", "统一社会信用代码"),
    "organisation_code": Kind("quasi", False, "organisation codes", "组织机构代码"),
    "birth_date": Kind("quasi", True, "dates of birth", "出生日期"),
    "gender": Kind("quasi", True, "genders", "性别"),
    "age": Kind("quasi", True, "ages of persons", "年龄"),
    "postcode": Kind("quasi", True, "postcodes", "邮政编码"),
    "address": Kind("quasi", True, "postal addresses", "通信地址"),
    "machine_serial": Kind("quasi", False, "machine or part serial numbers", "设备或部件序列号"),
    "asset_tag": Kind("quasi", False, "asset tags", "资产编号"),
    "plc_tag": Kind("sensitive", False, "names of controller variables (PLC tags)", "控制器变量名（PLC 点位）"),
    "supplier_name": Kind("sensitive", False, "suppliers", "供应商"),
    "customer_name": Kind("sensitive", False, "customers", "客户"),
    "unit_price": Kind("sensitive", False, "prices or costs", "价格或成本"),
    "recipe_parameter": Kind("sensitive", False, "recipe parameters or setpoints", "配方参数或设定值"),
}
