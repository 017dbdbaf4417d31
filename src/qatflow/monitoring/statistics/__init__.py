"""Drift statistics: the dict lists them, `base.py` says what each must do."""

from qatflow.monitoring.statistics.base import Outcome, Part, Statistic, Window
from qatflow.monitoring.statistics.chi2 import chi2
from qatflow.monitoring.statistics.ks import ks
from qatflow.monitoring.statistics.mmd import mmd
from qatflow.monitoring.statistics.psi import psi

__all__ = ["STATISTICS", "Outcome", "Part", "Statistic", "Window"]

STATISTICS: dict[str, Statistic] = {
    "psi": psi,
    "ks": ks,
    "chi2": chi2,
    "mmd": mmd,
}
