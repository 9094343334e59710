"""Conformance: the contract of a method, checked and measured in processes of their own."""

from __future__ import annotations

from crossbench.conformance.run import LIMITS, check
from crossbench.specs.conformance import Check, ConformanceReport, Cost, Spent

__all__ = ["LIMITS", "Check", "ConformanceReport", "Cost", "Spent", "check"]
