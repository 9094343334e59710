"""The whole loop: pretrain in 2D on a fold's own patients, carry the weights to a 3D task, compare.

Each fold of the target task gets 2D networks of its own, pretrained on the part of the source
task that trains and validates in the fold of the same number. Whether that part is disjoint from
what the target tests on is not taken on trust: runs refuse weights that have seen their test part
(:func:`crossbench.nets.weights.init.check_unseen`).
"""

from __future__ import annotations

from crossbench.transfer.estimate import StageEstimate, estimate_transfer
from crossbench.transfer.plan import COMPARED, SHORT, TransferPlan, TransferRequest, prepare
from crossbench.transfer.run import run

__all__ = [
    "COMPARED",
    "SHORT",
    "StageEstimate",
    "TransferPlan",
    "TransferRequest",
    "estimate_transfer",
    "prepare",
    "run",
]
