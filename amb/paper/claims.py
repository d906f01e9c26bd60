"""All claims of the paper that are judged, in the order of its sections."""

import pandas as pd

from amb.paper.layer_claims import layer_claims
from amb.paper.solver_claims import solver_claims
from amb.paper.studies import PaperData
from amb.paper.verdict import Claim


def judge(data: PaperData) -> list[Claim]:
    """Every claim with its number, interval and verdict; none of them is written by hand."""
    return [*solver_claims(data), *layer_claims(data)]


def claim_table(claims: list[Claim]) -> pd.DataFrame:
    """One row for each claim."""
    return pd.DataFrame([claim.row() for claim in claims])
