"""Many policies at once: those that speak of a party and its data are found without looking at the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from contracts.odrl.decision import Decision, Request, World
from contracts.odrl.evaluate import evaluate
from contracts.odrl.model import Member, Policy

# A party or an asset, None where a policy means anyone or anything, or a group.
_Key = tuple[str | None, str | None]


class PolicyIndex:
    """Policies by the data and the parties that they name. Not for several threads that change it at once.

    The policies are independent of each other, as agreements are: each is decided for itself, and the caller says under
    which one it acts.
    """

    def __init__(self, policies: Iterable[Policy] = ()) -> None:
        self._policies: dict[str, Policy] = {}
        self._places: dict[_Key, dict[str, Policy]] = {}
        for policy in policies:
            self.add(policy)

    def __len__(self) -> int:
        return len(self._policies)

    def add(self, policy: Policy) -> None:
        """Add a policy, in the place of the one that has its identifier."""
        self.remove(policy.uid)
        self._policies[policy.uid] = policy
        for key in _keys(policy):
            self._places.setdefault(key, {})[policy.uid] = policy

    def remove(self, uid: str) -> None:
        """Forget the policy of that identifier, if there is one."""
        policy = self._policies.pop(uid, None)
        for key in _keys(policy) if policy is not None else ():
            place = self._places[key]
            del place[uid]
            if not place:
                del self._places[key]

    def about(self, target: str, assignee: str) -> Iterator[Policy]:
        """Every policy that may speak of this data and this party, each once, in the order of its place."""
        seen: set[str] = set()
        for key in ((target, assignee), (target, None), (None, assignee), (None, None)):
            for uid, policy in self._places.get(key, {}).items():
                if uid not in seen:
                    seen.add(uid)
                    yield policy

    def decide(self, request: Request, world: World) -> tuple[tuple[Policy, Decision], ...]:
        """The decision of each policy that may speak of the request. Empty, and so permitting nothing, where none does."""
        return tuple(
            (policy, evaluate(policy, request, world)) for policy in self.about(request.target, request.assignee)
        )


def _keys(policy: Policy) -> set[_Key]:
    """The places of a policy: a rule that names nobody in particular stands where everybody looks."""
    rules = (*policy.permissions, *policy.prohibitions)
    return {
        (target, assignee)
        for rule in rules
        for target in _named(rule.targets, policy.target)
        for assignee in _named(rule.assignees, policy.assignee)
    } or {(None, None)}


def _named(members: tuple[Member, ...], shared: str | None) -> set[str | None]:
    if not members:
        return {shared}
    return {member if isinstance(member, str) else None for member in members}
