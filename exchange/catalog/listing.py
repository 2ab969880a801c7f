"""What is listed and who sees it. One rule of visibility stands behind getting, listing and searching.

An open offer of a verified provider is seen by its provider; by everybody when it is public; when it is authorised, by the verified
participants that it names, or by every verified participant when it names none (who then states the need in the request).
The exchange's own people see what is public here; what they see across participants is read, and recorded, in supervision.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, and_, bindparam, or_, select
from sqlalchemy.orm import Session, contains_eager, joinedload

from exchange.access import Actor
from exchange.catalog import checks, search
from exchange.catalog.datasets import DOMAINS
from exchange.catalog.models import Dataset, DatasetVersion, Offer, OfferNumber
from exchange.errors import InvalidInputError, NotFoundError
from exchange.participants.models import Participant

PAGE = 20
# Counts beside the filters are exact up to this many hits; beyond it they say "at least".
COUNTED = 1000
PRICES = ("free", "one-off")
VISIBILITIES = ("public", "authorised")
_FILTERS = {"domain": None, "grade": ("1", "2"), "price": PRICES, "kind": ("table", "opaque")}


@dataclass(frozen=True)
class Page:
    """One page of offers, where the next one begins, and how many hits each filter value has."""

    items: list[Offer]
    next: str | None
    facets: dict[str, dict[str, int]]


def open_to(actor: Actor) -> ColumnElement[bool]:
    """Return the condition under which an offer (joined with dataset and participant) is visible to `actor`."""
    return _open_to(actor.participant, verified=actor.status == "verified")


def _open_to(viewer: str | BindParameter[str] | None, *, verified: bool) -> ColumnElement[bool]:
    seen = [Offer.visibility == "public"]
    if viewer is not None:
        seen.append(Offer.participant_id == viewer)
        if verified:
            seen.append(and_(Offer.visibility == "authorised", ~Offer.named.any()))
            seen.append(and_(Offer.visibility == "authorised", Offer.named.any(participant_id=viewer)))
    listed = and_(Offer.state == "open", Dataset.state == "offered", Participant.status == "verified")
    return and_(listed, or_(*seen))


def visible_offers(actor: Actor) -> Select[Any]:
    """Return the query of all open offers that `actor` may see."""
    return _offers_where(open_to(actor))


def _offers_where(condition: ColumnElement[bool]) -> Select[Any]:
    return (
        select(Offer)
        .join(Dataset, Offer.dataset_id == Dataset.id)
        .join(Participant, Offer.participant_id == Participant.id)
        .where(condition)
        .options(contains_eager(Offer.dataset), joinedload(Offer.version))
    )


@lru_cache(maxsize=4)
def _offers_of_dataset(member: bool, verified: bool) -> Select[Any]:
    """Return the query of one dataset's visible offers; every look at a dataset asks it, so it is built once a kind of viewer."""
    viewer: BindParameter[str] | None = bindparam("viewer") if member else None
    query = _offers_where(_open_to(viewer, verified=verified)).where(Offer.dataset_id == bindparam("dataset"))
    return query.order_by(Offer.published_at.desc(), Offer.id)


def visible_offer(session: Session, actor: Actor, offer_id: str) -> Offer:
    """Return an open offer that the actor may see, or the firm's own in any state. Raises NotFoundError otherwise."""
    found: Offer | None = session.scalar(visible_offers(actor).where(Offer.id == offer_id))
    if found is None and actor.participant:
        found = session.scalar(select(Offer).where(Offer.id == offer_id, Offer.participant_id == actor.participant))
    if found is None:
        raise NotFoundError()
    return found


def visible_dataset(session: Session, actor: Actor, dataset_id: str) -> Dataset:
    """Return the firm's own dataset, or one with an open offer that the actor may see. Raises NotFoundError otherwise."""
    return look(session, actor, dataset_id)[0]


