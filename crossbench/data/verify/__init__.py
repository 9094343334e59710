"""The verdict on a task's data: against its card, on copies, leaks and shortcuts."""

from crossbench.data.verify.verdict import Finding, Shortcut, Verdict
from crossbench.data.verify.verify import verify

__all__ = ["Finding", "Shortcut", "Verdict", "verify"]
