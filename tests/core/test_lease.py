"""Who counts as silent: whose heartbeat stood still for a whole lease, seen by one observer on its own clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobdeck.core.lease import Beat, Watch, silence_s

LEASE = 10.0
looks = st.lists(
    st.tuples(st.floats(0, 7), st.dictionaries(st.sampled_from("abc"), st.tuples(st.integers(1, 2), st.integers(0, 2)))),
    max_size=20,
)  # fmt: skip


def beat(run: str = "run", owner: str = "worker", fence: int = 1, number: int = 0) -> Beat:
    return (run, owner, fence, number)


def test_silence_counts_from_the_first_look_for_a_whole_lease() -> None:
    watch = Watch(LEASE)
    assert [watch.observe([beat()], at) for at in (1000.0, 1004.0, 1008.0, 1009.9)] == [[]] * 4
    assert watch.observe([beat()], 1010.0) == [beat()]
    assert watch.observe([beat()], 1011.0) == [beat()]


def test_a_heartbeat_begins_the_count_anew() -> None:
    watch = Watch(LEASE)
    for number in range(10):
        for at in (0.0, 4.0, 8.0):
            assert watch.observe([beat(number=number)], number * 9.0 + at) == []
    assert watch.observe([beat(number=9)], 91.0) == [beat(number=9)]


def test_another_owner_or_fence_is_another_lease() -> None:
    watch = Watch(LEASE)
    watch.observe([beat()], 0.0)
    watch.observe([beat()], 5.0)
    assert watch.observe([beat(owner="other")], 10.0) == []
    assert watch.observe([beat(owner="other")], 15.0) == []
    assert watch.observe([beat(owner="other", fence=2)], 20.0) == []
    assert watch.observe([beat(owner="other", fence=2)], 25.0) == []
    assert watch.observe([beat(owner="other", fence=2)], 30.0) == [beat(owner="other", fence=2)]


def test_what_was_not_there_once_is_counted_anew() -> None:
    watch = Watch(LEASE)
    watch.observe([beat()], 0.0)
    watch.observe([], 5.0)
    assert watch.observe([beat()], 10.0) == []
    assert watch.observe([beat()], 15.0) == []
    assert watch.observe([beat()], 20.0) == [beat()]


def test_after_a_failed_look_everything_is_counted_anew() -> None:
    watch = Watch(LEASE)
    watch.observe([beat()], 0.0)
    watch.observe([beat()], 5.0)
    watch.forget()
    assert watch.observe([beat()], 10.0) == []
    assert watch.observe([beat()], 15.0) == []
    assert watch.observe([beat()], 20.0) == [beat()]


def test_whoever_was_held_up_itself_counts_anew() -> None:
    watch = Watch(LEASE)
    watch.observe([beat()], 0.0)
    assert watch.observe([beat()], 30.0) == []
    assert watch.observe([beat()], 35.0) == []
    assert watch.observe([beat()], 40.0) == [beat()]


@given(looks)
def test_only_what_was_the_same_at_every_look_of_a_whole_lease_is_silent(
    looks: list[tuple[float, dict[str, tuple[int, int]]]],
) -> None:
    watch = Watch(LEASE)
    now, seen = 0.0, []
    for wait, held in looks:
        now += wait
        beats = {beat(run=run, fence=fence, number=number) for run, (fence, number) in held.items()}
        seen.append((now, beats))
        expected = set()
        for one in beats:
            since = now
            for at, then in reversed(seen):
                if one not in then or since - at > LEASE / 2:
                    break
                since = at
            if now - since >= LEASE:
                expected.add(one)
        assert set(watch.observe(sorted(beats), now)) == expected


@given(st.floats(1, 3600))
def test_a_worker_ends_its_work_before_its_lease_is_over(lease_s: float) -> None:
    """It is heard of three times in a lease, and a word that comes late must not end anything."""
    assert lease_s / 3 < silence_s(lease_s) < lease_s
    assert lease_s - silence_s(lease_s) <= 5.0