def look(session: Session, actor: Actor, dataset_id: str) -> tuple[Dataset, list[Offer]]:
    """Return what `visible_dataset` gives together with its offers that the actor may see, newest first."""
    found = session.get(Dataset, dataset_id)
    if found is None:
        raise NotFoundError()
    offers = offers_of(session, actor, found)
    if actor.participant != found.participant_id and not offers:
        raise NotFoundError()
    return found, offers


def visible_version(session: Session, actor: Actor, version_id: str) -> DatasetVersion:
    """Return a version of the firm's own, or one that an offer which the actor sees is made of. Raises NotFoundError."""
    found = session.get(DatasetVersion, version_id)
    if found is None:
        raise NotFoundError()
    dataset, offers = look(session, actor, found.dataset_id)
    if actor.participant != dataset.participant_id and version_id not in {offer.version_id for offer in offers}:
        raise NotFoundError()
    return found


def offers_of(session: Session, actor: Actor, dataset: Dataset) -> list[Offer]:
    """Return the open offers of a dataset that the actor may see, newest first."""
    query = _offers_of_dataset(actor.participant is not None, actor.status == "verified")
    return list(session.scalars(query, {"dataset": dataset.id, "viewer": actor.participant}))


def check_filters(filters: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Return the filters that are set, each a tuple of values. Raises InvalidInputError for an unknown name or value."""
    checked = {}
    for name, values in filters.items():
        if name not in _FILTERS:
            raise InvalidInputError(
                (f"There is no filter {name!r}.", f"没有筛选条件 {name!r}。"),
                (f"Filter by {', '.join(_FILTERS)}.", f"可用的筛选条件：{'、'.join(_FILTERS)}。"),
                field=name,
            )
        allowed = _FILTERS[name] or tuple(DOMAINS)
        if chosen := tuple(dict.fromkeys(checks.choice(name, str(value), allowed) for value in values)):
            checked[name] = chosen
    return checked


def find(
    session: Session,
    actor: Actor,
    text: str = "",
    filters: Mapping[str, Iterable[str]] | None = None,
    cursor: str | None = None,
    *,
    count: bool = False,
) -> Page:
    """Return the offers that `actor` may see and that hold every word of `text`: best first, or newest first without words.

    `filters` takes domain, grade, price and kind, each with one or more values; `count` asks for the figures beside them. Raises
    InvalidInputError for an unknown filter or a cursor that is none.
    """
    chosen, offset = check_filters(filters or {}), _offset(cursor)
    groups = {name: tuple(_facet(name, value) for value in values) for name, values in chosen.items()}
    sight = _sight(actor)
    numbers = search.find(session, search.Query(text[:500], (sight, *groups.values())), limit=PAGE + 1, offset=offset)
    items = _load(session, actor, numbers[:PAGE])
    following = str(offset + PAGE) if len(numbers) > PAGE else None
    return Page(items, following, _counts(session, actor, text[:500], sight, groups) if count else {})


def _load(session: Session, actor: Actor, numbers: list[int]) -> list[Offer]:
    query = (
        visible_offers(actor).join(OfferNumber, OfferNumber.offer_id == Offer.id).where(OfferNumber.number.in_(numbers))
    )
    rows = {number: offer for offer, number in session.execute(query.add_columns(OfferNumber.number)).unique()}
    return [rows[number] for number in numbers if number in rows]


def _counts(
    session: Session, actor: Actor, text: str, sight: tuple[str, ...], groups: dict[str, tuple[str, ...]]
) -> dict[str, dict[str, int]]:
    """Return for each filter how many hits each value has while the other filters stay as they are."""
    counts = {}
    for name in _FILTERS:
        others = tuple(facets for other, facets in groups.items() if other != name)
        numbers = search.find(session, search.Query(text, (sight, *others)), limit=COUNTED)
        rows = session.execute(
            select(Dataset.domain, Dataset.grade, Offer.price, Dataset.kind)
            .join(Offer, Offer.dataset_id == Dataset.id)
            .join(OfferNumber, OfferNumber.offer_id == Offer.id)
            .join(Participant, Offer.participant_id == Participant.id)
            .where(OfferNumber.number.in_(numbers), open_to(actor))
        )
        place = list(_FILTERS).index(name)
        values = (row[place] for row in rows)
        counts[name] = dict(Counter(str(value["kind"] if name == "price" else value) for value in values))
    return counts


def _offset(cursor: str | None) -> int:
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 6):
        raise InvalidInputError(
            ("This cursor is not one of ours.", "该游标无效。"),
            ("Begin without a cursor.", "请从第一页开始。"),
            field="cursor",
        )
    return int(cursor)


def _plain(identifier: str) -> str:
    return identifier.removeprefix("urn:uuid:").replace("-", "")


def _facet(name: str, value: str) -> str:
    # Hexadecimal keeps any code one token in both databases.
    return f"x{name[0]}{value.encode().hex()}"


def _sight(actor: Actor) -> tuple[str, ...]:
    """Return the facets of visibility that `actor` meets; the same rule as `open_to`."""
    facets = ["xvpublic"]
    if actor.participant:
        facets.append(f"xo{_plain(actor.participant)}")
        if actor.status == "verified":
            facets += ["xvverified", f"xa{_plain(actor.participant)}"]
    return tuple(facets)


def index_offer(session: Session, offer: Offer) -> None:
    """Make an open offer findable, by its dataset's present text."""
    dataset, version = offer.dataset, offer.version
    provider = session.get_one(Participant, offer.participant_id)
    domain = DOMAINS.get(dataset.domain)
    names = f"{domain.name_zh} {domain.name_en}" if domain else ""
    if offer.visibility == "public":
        seen = ["xvpublic"]
    else:
        seen = [f"xa{_plain(recipient)}" for recipient in offer.audience] or ["xvverified"]
    document = search.Document(
        title=dataset.title,
        keywords=" ".join([*dataset.keywords, names, provider.name]),
        body=" ".join([dataset.description, dataset.coverage, *(column["name"] for column in version.schema)]),
        facets=(
            *seen,
            f"xo{_plain(offer.participant_id)}",
            _facet("domain", dataset.domain),
            _facet("grade", str(dataset.grade)),
            _facet("price", offer.price["kind"]),
            _facet("kind", version.kind),
        ),
    )
    search.put(session, _number(session, offer), document)


def forget_offer(session: Session, offer: Offer) -> None:
    """Make an offer unfindable."""
    search.remove(session, _number(session, offer))


def reindex(session: Session) -> int:
    """Make the index anew from the open offers and return how many there are; for a database restored without it."""
    search.clear(session)
    offers = session.scalars(select(Offer).where(Offer.state == "open").order_by(Offer.published_at, Offer.id)).all()
    for offer in offers:
        index_offer(session, offer)
    return len(offers)


def _number(session: Session, offer: Offer) -> int:
    row = session.scalar(select(OfferNumber).where(OfferNumber.offer_id == offer.id))
    if row is None:
        row = OfferNumber(offer_id=offer.id)
        session.add(row)
        session.flush()
    return row.number


def listed(offer: Offer, provider: str) -> dict[str, Any]:
    """Return what the catalogue says about an offer, as plain data."""
    dataset, version = offer.dataset, offer.version
    return {
        "offer": offer.id, "dataset": dataset.id, "title": dataset.title, "description": dataset.description,
        "keywords": dataset.keywords, "domain": dataset.domain, "grade": dataset.grade, "category": dataset.category,
        "coverage": dataset.coverage, "update_frequency": dataset.update_frequency, "kind": version.kind,
        "provider": offer.participant_id, "provider_name": provider, "price": offer.price, "template": offer.template,
        "visibility": offer.visibility, "version": version.id, "rows": version.rows, "bytes": version.bytes,
        "columns": len(version.schema), "published_at": offer.published_at,
    }  # fmt: skip
