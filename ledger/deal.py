"""What a check has heard of one agreement so far; it can be laid away as a text and taken up again."""

import json
from typing import Any


class Deal:
    """What has been heard of one agreement: no more than the rules need.

    It is not judged where its beginning was not heard.
    """

    __slots__ = (
        "agreed", "consumer", "dataset", "digest", "ended", "finalized", "held", "id", "is_judged", "plan", "price", "provider",
        "settled", "transfers", "use_until", "used", "uses", "valid_until", "verified",
    )  # fmt: skip

    def __init__(self, is_judged: bool) -> None:
        self.is_judged = is_judged
        self.agreed = self.verified = self.finalized = False
        self.ended: str | None = None
        self.id = self.digest = self.plan = self.provider = self.consumer = self.dataset = ""
        self.uses: int | None = None
        self.use_until: str | None = None
        self.valid_until: str | None = None
        self.price = 0
        self.held: int | None = None
        self.settled: str | None = None
        self.used = 0
        self.transfers: dict[str, Transfer] = {}

    def pack(self) -> str:
        """Return all of it as a text."""
        transfers = {name: [getattr(each, slot) for slot in each.__slots__] for name, each in self.transfers.items()}
        return json.dumps([transfers if slot == "transfers" else getattr(self, slot) for slot in self.__slots__])

    @classmethod
    def unpack(cls, text: str) -> "Deal":
        """Return what was packed."""
        deal = cls(is_judged=False)
        for slot, value in zip(cls.__slots__, json.loads(text), strict=True):
            setattr(deal, slot, value)
        for name, values in dict[str, Any](deal.transfers).items():
            deal.transfers[name] = transfer = Transfer()
            for slot, value in zip(Transfer.__slots__, values, strict=True):
                setattr(transfer, slot, tuple(value) if isinstance(value, list) else value)
        return deal


class Transfer:
    """What has been heard of one use that has not come to its end."""

    __slots__ = ("acknowledged", "digests", "permitted")

    def __init__(self) -> None:
        self.permitted = False
        self.digests: tuple[str, str] | None = None
        self.acknowledged: int | None = None
