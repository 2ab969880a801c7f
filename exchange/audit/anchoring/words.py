"""Why anchoring does not go on, in both languages, with the mend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exchange.errors import Bilingual, ExchangeError

_WORDS: dict[str, tuple[Bilingual, Bilingual]] = {
    "extra-missing": (
        ("Anchoring needs the package web3, which is not installed.", "锚定需要 web3 软件包，但尚未安装。"),
        ("Install the extra `ethereum`.", "请安装附加组件 `ethereum`。"),
    ),
    "not-configured": (
        ("Anchoring is off.", "锚定功能未启用。"),
        ("Set ethereum_rpc and ethereum_chain_id.", "请设置 ethereum_rpc 和 ethereum_chain_id。"),
    ),
    "no-contract": (
        ("The contract is not deployed yet, or not named.", "合约尚未部署，或未指定。"),
        (
            "Run `exchange audit anchor deploy` and set ethereum_contract.",
            "请运行 `exchange audit anchor deploy` 并设置 ethereum_contract。",
        ),
    ),
    "keystore": (
        ("The anchoring account's key cannot be used: {sentence}.", "无法使用锚定账户的密钥：{sentence}。"),
        (
            "Mend the file, or make an account with `exchange audit anchor account`.",
            "请修复该文件，或运行 `exchange audit anchor account` 新建账户。",
        ),
    ),
    "password": (
        ("The password of the anchoring account's keystore is not given.", "未提供锚定账户密钥库的密码。"),
        (
            "Name a file with ethereum_password_file, or set EXCHANGE_ANCHOR_PASSWORD.",
            "请用 ethereum_password_file 指定密码文件，或设置 EXCHANGE_ANCHOR_PASSWORD。",
        ),
    ),
    "egress": (
        ("The node's address may not be called: {reason}", "不允许访问节点地址：{reason_zh}"),
        ("{mend}", "{mend_zh}"),
    ),
    "node-unreachable": (
        ("The node does not answer.", "节点无响应。"),
        ("Start it, or set ethereum_rpc to another; anchoring goes on by itself.", "请启动节点或更换 ethereum_rpc；锚定会自动继续。"),
    ),
    "node-refused": (
        ("The node refused a call: {sentence}.", "节点拒绝了调用：{sentence}。"),
        ("If it persists, ask the node's operator, or set ethereum_rpc to another.", "若持续出现，请咨询节点运营方或更换 ethereum_rpc。"),
    ),
    "node-behind": (
        ("The node is behind: it knows {found} transactions of the account, {expected} were final.", "节点数据落后：它只看到该账户的 {found} 笔交易，而已有 {expected} 笔最终确定。"),
        ("Wait until it has caught up, or set ethereum_rpc to another.", "请等待节点同步，或更换 ethereum_rpc。"),
    ),
    "wrong-chain": (
        ("The node follows chain {found}, not chain {expected}.", "节点所在的链为 {found}，而非 {expected}。"),
        ("Set ethereum_rpc to a node of the right chain, or mend ethereum_chain_id.", "请将 ethereum_rpc 指向正确的链，或修正 ethereum_chain_id。"),
    ),
    "wrong-contract": (
        ("The contract AnchorChain does not stand at {contract}.", "地址 {contract} 处不是 AnchorChain 合约。"),
        ("Mend ethereum_contract, or deploy it with `exchange audit anchor deploy`.", "请修正 ethereum_contract，或运行 `exchange audit anchor deploy` 部署。"),
    ),
    "balance": (
        ("The account {account} has {found} ether, and a transaction may take {needed}.", "账户 {account} 余额为 {found} 以太币，而一笔交易可能需要 {needed}。"),
        ("Send it some; anchoring goes on by itself.", "请向其转入余额；锚定会自动继续。"),
    ),
    "fee-cap": (
        ("The network asks {needed} gwei for gas, and the cap is {cap} gwei.", "网络当前的 gas 价格为 {needed} gwei，上限为 {cap} gwei。"),
        ("Wait until it is cheaper, or raise ethereum_max_fee_gwei.", "请等待价格回落，或提高 ethereum_max_fee_gwei。"),
    ),
    "account-busy": (
        ("The account {account} has a transaction waiting that this log does not know.", "账户 {account} 有一笔本账本未知的待处理交易。"),
        ("Use an account for anchoring alone; it goes on once that transaction is mined.", "请为锚定使用专用账户；该交易打包后会自动继续。"),
    ),
    "account-shared": (
        ("Another program uses the account {account}: its transaction took the anchor's turn.", "其他程序在使用账户 {account}：其交易占用了锚定的序号。"),
        ("Use an account for anchoring alone; the next anchor covers this one.", "请为锚定使用专用账户；下一次锚定会覆盖本次内容。"),
    ),
    "reverted": (
        ("The transaction was mined, but the contract did not carry it out.", "交易已打包，但合约未执行。"),
        ("The next anchor covers this one.", "下一次锚定会覆盖本次内容。"),
    ),
    "no-proof": (
        ("The checkpoint is anchored, but the node gives no proof of it.", "检查点已锚定，但节点未提供其证明。"),
        ("Use a node that answers eth_getProof; the next anchor's proof covers this one.", "请使用支持 eth_getProof 的节点；下一次锚定的证明会覆盖本次内容。"),
    ),
    "rolled-back": (
        ("A tree head of {anchored} entries was anchored, and the log of {found} does not extend it.", "已锚定 {anchored} 条记录的树根，而当前 {found} 条记录的账本并非其延续。"),
        ("Restore the newest backup: this database is an old or altered copy.", "请恢复最新备份：此数据库是旧的或被改动的副本。"),
    ),
    "deploying": (
        ("The deployment waits to be mined; the contract will stand at {contract}.", "部署交易等待打包；合约地址将为 {contract}。"),
        ("Set ethereum_contract to that address once it is mined.", "打包后请将 ethereum_contract 设为该地址。"),
    ),
}  # fmt: skip
_UNKNOWN: tuple[Bilingual, Bilingual] = (
    ("Anchoring cannot go on: {sentence}.", "锚定无法继续：{sentence}。"),
    ("Mend it; anchoring goes on by itself.", "处理后锚定会自动继续。"),
)


def explain(code: str, facts: Mapping[str, Any], sentence: str) -> ExchangeError:
    """Return what the ledger's AnchorError says as an error of the exchange, in both languages."""
    values = {**facts, "sentence": sentence}
    reason, mend = _WORDS.get(code, _UNKNOWN)
    said, mended = ((text[0].format(**values), text[1].format(**values)) for text in (reason, mend))
    return ExchangeError(said, mended, code=code, details={"sentence": sentence})
