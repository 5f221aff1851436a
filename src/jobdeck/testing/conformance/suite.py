"""The suite itself: a class of tests, to be derived from with a fixture that gives a stack."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future

import pytest

from ...core.capability import Capability

# Before they are imported, so that their assertions tell the values.
pytest.register_assert_rewrite(*(f"{__package__}.{module}" for module in ("calamity", "rows", "stage")))

from . import calamity  # noqa: E402 - as the line above says
from .calamity import Calamity  # noqa: E402 - as above
from .rows import BESIDE  # noqa: E402 - as above
from .stack import Stack  # noqa: E402 - as above
from .stage import MAIN, Stage  # noqa: E402 - as above

YES = "yes"
_LATER = {Capability.CRASH_RESCUE: calamity.crash_rescue, Capability.OUTBOX: calamity.outbox}
ABOUT: Mapping[Capability, str] = {
    capability: (inspect.getdoc({**BESIDE, **_LATER}[capability]) or "").partition("\n")[0] for capability in Capability
}
"""What each row tries, in a sentence."""


class Rehearsal:
    """A stage on which the rows that do not disturb one another have all begun."""

    def __init__(self, stage: Stage, wanted: Collection[Capability]) -> None:
        self.stage = stage
        able = [capability for capability in BESIDE if capability in wanted and capability not in stage.cannot]
        self._beside: dict[Capability, Future[None]] = {
            capability: stage.rehearse(BESIDE[capability]) for capability in able
        }
        self._struck: Calamity | None = None

    def look(self, capability: Capability) -> None:
        """Return when the row is as it should be."""
        if capability in self._beside:
            self._beside[capability].result()
        else:
            _LATER[capability](self.stage, self._calamity)

    def settle(self) -> None:
        """Return when nothing goes on any more, well or not."""
        for future in self._beside.values():
            future.exception()

    @property
    def _calamity(self) -> Calamity:
        self.settle()
        if self._struck is None:
            self._struck = calamity.strike(self.stage)
        return self._struck


class EngineConformance:
    """What every engine passes. Derive from it, and define a fixture `stack` of class scope that gives a `Stack`.

    All tests of one class share its processes, and run in their order.
    """

    @pytest.fixture(scope="class")
    @classmethod
    def rehearsal(cls, stack: Stack, request: pytest.FixtureRequest) -> Iterator[Rehearsal]:
        """The stack at work."""
        stage = Stage(stack)
        try:
            stack.open()
            stage.open()
            yield Rehearsal(stage, _selected(request))
        finally:
            stage.close()
            stack.close()

    @pytest.mark.parametrize("capability", Capability, ids=str)
    def test_capability(self, rehearsal: Rehearsal, capability: Capability) -> None:
        """The row is as it should be, or the engine says why it cannot, and so do the services behind pages and API."""
        reason = rehearsal.stage.cannot.get(capability)
        if reason is None:
            rehearsal.look(capability)
            verdict = YES
        else:
            told = rehearsal.stage.deck.queues.get(MAIN).cannot
            assert told.get(capability) == reason, f"{told} does not tell that {reason}"
            verdict = f"no: {reason}"
        self.judge(rehearsal.stage.stack, capability, verdict)

    def test_workers_end_in_order(self, rehearsal: Rehearsal) -> None:
        """SIGTERM is enough; and what was never to begin has not begun."""
        rehearsal.settle()
        if not rehearsal.stage.is_immediate:
            calamity.shutdown(rehearsal.stage)
        begun = [path for path in rehearsal.stage.unwanted if path.exists()]
        assert not begun, "what was stopped, rolled back or could not begin has begun after all"

    def judge(self, stack: Stack, capability: Capability, verdict: str) -> None:
        """Called with each verdict, `yes` or `no: ` with the reason; for those who keep them."""


def _selected(request: pytest.FixtureRequest) -> set[Capability]:
    """The rows of this class that are tried in this session."""
    tests = [item for item in request.session.items if isinstance(item, pytest.Function) and item.cls is request.cls]
    return {Capability(str(test.callspec.params["capability"])) for test in tests if hasattr(test, "callspec")}
