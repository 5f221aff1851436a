"""The figure sheet of a drill: as text for people, as one flat object for programs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.tick import TickKind
from .history import Findings

EXAMPLES = 5
_WORDS = {
    "lost": "accepted runs that did not end",
    "stuck": "runs that had not ended after the calm",
    "illegal_transitions": "changes of status that are not in the table",
    "doubled_outcomes": "changes of a run that had ended",
    "doubled_effects": "attempts begun or done more than once",
    "attempt_overlaps": "attempts that lived into a later one",
    "excess_starts": "runs begun more often than they may",
    "started_after_stop": "bodies begun after their cancel",
    "started_too_early": "bodies begun before what they wait for",
    "limit_overlaps": "runs at work together against a limit",
    "log_lines": "logs with lines missing or out of order",
    "wrong_subruns": "parents with wrong counts of sub-runs",
    "untold": "starts or ends that the history lacks",
    "stale_accepted": "outcomes taken from who held the run no more",
    "ticks_missing": "planned times of schedules without a row",
    "ticks_duplicate": "planned times with more than one row or run",
    "ticks_unplanned": "rows of times that no schedule names",
    "ticks_unmatched": "rows and runs of schedules that do not fit",
    "unserved": "queues that nobody served at the end",
    "unprompted_ends": "processes of the drill that ended by themselves",
    "leftovers": "processes left over",
    "complaints": "tracebacks of jobdeck's own",
    "hits": "kinds of fault that hit nothing that could be lost",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """All figures of one drill."""

    findings: Findings
    attempts: Mapping[str, int]
    hits: Mapping[str, int]
    unserved: int
    unprompted_ends: int
    leftovers: Sequence[str]
    complaints: Sequence[str]
    resumed: int
    seed: int
    seconds: int
    engine: str
    database: str
    patience_s: float | None
    """after how long a message counts as lost; None without messages"""
    calm_s: float
    calm_bound_s: float
    rescue_bound_s: float

    @property
    def counts(self) -> dict[str, int]:
        """How often each MUST was broken."""
        return {
            **{name: len(sentences) for name, sentences in self.findings.broken.items()},
            "unserved": self.unserved,
            "unprompted_ends": self.unprompted_ends,
            "leftovers": len(self.leftovers),
            "complaints": len(self.complaints),
            "hits": sum(count == 0 for count in self.hits.values()),
        }

    @property
    def passes(self) -> bool:
        """Whether every MUST holds."""
        return not any(self.counts.values())

    def as_data(self) -> dict[str, Any]:
        """One flat object."""
        found, counts = self.findings, self.counts
        return {
            "passes": self.passes,
            "seed": self.seed,
            "seconds": self.seconds,
            "engine": self.engine,
            "database": self.database,
            "accepted": found.accepted,
            "final": found.final,
            "statuses": dict(found.statuses),
            "starts": found.starts,
            "starts_most": found.starts_most,
            "effects": found.effects,
            "log_entries": found.lines,
            "cancels": found.cancels,
            "finished_first": found.finished_first,
            "stale_attempted": found.stale_attempted,
            "stale_rejected": found.stale_rejected,
            "rescue_p50_s": _percentile(found.rescues_s, 0.5),
            "rescue_max_s": _percentile(found.rescues_s, 1.0),
            "rescue_bound_s": self.rescue_bound_s,
            "rings_sent": found.rings,
            "rung_again": len(found.rerings_s),
            "rering_p50_s": _percentile(found.rerings_s, 0.5),
            "rering_max_s": _percentile(found.rerings_s, 1.0),
            "ring_patience_s": self.patience_s,
            "deliveries_fenced": found.fenced,
            **{f"ticks_{name}": count for name, count in found.ticks.items()},
            "calm_s": round(self.calm_s, 3),
            "calm_bound_s": round(self.calm_bound_s, 3),
            "types_resumed": self.resumed,
            "faults": dict(self.attempts),
            **{name: count for name, count in counts.items() if name != "hits"},
            "hits": dict(self.hits),
            "musts": {name: count == 0 for name, count in counts.items()},
        }

    def lines(self) -> Iterator[str]:
        """The sheet, line by line."""
        found = self.findings
        rows = [
            ("accepted", f"{found.accepted:,} runs, {found.final:,} final"),
            ("statuses", ", ".join(f"{name} {count:,}" for name, count in found.statuses.items())),
            ("starts", f"{found.starts:,}, at most {found.starts_most} a run; {found.effects:,} effects"),
            ("cancels", f"{found.cancels:,} taken, {found.finished_first:,} after the end"),
            ("log entries", f"{found.lines:,}"),
            ("stale writes", f"{found.stale_attempted:,} attempted, {found.stale_rejected:,} rejected"),
            ("rescues", self._rescues()),
            *([] if self.patience_s is None else [("rings", self._rings())]),
            ("schedules", self._schedules()),
            ("calm", f"after {self.calm_s:.1f} s, bound {self.calm_bound_s:.1f} s"),
            ("faults", ", ".join(f"{name} {self.hits[name]}/{count}" for name, count in self.attempts.items())),
            ("", "(hits: a run held, a time due, messages under way / all)"),
        ]
        yield f"DRILL  seed {self.seed} · {self.engine} · {self.database} · {self.seconds} s"
        yield ""
        yield from (f"{name:<13} {text}".rstrip() for name, text in rows)
        yield ""
        for name, count in self.counts.items():
            yield f"{count:>6}  {'ok  ' if count == 0 else 'FAIL'}  {_WORDS[name]}"
        yield from self._examples()
        yield ""
        yield "Every MUST holds." if self.passes else "Not every MUST holds."

    def _rescues(self) -> str:
        found = self.findings.rescues_s
        if not found:
            return "none"
        half, longest = _percentile(found, 0.5), _percentile(found, 1.0)
        return (
            f"{len(found):,}, half within {half:.2f} s, all within {longest:.2f} s, bound {self.rescue_bound_s:.1f} s"
        )

    def _rings(self) -> str:
        again = self.findings.rerings_s
        half, longest = _percentile(again, 0.5), _percentile(again, 1.0)
        told = f"none again (patience {self.patience_s:g} s)" if not again else (
            f"{len(again):,} again, half after {half:.2f} s, all within {longest:.2f} s (patience {self.patience_s:g} s)"
        )  # fmt: skip
        return f"{self.findings.rings:,} sent, {told}; {self.findings.fenced:,} deliveries fenced"

    def _schedules(self) -> str:
        found = self.findings.ticks
        told = ", ".join(f"{name.replace('_', ' ')} {found[name]:,}" for name in TickKind)
        missing, duplicate = self.counts["ticks_missing"], self.counts["ticks_duplicate"]
        return f"{found['planned']:,} instants (oracle): {told}; missing {missing:,}, duplicate {duplicate:,}"

    def _examples(self) -> Iterator[str]:
        for sentences in [*self.findings.broken.values(), self.leftovers, self.complaints]:
            if sentences:
                yield ""
                yield from sentences[:EXAMPLES]


def _percentile(values: Sequence[float], share: float) -> float | None:
    return round(values[max(0, math.ceil(len(values) * share) - 1)], 3) if values else None
