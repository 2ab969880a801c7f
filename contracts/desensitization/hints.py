"""What a column's name says about its content, in English and Chinese."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Hint:
    """Words of column names for one kind.

    A short word must stand alone among the words of the name; a long one may be part of a longer word, since many
    tables write `suppliername`. Chinese words may stand anywhere.
    """

    words: frozenset[str]
    chinese: tuple[str, ...]

    def fits(self, words: frozenset[str], whole: str) -> bool:
        """Whether a name, taken apart into words and as a whole, carries one of this hint's words."""
        if words & self.words or any(word in whole for word in self.chinese):
            return True
        return any(len(word) >= 6 and word in whole for word in self.words)


def _hint(words: str, chinese: str) -> Hint:
    return Hint(frozenset(words.split()), tuple(chinese.split()))


HINTS: dict[str, Hint] = {
    "resident_id": _hint("resident idcard identitycard residentid idno idnumber", "身份证 证件号"),
    "passport": _hint("passport passportno", "护照"),
    "mobile_phone": _hint("phone mobile cellphone telephone tel msisdn phoneno", "手机 电话 联系方式"),
    "fixed_phone": _hint("phone telephone tel landline fax", "座机 固话 电话 传真"),
    "bank_card": _hint("bankcard bank card cardno cardnumber debitcard creditcard", "银行卡 卡号 银行账号"),
    "email": _hint("email mail mailbox", "邮箱 电子邮件 邮件地址"),
    "person_name": _hint(
        "fullname firstname lastname surname username realname personname contactname driver engineer nurse",
        "姓名 联系人 负责人 经办人 司机 工程师 责任人",
    ),
    "operator_name": _hint(
        "operator worker employee staff inspector technician foreman shiftleader",
        "操作员 操作工 操作人 工人 员工 班长 质检员 检验员 技师 作业人 巡检人",
    ),
    "supplier_name": _hint("supplier vendor suppliers", "供应商 供货商 供货方 厂商"),
    "customer_name": _hint("customer client purchaser consignee customers", "客户 顾客 购货方 采购方 收货方"),
    "unit_price": _hint(
        "price unitprice cost fee salary wage quotation cny rmb usd", "单价 价格 成本 金额 报价 费用 工资"
    ),
    "machine_serial": _hint(
        "serial serialno serialnumber sn machineno machinecode deviceserial", "序列号 出厂编号 机身号 设备编号 机床号"
    ),
    "asset_tag": _hint(
        "assettag assetno assetid assetcode assetnumber inventoryno", "资产编号 资产号 资产编码 固定资产"
    ),
    "plc_tag": _hint("plctag tagname plcaddress opctag nodeid modbusaddress", "点位 变量名 测点 寄存器地址 标签名"),
    "recipe_parameter": _hint(
        "recipe setpoint recipeparam recipeparameter targetvalue",
        "配方 设定值 设定温度 设定压力 工艺参数 给定值",
    ),
    "organisation_code": _hint("orgcode organisationcode organizationcode", "组织机构代码 机构代码"),
    "birth_date": _hint("birth birthdate birthday dateofbirth dob birthyear", "出生 生日"),
    "gender": _hint("gender sex", "性别"),
    "age": _hint("age", "年龄"),
    "postcode": _hint("postcode zipcode zip postalcode", "邮编 邮政编码"),
    "address": _hint("homeaddress postaladdress streetaddress mailingaddress residence", "住址 家庭地址 通信地址 地址"),
    "vin": _hint("vin chassis", "车架号 车辆识别"),
    "plate": _hint("plate licenseplate plateno", "车牌"),
    "uscc": _hint("uscc creditcode socialcredit", "信用代码 统一代码"),
    "ip": _hint("ip ipaddress ipaddr ipv4 ipv6", "ip地址"),
    "mac": _hint("mac macaddress macaddr", "mac地址 物理地址"),
    "gps": _hint("lat latitude lon lng longitude gps coordinates geolocation", "经度 纬度 坐标 经纬度"),
}
# Numbers of business objects look like phones, cards and addresses, and are none.
_OTHER = _hint(
    "order invoice voucher batch lot ticket sequence seq timestamp epoch version firmware software revision rowid",
    "订单 单号 流水 批次 批号 发票 凭证 时间戳 版本 固件 序号",
)
_PERSONS = frozenset(
    [
        "age",
        "years",
        "year",
        "person",
        "employee",
        "worker",
        "staff",
        "operator",
        "user",
        "customer",
        "patient",
        "member",
        "ageyears",
        "personage",
        "employeeage",
        "workerage",
        "operatorage",
        "userage",
        "customerage",
        "patientage",
        "memberage",
        "staffage",
    ]
)


def words_of(name: str) -> tuple[frozenset[str], str]:
    """The lower-case words of a column name (camel case, separators and digits split) and the name without them."""
    plain = unicodedata.normalize("NFKC", name)
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", plain)
    whole = re.sub(r"[\W_]+", "", plain.lower())
    pairs = [first + second for first, second in pairwise(parts)]
    return frozenset(part.lower() for part in (*parts, *pairs)), whole


def hinted(name: str) -> frozenset[str]:
    """The kinds that a column's name suggests."""
    words, whole = words_of(name)
    return frozenset(kind for kind, hint in HINTS.items() if hint.fits(words, whole))


def names_age_of_a_person(name: str) -> bool:
    """Whether a name speaks of an age and of nothing that is no person: machines and tools grow old as well."""
    words, whole = words_of(name)
    return "年龄" in whole or (bool(words) and words <= _PERSONS)


def names_setpoint(name: str) -> bool:
    """Whether a name ends as the setpoints of controllers do: `_sp`, `_set`, `SP`."""
    return bool(re.search(r"(?:^|[_. -])(?:sp|set|setpt)$|[a-z]SP$", name, re.IGNORECASE if "_" in name else 0))


def names_other_object(name: str) -> bool:
    """Whether the name speaks of an order, a batch, a version or the like."""
    return _OTHER.fits(*words_of(name))
