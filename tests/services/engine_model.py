"""The model with an engine in between: runs are won by deliveries alone, and these are lost, doubled, late and out of order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import rule

from jobdeck.core.ring import Ring
from jobdeck.errors import EngineError
from jobdeck.services import dispatching
from jobdeck.services.claims import Report
from jobdeck.services.dispatch import Dispatch
from jobdeck.services.holder import Claim
from jobdeck.services.rings import Rings

from .model import Lives
from .stand_in import QuietEngine, Worker

PATIENCE_US = 60_000_000
NAME = "mailbox"


class Mailbox(QuietEngine):
    """An engine that a test reads from; `takes` the next so many, then it is away."""

    name = NAME

    def __init__(self) -> None:
        self.letters: list[Ring] = []
        self.takes = 10**9
        self.tells = True

    def ring(self, rings: Sequence[Ring]) -> int:
        taken = min(self.takes, len(rings))
        if not taken:
            raise EngineError("The mailbox is full.")
        self.takes -= taken
        self.letters += rings[:taken]
        return taken

    def depth(self, queue: str) -> int | None:
        return sum(letter.queue == queue for letter in self.letters) if self.tells else None


class LivesOnEngine(Lives):
    """Two dispatchers and a mailbox, on a deck whose queues are all on it."""

    def __init__(self) -> None:
        super().__init__()
        self.mailbox = Mailbox()
        self.deck.__dict__["engines"] = {NAME: self.mailbox}
        self.dispatchers = [Dispatch(self.deck.office, self.deck.engines) for _ in range(2)]
        self.rings = Rings(self.deck.database, PATIENCE_US)
        dispatching.FIRST_BACKOFF_S = 0.0

    @rule(who=st.integers(0, 1))
    def dispatch(self, who: int) -> None:
        self.dispatchers[who].step()

    @rule(who=st.integers(0, 1))
    def adopt(self, who: int) -> None:
        self.dispatchers[who].adopt()

    @rule(takes=st.integers(0, 2), tells=st.booleans())
    def be_away(self, takes: int, tells: bool) -> None:
        self.mailbox.takes, self.mailbox.tells = takes, tells

    @rule()
    def be_back(self) -> None:
        self.mailbox.takes, self.mailbox.tells = 10**9, True

    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        if self.mailbox.letters:
            self.mailbox.letters.remove(data.draw(st.sampled_from(self.mailbox.letters)))

    @rule(data=st.data(), times=st.sampled_from([1, 3]))
    def double(self, data: st.DataObject, times: int) -> None:
        if self.mailbox.letters:
            self.mailbox.letters += [data.draw(st.sampled_from(self.mailbox.letters))] * times

    @rule(data=st.data())
    def shuffle(self, data: st.DataObject) -> None:
        self.mailbox.letters = data.draw(st.permutations(self.mailbox.letters))

    @rule(count=st.integers(1, 2))
    def give_letters_back(self, count: int) -> None:
        """A worker that ends has taken them and not used them."""
        back = [self.mailbox.letters.pop(0) for _ in range(min(count, len(self.mailbox.letters)))]
        self.rings.back(back, self.clock.us)

    def teardown(self) -> None:
        self.be_back()
        super().teardown()

    def _win(self, worker: Worker, wanted: int) -> list[Claim]:
        """What so many deliveries win; in the end, when there are many, after everything was rung for."""
        if wanted > 3:
            self.dispatchers[0].adopt()
            while self.dispatchers[0].step().is_behind:
                pass
        letters = [self.mailbox.letters.pop(0) for _ in range(min(wanted, len(self.mailbox.letters)))]
        room = Counter(letter.queue for letter in letters)
        won = worker.claims.exchange(Report(), len(letters), worker.now(), room).won
        assert Counter(claim.queue for claim in won) <= room
        self.rings.spent(letters[len(won) :], worker.now())
        return won
