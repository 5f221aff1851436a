"""What a supervisor sends to a child: one run to execute, as one line of JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from json import JSONEncoder
from typing import Any

from ..services.holder import Claim

_encode = JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Order:
    """`number` counts the runs of one child; `arguments` and `positional` are JSON text."""

    number: int
    run_id: str
    fence: int
    attempt: int
    tenant: str
    type: str | None
    function: str | None
    arguments: str
    positional: str | None
    job_id: str | None
    principal_id: str | None
    principal_name: str | None
    timeout_s: float | None
    prepare: str | None

    @classmethod
    def of_line(cls, line: bytes) -> Order:
        """The order that `line` gives."""
        return cls(*json.loads(line))

    @classmethod
    def of_claim(cls, number: int, claim: Claim) -> Order:
        """The order for a won claim, in the same process."""
        return cls(*_values(number, claim))


def order_line(number: int, claim: Claim) -> bytes:
    """The line of an order, straight from a won claim."""
    return _encode(_values(number, claim)).encode() + b"\n"


def _values(number: int, claim: Claim) -> tuple[Any, ...]:
    return (number, claim.id, claim.fence, claim.attempt, claim.tenant, claim.type, claim.function,
            claim.arguments, claim.positional, claim.job_id, claim.principal_id, claim.principal_name, claim.timeout_s,
            claim.prepare)  # fmt: skip
