"""Who holds runs, and what a won claim says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A worker as claims know it: an id that is new at every start, and the host it lives on."""

    id: str
    host: str
    boot_id: str


@dataclass(slots=True, kw_only=True)
class Claim:
    """A won claim. `fence` goes into every write about the run; `log_seq` is its last log entry's number, `log_size`
    how many characters this attempt has logged, `retry` its policy as JSON, `releases` how often it was given back begun,
    `prepare` what its arguments are to be made of when it begins (`services.followups`).

    `arguments` and `positional` are JSON text, handed on unparsed. `subject` is what remembers its last runs: the
    job, or the type of a run without a job.
    """

    id: str
    tenant: str
    fence: int
    attempt: int
    type: str | None
    function: str | None
    arguments: str
    positional: str | None
    timeout_s: float | None
    job_id: str | None
    principal_id: str | None
    principal_name: str | None
    log_seq: int
    queue: str
    max_attempts: int = 1
    retry: str | None = None
    releases: int = 0
    parent_id: str | None = None
    limit_key: str | None = None
    limit_n: int | None = None
    limit_policy: str | None = None
    log_size: int = 0
    prepare: str | None = None

    @property
    def subject(self) -> str | None:
        """What remembers the run among its last ones; None for a plain function."""
        return self.job_id or self.type

    @classmethod
    def of_row(cls, row: Any) -> Claim:
        """From a row of `store.claims`."""
        # Taken apart by position: by name, each column would cost a look-up.
        (run_id, tenant, fence, attempt, type_id, function, arguments, positional, timeout_s, job_id,
         principal_id, principal_name, log_seq, max_attempts, retry, releases, parent_id,
         limit_key, limit_n, limit_policy, queue, *_) = row  # fmt: skip
        return cls(
            id=run_id,
            tenant=tenant,
            fence=fence,
            attempt=attempt,
            type=type_id,
            function=function,
            arguments=arguments,
            positional=positional,
            timeout_s=timeout_s,
            job_id=job_id,
            principal_id=principal_id,
            principal_name=principal_name,
            log_seq=log_seq,
            max_attempts=max_attempts,
            retry=retry,
            releases=releases,
            parent_id=parent_id,
            limit_key=limit_key,
            limit_n=limit_n,
            limit_policy=limit_policy,
            queue=queue,
        )
