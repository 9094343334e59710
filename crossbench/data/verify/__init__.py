"""The verdict on a task's data: against its card, on copies, leaks and shortcuts."""

from crossbench.data.verify.checks import verify
from crossbench.data.verify.verdict import Finding, Shortcut, Verdict

__all__ = ["Finding", "Shortcut", "Verdict", "verify"]
