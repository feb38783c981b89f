"""One number of a model less that of another, on the same films: interval, test, and how sure."""

from __future__ import annotations

from dataclasses import dataclass

from xraybatch.evaluation.estimate import Estimate


@dataclass(frozen=True)
class Difference:
    """A number of one model less that of another.

    Attributes
    ----------
    estimate : Estimate
        Value and interval; undefined where the number is for either model.
    standard_error : float or None
        Of the value; None where there is none.
    p : float or None
        Two-sided: how often patients like these would show so large a difference, or a larger one,
        if the models did not differ in this number.
    p_adjusted : float or None
        The same after Holm's adjustment over all pairs of models; `p` itself with two models.
    test : str
        What `p` was made by; empty where there is none.
    """

    estimate: Estimate
    standard_error: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    test: str = ""

    @classmethod
    def undefined(cls, reason: str, n: int) -> Difference:
        """A difference that does not exist, and why."""
        return cls(Estimate.undefined(reason, n))

    def differs(self, confidence: float) -> bool:
        """Whether interval and adjusted test both say that the models differ in this number."""
        low, high, p = self.estimate.low, self.estimate.high, self.p_adjusted
        if low is None or high is None or p is None:
            return False
        return not low <= 0 <= high and p <= 1 - confidence


def two_sided(z: float) -> float:
    """P-value of a standard normal statistic."""
    from scipy.special import ndtr

    return float(2 * ndtr(-abs(z)))
