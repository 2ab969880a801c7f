"""Data management capability maturity (DCMM): catalogues by edition, self-assessment with evidence, gaps."""

from valuation.maturity.assess import Answer, DomainLevel, ItemLevel, SelfAssessment, assess
from valuation.maturity.catalogue import Catalogue, Domain, Item, Level, catalogue, editions

__all__ = [
    "Answer",
    "Catalogue",
    "Domain",
    "DomainLevel",
    "Item",
    "ItemLevel",
    "Level",
    "SelfAssessment",
    "assess",
    "catalogue",
    "editions",
]
