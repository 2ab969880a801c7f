"""The market approach: P = Σ ω_j · P_j · X1 · X2 · X3 · X4 · X5 over settled trades of comparable data.

The five coefficients (quality, supply and demand, date, capacity, other) adjust a trade to the data valued,
as in the guiding opinions 中评协〔2023〕17号; each lies between 0.5 and 2. Trades between related parties and
flagged trades are left out. Another firm's price enters with that firm's consent, or inside an aggregate of at
least five firms whose figures are rounded, so that a report discloses nobody's terms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from valuation import numbers
from valuation.approaches.estimate import Estimate, Limitation, Sensitivity, Step
from valuation.approaches.inputs import CHANGE, decimal, fen
from valuation.errors import EstimateError

COEFFICIENTS: Final = ("quality", "supply_demand", "date", "capacity", "other")
COEFFICIENT_FLOOR: Final = Decimal("0.5")
COEFFICIENT_CEILING: Final = Decimal(2)
FEWEST_COMPARABLES: Final = 3
FEWEST_IN_AGGREGATE: Final = 5
_DIGITS: Final = 3  # Of an aggregate's figures: one more trade must not give that trade's price away.


@dataclass(frozen=True)
class Comparable:
    """A trade that may be shown: an opaque `reference`, its price in fen, the coefficients, its similarity.

    Raises EstimateError where the price is not above zero, a coefficient is missing, unknown or outside
    0.5 to 2, or the similarity is not above zero.
    """

    reference: str
    price_fen: int
    coefficients: Mapping[str, Decimal]
    similarity: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        if fen(f"The price of {self.reference}", self.price_fen) == 0:
            raise EstimateError(
                f"The price of {self.reference} is zero; what was given away says nothing about a price."
            )
        if set(self.coefficients) != set(COEFFICIENTS):
            raise EstimateError(f"The coefficients of {self.reference} must be exactly {', '.join(COEFFICIENTS)}.")
        values = {name: decimal(f"{name} of {self.reference}", self.coefficients[name]) for name in COEFFICIENTS}
        for name, value in values.items():
            if not COEFFICIENT_FLOOR <= value <= COEFFICIENT_CEILING:
                raise EstimateError(
                    f"The coefficient {name} of {self.reference} is {value}; it lies between {COEFFICIENT_FLOOR} and "
                    f"{COEFFICIENT_CEILING}. A trade that differs more is no comparable."
                )
        object.__setattr__(self, "coefficients", values)
        object.__setattr__(self, "similarity", decimal(f"similarity of {self.reference}", self.similarity))
        if not 0 < self.similarity <= 1:
            raise EstimateError(f"The similarity of {self.reference} is above 0 and at most 1, not {self.similarity}.")

    @property
    def adjusted(self) -> Decimal:
        """P_j · ΠX in fen, not rounded."""
        with numbers.arithmetic():
            value = Decimal(self.price_fen)
            for name in COEFFICIENTS:
                value *= self.coefficients[name]
            return value

    def to_json(self) -> dict[str, Any]:
        """The trade as JSON values."""
        return {
            "reference": self.reference,
            "price_fen": self.price_fen,
            "coefficients": {name: numbers.text(value) for name, value in self.coefficients.items()},
            "similarity": numbers.text(self.similarity),
        }


@dataclass(frozen=True)
class Trade:
    """A settled trade as the exchange knows it; `provider` is whose price it is.

    `own` trades are of the publisher whose data are valued, `consent` says that the provider lets its price
    be shown, `related` that both sides belong together, `flagged` that the trade is under suspicion.
    """

    comparable: Comparable
    provider: str
    own: bool = False
    consent: bool = False
    related: bool = False
    flagged: bool = False


@dataclass(frozen=True)
class Aggregate:
    """What may be said of trades that may not be shown: how many, of how many firms, adjusted mean and median.

    Raises EstimateError for fewer than five trades or firms.
    """

    trades: int
    providers: int
    mean_fen: int
    median_fen: int
    similarity: Decimal

    def __post_init__(self) -> None:
        if min(self.trades, self.providers) < FEWEST_IN_AGGREGATE or self.providers > self.trades:
            raise EstimateError(f"An aggregate needs trades of at least {FEWEST_IN_AGGREGATE} firms.")
        for name in ("mean_fen", "median_fen"):
            if fen(name, getattr(self, name)) == 0:
                raise EstimateError(f"{name} of the aggregate is zero.")
        object.__setattr__(self, "similarity", decimal("similarity of the aggregate", self.similarity))
        if not 0 < self.similarity <= self.trades:
            raise EstimateError("The similarity of an aggregate is the sum of its trades' similarities.")

    @classmethod
    def of(cls, trades: Sequence[Trade]) -> Aggregate:
        """The aggregate of `trades`, each firm counting once, its figures rounded to three digits."""
        firms: dict[str, list[Comparable]] = {}
        for trade in trades:
            firms.setdefault(trade.provider, []).append(trade.comparable)
        with numbers.arithmetic():
            # A firm counts once, with its mean: else a firm with most of the trades would be the aggregate.
            prices = [_mean([(found.adjusted, found.similarity) for found in firm]) for firm in firms.values()]
            mean, median = (_rounded(value) for value in (sum(prices, Decimal(0)) / len(prices), _median(prices)))
            similarity = sum((trade.comparable.similarity for trade in trades), Decimal(0))
        return cls(len(trades), len(firms), mean, median, similarity.quantize(Decimal("0.1")))

    def to_json(self) -> dict[str, Any]:
        """The aggregate as JSON values."""
        return {**vars(self), "similarity": numbers.text(self.similarity)}


@dataclass(frozen=True)
class MarketInputs:
    """What the market approach needs. `left_out` counts the trades not used, by reason.

    Raises EstimateError where fewer than three trades remain or a reference stands twice.
    """

    comparables: tuple[Comparable, ...]
    aggregate: Aggregate | None = None
    left_out: Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        references = [found.reference for found in self.comparables]
        if len(set(references)) != len(references):
            raise EstimateError("A comparable stands twice; each trade counts once.")
        count = len(references) + (self.aggregate.trades if self.aggregate else 0)
        if count < FEWEST_COMPARABLES:
            raise EstimateError(
                f"The market approach needs at least {FEWEST_COMPARABLES} comparable trades; {count} can be used."
            )
        object.__setattr__(self, "left_out", dict(self.left_out or {}))

    @classmethod
    def select(cls, trades: Iterable[Trade]) -> MarketInputs:
        """The inputs from settled trades: what may be shown, one aggregate of the rest, and what is left out."""
        shown, hidden = [], []
        left_out = {"related": 0, "flagged": 0, "confidential": 0}
        for trade in trades:
            if trade.related or trade.flagged:
                left_out["related" if trade.related else "flagged"] += 1
            elif trade.own or trade.consent:
                shown.append(trade.comparable)
            else:
                hidden.append(trade)
        aggregate = None
        if len({trade.provider for trade in hidden}) >= FEWEST_IN_AGGREGATE:
            aggregate = Aggregate.of(hidden)
        else:
            left_out["confidential"] = len(hidden)
        return cls(tuple(shown), aggregate, left_out)

    def to_json(self) -> dict[str, Any]:
        """The inputs as JSON values; trades inside the aggregate do not appear."""
        return {
            "comparables": [found.to_json() for found in self.comparables],
            "aggregate": self.aggregate.to_json() if self.aggregate else None,
            "left_out": dict(self.left_out or {}),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> MarketInputs:
        """The inputs that `to_json` wrote. Raises EstimateError for anything else."""
        try:
            aggregate = document["aggregate"]
            return cls(
                tuple(Comparable(**found) for found in document["comparables"]),
                None if aggregate is None else Aggregate(**aggregate),
                document["left_out"],
            )
        except (TypeError, KeyError, AttributeError) as error:
            raise EstimateError(f"These are no inputs of the market approach: {error}.") from error


def estimate(inputs: MarketInputs) -> Estimate:
    """The weighted mean of the adjusted prices, with the median; the range is from the lowest to the highest."""
    with numbers.arithmetic():
        prices = _prices(inputs)
        exact = _mean([(price, weight) for _, price, weight in prices])
        median = _median([price for _, price, _ in prices])
        total = sum((weight for _, _, weight in prices), Decimal(0))
        sensitivities = tuple(
            Sensitivity(
                f"comparable:{name}",
                f"Price of {name}",
                f"可比案例 {name} 价格",
                "±10 %",
                numbers.text(weight / total * price / exact),
                numbers.to_fen(exact - CHANGE * weight / total * price),
                numbers.to_fen(exact + CHANGE * weight / total * price),
            )
            for name, price, weight in prices
        )
    value = numbers.to_fen(exact)
    ends = [numbers.to_fen(price) for _, price, _ in prices]
    money = numbers.yuan
    return Estimate(
        approach="market",
        value_fen=value,
        low_fen=min(value, *ends, *(found.low_fen for found in sensitivities)),
        high_fen=max(value, *ends, *(found.high_fen for found in sensitivities)),
        exact=exact,
        inputs=inputs.to_json(),
        steps=(
            *(
                Step(
                    f"Adjusted price of {name}",
                    f"可比案例 {name} 修正价",
                    "P_j · X1 · X2 · X3 · X4 · X5",
                    money(fen),
                    "CNY",
                )
                for (name, _, _), fen in zip(prices, ends, strict=True)
            ),
            Step("Median of the adjusted prices", "修正价中位数", "median", money(numbers.to_fen(median)), "CNY"),
            Step("Value by market", "市场法评估值", "P = Σ ω_j · P_j · ΠX_jk", money(value), "CNY"),
        ),
        sensitivities=sensitivities,
        limitations=_limitations(inputs),
    )


def _prices(inputs: MarketInputs) -> list[tuple[str, Decimal, Decimal]]:
    """Each price as its name, the adjusted price and its weight."""
    prices = [(found.reference, found.adjusted, found.similarity) for found in inputs.comparables]
    if found := inputs.aggregate:
        prices.append(("aggregate", Decimal(found.mean_fen), found.similarity))
    return prices


def _mean(prices: Sequence[tuple[Decimal, Decimal]]) -> Decimal:
    total = sum((weight for _, weight in prices), Decimal(0))
    return sum((price * weight for price, weight in prices), Decimal(0)) / total


def _median(prices: Sequence[Decimal]) -> Decimal:
    ordered, middle = sorted(prices), len(prices) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _rounded(value: Decimal) -> int:
    """`value` to three significant digits, as whole fen."""
    return numbers.to_fen(value.quantize(Decimal(1).scaleb(max(0, value.adjusted() - _DIGITS + 1))))


def _limitations(inputs: MarketInputs) -> tuple[Limitation, ...]:
    found = []
    left_out = {name: count for name, count in (inputs.left_out or {}).items() if count}
    if left_out:
        words = {
            "related": ("between related parties", "关联方交易"),
            "flagged": ("under suspicion", "异常交易"),
            "confidential": ("whose firms did not consent and are fewer than five", "未获同意且不足五家的交易"),
        }
        english = ", ".join(f"{count} {words[name][0]}" for name, count in left_out.items())
        chinese = "、".join(f"{words[name][1]}{count}笔" for name, count in left_out.items())
        found.append(Limitation("left_out", f"Trades left out: {english}.", f"已剔除：{chinese}。"))
    if inputs.aggregate:
        found.append(
            Limitation(
                "aggregate",
                f"{inputs.aggregate.trades} trades of {inputs.aggregate.providers} firms enter as one rounded aggregate, "
                "for their terms are confidential.",
                f"{inputs.aggregate.providers}家企业的{inputs.aggregate.trades}笔交易因条款保密，仅以取整后的汇总值计入。",
            )
        )
    return tuple(found)
