"""Gather, decide, commit: what arrives in between, request ids, and answers without Redis."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis
from sqlalchemy import func, select

from engine.catalog import Action, Exclusion
from engine.errors import JournalUnavailable, RequestIdReused, UnknownChannel
from engine.ledger import Ledger, keys, tables
from engine.ledger.archive import archive_stream
from engine.ledger.outcomes import Outcome
from engine.ledger.wire import Command
from engine.live import Answer, Ask, Decider
from engine.names import LOADED_VIEWS
from engine.replay import identical
from engine.types import ContactKind, Decision, FeatureRow, Level, Scalar, Scores
from tests.support.builders import (
    NOW,
    a_bundle,
    a_contact,
    a_customer,
    a_hold,
    a_limit,
    a_purpose,
    a_reach,
    an_action,
)
from tests.support.ledgers import (
    NoFeatures,
    NoModels,
    a_decider,
    decided,
    opened,
    reconcile,
    redis_says,
)
from tests.support.servers import Server, valkey
from tests.support.slow import slow_proxy

SALE = an_action("upgrade")
HELP = an_action("help", purpose="service", exempt="service", value=1)
BUNDLE = a_bundle(SALE, HELP)
FULL = FeatureRow(times=dict.fromkeys(LOADED_VIEWS, NOW))
LIMITED = a_bundle(SALE, HELP, limits=[a_limit(maximum=1, kinds=[ContactKind.IMPRESSION])])


def ask(**more: Any) -> Ask:
    """The usual question."""
    return Ask(customer=a_customer(), channel="web", **more)


def once(digest: str = "body", **more: Any) -> Ask:
    """The usual question under a request id."""
    return ask(request_id="r1", digest=digest, **more)


def shown(decision: Decision) -> list[str]:
    """The actions that are offered."""
    return [offer.action for offer in decision.offers]


async def recorded(ledger: Ledger) -> int:
    """How many decisions are recorded."""
    spooled = await ledger.journal.read(
        lambda connection: connection.execute(select(func.count()).select_from(tables.spool))
    )
    return int(await redis_says(ledger, "XLEN", keys.DECISIONS)) + int(spooled.scalar_one())


def between(ledger: Ledger, patch: pytest.MonkeyPatch, *happenings: Callable[[], Any]) -> Decider:
    """A decider with something that happens right before each of its first commits."""
    waiting = list(happenings)
    run = ledger.wire.call

    async def interrupted(*commands: Command, seconds: float | None = None) -> list[Any]:
        if waiting and len(commands) == 1:  # no read, which has the features with it
            await waiting.pop(0)()
        return await run(*commands, seconds=seconds)

    patch.setattr(ledger.wire, "call", interrupted)
    return Decider(ledger, NoFeatures(), NoModels(), lambda: LIMITED)


# -- read, compute, commit


async def test_a_decision_is_recorded_before_it_is_answered(ledger: Ledger) -> None:
    decision = await decided(ledger, BUNDLE, ask())
    assert shown(decision) == ["upgrade"]
    assert identical(await ledger.raw_record(decision.decision_id), BUNDLE)
    assert (await ledger.state(a_customer())).latest == (decision.decision_id,)


async def test_the_latest_decisions_are_kept_newest_first(ledger: Ledger) -> None:
    made = [(await decided(ledger, BUNDLE, ask())).decision_id for _ in range(7)]
    assert (await ledger.state(a_customer())).latest == tuple(reversed(made[2:]))


async def test_an_unknown_channel_is_refused_with_those_that_exist(ledger: Ledger) -> None:
    with pytest.raises(UnknownChannel, match=r"'fax'.*web, app"):
        await decided(ledger, BUNDLE, Ask(customer=a_customer(), channel="fax"))


async def test_a_hold_between_read_and_commit_is_seen(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    decider = between(ledger, monkeypatch, lambda: ledger.place_hold(a_customer(), a_hold()))
    decision = (await decider.decide(ask())).decision
    assert shown(decision) == ["help"]
    assert [hold.id for hold in decision.holds] == ["complaint:4711"]
    assert await recorded(ledger) == 1


async def test_a_consent_between_read_and_commit_is_seen(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    decider = between(
        ledger,
        monkeypatch,
        lambda: ledger.set_consent(a_customer(), "sales", "web", False, "desk", NOW),
    )
    assert shown((await decider.decide(ask())).decision) == ["help"]


async def test_a_contact_between_read_and_commit_is_seen(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = ledger.clock.now()
    contact = a_contact(kind=ContactKind.IMPRESSION, at=now)
    decider = between(ledger, monkeypatch, lambda: ledger.add_contacts([(a_customer(), contact)]))
    assert shown((await decider.decide(ask())).decision) == ["help"]


async def test_a_wipe_between_read_and_commit_is_seen(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    decider = between(ledger, monkeypatch, lambda: redis_says(ledger, "FLUSHALL"))
    decision = (await decider.decide(ask())).decision
    assert (shown(decision), decision.level) == (["help"], Level.STATIC)


async def test_a_rebuild_between_read_and_commit_is_seen(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versions begin again after a rebuild: an equal number does not mean an equal state."""
    await ledger.set_consent(a_customer(), "survey", "web", True, "desk", NOW)

    async def wiped_and_rebuilt() -> None:
        await redis_says(ledger, "FLUSHALL")
        await ledger.place_hold(a_customer(), a_hold())
        await reconcile(ledger, "another")

    decider = between(ledger, monkeypatch, wiped_and_rebuilt)
    assert (await ledger.state(a_customer())).version == 1
    assert shown((await decider.decide(ask())).decision) == ["help"]
    assert (await ledger.state(a_customer())).version == 1


async def test_a_state_that_never_rests_gets_a_careful_answer(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    seq = 0

    async def held_again() -> None:
        nonlocal seq
        seq += 1
        await ledger.enforce_hold(a_customer(), a_hold(seq=seq))

    decider = between(ledger, monkeypatch, *[held_again] * 50)
    decision = (await decider.decide(ask())).decision
    assert decision.level is Level.STATIC
    assert "changes faster" in decision.because[0]
    assert shown(decision) == ["help"]


async def test_more_questions_than_connections_are_all_answered_in_full(ledger: Ledger) -> None:
    decider = a_decider(ledger, BUNDLE)
    patient = ask(deadline_ms=5_000)  # the last of them waits for all others
    answers = await asyncio.gather(*(decider.decide(patient) for _ in range(200)))
    assert {tuple(shown(answer.decision)) for answer in answers} == {("upgrade",)}
    assert await recorded(ledger) == 200


async def test_scripts_that_the_server_forgot_are_loaded_again(ledger: Ledger) -> None:
    decider = a_decider(ledger, BUNDLE)
    for _ in range(2):
        assert shown((await decider.decide(ask())).decision) == ["upgrade"]
        await redis_says(ledger, "SCRIPT FLUSH")


# -- request ids


async def test_the_same_request_id_gives_the_same_answer(ledger: Ledger) -> None:
    answers = [await decided(ledger, BUNDLE, once()) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert await recorded(ledger) == 1


async def test_ten_calls_at_once_share_one_answer_and_one_record(ledger: Ledger) -> None:
    deciders = [a_decider(ledger, BUNDLE) for _ in range(2)]
    answers = await asyncio.gather(*(deciders[n % 2].decide(once()) for n in range(10)))
    assert len({answer.decision.decision_id for answer in answers}) == 1
    assert await recorded(ledger) == 1


async def test_another_body_under_the_same_request_id_is_refused(ledger: Ledger) -> None:
    first = await decided(ledger, BUNDLE, once())
    with pytest.raises(RequestIdReused, match="'r1'"):
        await decided(ledger, BUNDLE, once("another body"))
    assert await decided(ledger, BUNDLE, once()) == first


async def test_a_stored_answer_that_a_hold_forbids_is_superseded(ledger: Ledger) -> None:
    first = await decided(ledger, BUNDLE, once())
    await ledger.place_hold(a_customer(), a_hold())
    second = await decided(ledger, BUNDLE, once())
    assert (shown(first), shown(second)) == (["upgrade"], ["help"])
    assert "superseded" in second.because
    assert await decided(ledger, BUNDLE, once()) == second
    assert identical(await ledger.raw_record(second.decision_id), BUNDLE)


@pytest.mark.parametrize("seal", ["kept", "taken off"])
async def test_a_stored_answer_whose_record_was_changed_is_not_given_again(
    ledger: Ledger, seal: str
) -> None:
    first = await decided(ledger, BUNDLE, once())
    [(entry, fields)] = await redis_says(ledger, "XRANGE", keys.DECISIONS, "-", "+")
    changed = fields[b"r"].replace(b'"body":"upgrade"', b'"body":"more"')
    if seal == "taken off":  # as if it was written before records were sealed
        body = {**orjson.loads(changed), "version": 1}
        changed = orjson.dumps({name: one for name, one in body.items() if name != "seal"})
    await redis_says(ledger, "XDEL", keys.DECISIONS, entry)
    moved = ("*", "d", first.decision_id, "r", changed)
    entry = await redis_says(ledger, "XADD", keys.DECISIONS, *moved)
    await redis_says(ledger, "SET", keys.decision(first.decision_id), entry)
    again = await decided(ledger, BUNDLE, once())
    assert again.decision_id != first.decision_id
    assert again.offers[0].content == first.offers[0].content


async def test_a_stored_answer_that_lies_in_a_damaged_file_is_not_given_again(
    ledger: Ledger,
) -> None:
    first = await decided(ledger, BUNDLE, once())
    await archive_stream(ledger)
    [file] = ledger.site.archive.glob("*/*.parquet")
    file.write_bytes(file.read_bytes()[:100])
    assert (await decided(ledger, BUNDLE, once())).decision_id != first.decision_id


async def test_a_stored_answer_that_an_emergency_stop_covers_is_superseded(ledger: Ledger) -> None:
    assert shown(await decided(ledger, BUNDLE, once())) == ["upgrade"]
    stop = Exclusion(name="recall", because="a recall", reach=a_reach(actions=["upgrade"]))
    lasting = replace(BUNDLE, exclusions=(stop,))
    ended = replace(BUNDLE, exclusions=(replace(stop, until=ledger.clock.now()),))
    assert shown(await decided(ledger, ended, once())) == ["upgrade"]
    second = await decided(ledger, lasting, once())
    assert shown(second) == ["help"]
    assert "superseded" in second.because


async def test_ten_calls_at_once_after_a_hold_share_one_new_answer(ledger: Ledger) -> None:
    await decided(ledger, BUNDLE, once())
    await ledger.place_hold(a_customer(), a_hold())
    decider = a_decider(ledger, BUNDLE)
    answers = await asyncio.gather(*(decider.decide(once()) for _ in range(10)))
    assert len({answer.decision.decision_id for answer in answers}) == 1
    assert await recorded(ledger) == 2


async def test_a_stored_answer_without_consent_is_superseded(ledger: Ledger) -> None:
    await decided(ledger, BUNDLE, once())
    await ledger.set_consent(a_customer(), "sales", "web", False, "desk", NOW)
    assert shown(await decided(ledger, BUNDLE, once())) == ["help"]


async def test_a_stored_answer_is_not_given_while_holds_are_unknown(ledger: Ledger) -> None:
    await decided(ledger, BUNDLE, once())
    await redis_says(ledger, "DEL", keys.MARKER)
    assert shown(await decided(ledger, BUNDLE, once())) == ["help"]


async def test_an_answer_does_not_outlive_the_digest_of_its_body(ledger: Ledger) -> None:
    await decided(ledger, BUNDLE, once())
    answer = keys.answer(a_customer(), "r1")
    for name in (answer, keys.guard("r1")):
        await redis_says(ledger, "PEXPIRE", name, 60_000)
    await ledger.place_hold(a_customer(), a_hold())
    await decided(ledger, BUNDLE, once())
    assert await redis_says(ledger, "PTTL", answer) <= 60_000


async def test_a_claim_that_was_never_kept_is_taken_over(ledger: Ledger) -> None:
    answer = keys.answer(a_customer(), "r1")
    await redis_says(ledger, "SET", answer, "pdied", "PX", 50)
    assert shown(await decided(ledger, BUNDLE, once())) == ["upgrade"]


async def test_a_slow_call_gives_the_answer_of_the_one_that_took_over(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    others: list[Decision] = []

    async def overtaken() -> None:
        await redis_says(ledger, "DEL", keys.answer(a_customer(), "r1"))
        others.append(await decided(ledger, LIMITED, once()))

    async def nothing() -> None:
        """The guard of the request id comes first."""

    decider = between(ledger, monkeypatch, nothing, overtaken)
    decision = (await decider.decide(once())).decision
    assert decision == others[0]
    assert await recorded(ledger) == 1


async def test_a_slow_call_checks_the_answer_it_takes_over(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other call's answer may sell, and a complaint may have come since."""

    async def overtaken_and_held() -> None:
        await redis_says(ledger, "DEL", keys.answer(a_customer(), "r1"))
        await decided(ledger, LIMITED, once())
        await ledger.place_hold(a_customer(), a_hold())

    async def nothing() -> None:
        """The guard of the request id comes first."""

    decider = between(ledger, monkeypatch, nothing, overtaken_and_held)
    decision = (await decider.decide(once())).decision
    assert shown(decision) == ["help"]
    assert "superseded" in decision.because


async def test_a_dry_run_leaves_no_trace(ledger: Ledger) -> None:
    before = await redis_says(ledger, "KEYS", "*")
    decision = await decided(ledger, BUNDLE, once(dry_run=True))
    assert shown(decision) == ["upgrade"]
    assert await redis_says(ledger, "KEYS", "*") == before
    assert await recorded(ledger) == 0
    await decided(ledger, BUNDLE, once("another body"))


# -- without Redis


async def test_without_redis_the_answer_is_careful_recorded_and_can_be_replayed(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, "redis://127.0.0.1:1/0") as ledger:
        decision = await decided(ledger, BUNDLE, once())
        assert (shown(decision), decision.level) == (["help"], Level.STATIC)
        assert "could not be read" in decision.because[0]
        assert identical(await ledger.raw_record(decision.decision_id), BUNDLE)
        assert shown(await decided(ledger, BUNDLE, ask(dry_run=True))) == ["help"]


async def test_without_redis_and_journal_nothing_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> Any:
        raise JournalUnavailable("the disk is full")

    async with opened(tmp_path, "redis://127.0.0.1:1/0") as ledger:
        monkeypatch.setattr(ledger.journal, "write", away)
        with pytest.raises(JournalUnavailable):
            await decided(ledger, BUNDLE, ask())


async def test_a_stalled_redis_delays_an_answer_but_never_mixes_answers_up(
    tmp_path: Path,
) -> None:
    with valkey(tmp_path / "valkey") as server:
        async with opened(tmp_path, server.url) as ledger:
            await reconcile(ledger)
            decider = a_decider(ledger, BUNDLE)
            assert shown((await decider.decide(ask())).decision) == ["upgrade"]
            os.kill(server.process.pid, signal.SIGSTOP)
            try:
                async with asyncio.timeout(2.5):
                    stalled = await asyncio.gather(*(decider.decide(ask()) for _ in range(5)))
            finally:
                os.kill(server.process.pid, signal.SIGCONT)
            assert {tuple(shown(answer.decision)) for answer in stalled} == {("help",)}
            await ledger.place_hold(a_customer("other"), a_hold())
            for name, offers in (("other", ["help"]), ("7590-VHVEG", ["upgrade"])) * 3:
                asked = Ask(customer=a_customer(name), channel="web")
                assert shown((await decider.decide(asked)).decision) == offers


async def test_behind_a_slow_connection_nobody_gets_the_answer_of_another(
    shared_valkey: Server, ledger: Ledger, tmp_path: Path
) -> None:
    """Every second customer has a complaint; deadlines run out, and callers give up."""
    draw, names = random.Random(1), [a_customer(f"customer {n}") for n in range(40)]
    for name in names[::2]:
        await ledger.place_hold(name, a_hold())
    async with (
        slow_proxy(shared_valkey, 0.02) as url,
        opened(tmp_path / "behind", url) as behind,
    ):
        await decided(behind, BUNDLE, Ask(customer=names[0], channel="web", deadline_ms=5_000))
        calls: list[asyncio.Task[Answer]] = []
        for number in range(200):
            millis = draw.choice((10, 60, 200, 5_000))
            asked = Ask(customer=names[number % 40], channel="web", deadline_ms=millis)
            alone = a_decider(behind, BUNDLE)  # whose breaker others do not trip
            calls.append(asyncio.create_task(alone.decide(asked)))
            if number % 5 == 0:
                await asyncio.sleep(0.002)
                calls[draw.randrange(len(calls))].cancel()
        found = await asyncio.gather(*calls, return_exceptions=True)
    answers = [(n, one.decision) for n, one in enumerate(found) if isinstance(one, Answer)]
    read = [(n, one) for n, one in answers if "could not be read" not in one.because[0]]
    assert len(answers) > len(read) > 20
    for number, decision in read:
        assert shown(decision) == (["upgrade"] if number % 2 else ["help"])
        record = orjson.loads(await ledger.raw_record(decision.decision_id))
        assert record["request"]["customer"] == names[number % 40]


async def test_an_answer_waits_for_redis_no_longer_than_its_deadline_allows(tmp_path: Path) -> None:
    with valkey(tmp_path / "valkey") as server:
        async with opened(tmp_path, server.url) as ledger:
            await reconcile(ledger)
            decider = a_decider(ledger, BUNDLE)
            assert shown((await decider.decide(ask())).decision) == ["upgrade"]
            os.kill(server.process.pid, signal.SIGSTOP)
            try:
                for question in (ask(deadline_ms=500), once(deadline_ms=500)):
                    answer = await decider.decide(question)
                    assert shown(answer.decision) == ["help"]
                    assert "within 200 ms" in answer.decision.because[0]
                    assert 200 <= answer.took_ms < 500
            finally:
                os.kill(server.process.pid, signal.SIGCONT)


async def test_a_restarted_redis_is_not_trusted_before_its_rebuild(tmp_path: Path) -> None:
    """The append-only file brings the marker back, but it names another server process."""
    folder = tmp_path / "valkey"
    with valkey(folder, append_only=True) as server:
        async with opened(tmp_path, server.url) as ledger:
            await reconcile(ledger)
            assert shown(await decided(ledger, BUNDLE, ask())) == ["upgrade"]
            server.process.kill()
            server.process.wait()
            assert shown(await decided(ledger, BUNDLE, ask())) == ["help"]
            with valkey(folder, append_only=True, port=server.port):
                assert await seen_marker(server.url)
                assert shown(await decided(ledger, BUNDLE, ask())) == ["help"]
                await reconcile(ledger)
                assert shown(await decided(ledger, BUNDLE, ask())) == ["upgrade"]


async def seen_marker(url: str) -> bool:
    """Whether the marker is there, seen by somebody who does not know what it means."""
    with redis.Redis.from_url(url) as client:  # pyright: ignore[reportUnknownMemberType]
        return bool(client.exists(keys.MARKER))


async def test_a_wiped_redis_gives_nothing_that_sells(wiped_ledger: Ledger) -> None:
    decision = await decided(wiped_ledger, BUNDLE, ask())
    assert (shown(decision), decision.level) == (["help"], Level.STATIC)


async def test_a_consent_that_only_redis_lost_is_not_guessed(wiped_ledger: Ledger) -> None:
    bundle = a_bundle(SALE, purposes=[a_purpose("sales")])
    await wiped_ledger.set_consent(a_customer(), "sales", "web", True, "desk", NOW)
    assert shown(await decided(wiped_ledger, bundle, ask())) == []


async def test_impressions_count_towards_what_the_next_decision_may_show(ledger: Ledger) -> None:
    first = await decided(ledger, LIMITED, ask())
    assert shown(first) == ["upgrade"]
    assert shown(await decided(ledger, LIMITED, ask())) == ["upgrade"]
    outcome = Outcome(
        decision_id=first.decision_id,
        treatment=first.offers[0].treatment,
        outcome="impression",
        id="i1",
        at=ledger.clock.now() - timedelta(seconds=1),
    )
    assert (await ledger.record_outcome(outcome)).new
    assert shown(await decided(ledger, LIMITED, ask())) == ["help"]


# -- in time, and on what is left


class CountingScores(NoModels):
    """A scorer that takes a while for each call, and remembers what it was asked."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.asked: list[str] = []

    def acceptance(
        self, features: Mapping[str, Scalar], pairs: Sequence[tuple[Action, str]]
    ) -> Scores:
        time.sleep(self.seconds)
        self.asked += [action.name for action, _ in pairs]
        return Scores(acceptance=(0.5,) * len(pairs))


MANY = a_bundle(*(an_action(f"a{n}", value=n + 1) for n in range(100)))


async def test_the_most_promising_actions_are_scored_first_and_scoring_stops_in_time(
    ledger: Ledger,
) -> None:
    scorer = CountingScores(seconds=0.4)
    decider = Decider(ledger, NoFeatures(FULL), scorer, lambda: MANY)
    decision = (await decider.decide(ask(deadline_ms=500, explain=True))).decision
    assert decision.level is Level.PARTIAL
    assert shown(decision) == ["a99"]
    assert len(scorer.asked) < 100
    assert scorer.asked == [f"a{99 - n}" for n in range(len(scorer.asked))]
    late = [one for one in decision.candidates if one.drops and one.drops[0].stage == "deadline"]
    assert len(late) == 100 - len(scorer.asked)
    assert f"{len(scorer.asked)} of 100 actions were scored" in decision.because[0]


async def test_a_decision_cut_short_by_its_deadline_can_be_run_again(ledger: Ledger) -> None:
    decider = Decider(ledger, NoFeatures(FULL), CountingScores(seconds=0.4), lambda: MANY)
    decision = (await decider.decide(ask(deadline_ms=500))).decision
    assert identical(await ledger.raw_record(decision.decision_id), MANY)


async def test_with_time_enough_everything_is_scored(ledger: Ledger) -> None:
    scorer = CountingScores(seconds=0.0)
    decider = Decider(ledger, NoFeatures(FULL), scorer, lambda: MANY)
    decision = (await decider.decide(ask(deadline_ms=5_000))).decision
    assert (decision.level, len(scorer.asked)) == (Level.FULL, 100)


async def test_an_answer_tells_how_long_each_stage_took(ledger: Ledger) -> None:
    scorer = CountingScores(seconds=0.01)
    answer = await Decider(ledger, NoFeatures(FULL), scorer, lambda: BUNDLE).decide(ask())
    told = answer.timings
    assert told.score >= 0.01
    assert min(told.read, told.decide, told.commit) > 0
    assert (told.read + told.score + told.decide + told.commit) * 1000 <= answer.took_ms


async def test_a_dry_run_commits_nothing_and_says_so(ledger: Ledger) -> None:
    answer = await a_decider(ledger, BUNDLE).decide(ask(dry_run=True))
    assert answer.timings.read > 0
    assert answer.timings.commit == 0


class UnreadableFeatures(NoFeatures):
    """A feature store whose rows nobody can read any more."""

    def decode(self, reply: object) -> FeatureRow:
        raise ValueError("the layout of the row is not known")


async def test_without_features_the_latest_answer_is_given_again(ledger: Ledger) -> None:
    before = await decided(ledger, BUNDLE, ask())
    decider = Decider(ledger, UnreadableFeatures(), NoModels(), lambda: BUNDLE)
    again = (await decider.decide(ask())).decision
    assert again.level is Level.CACHED
    assert shown(again) == shown(before) == ["upgrade"]
    assert before.decision_id in " ".join(again.because)
    assert identical(await ledger.raw_record(again.decision_id), BUNDLE)


async def test_a_latest_answer_that_is_held_by_now_is_not_given_again(ledger: Ledger) -> None:
    await decided(ledger, BUNDLE, ask())
    await ledger.place_hold(a_customer(), a_hold())
    decider = Decider(ledger, UnreadableFeatures(), NoModels(), lambda: BUNDLE)
    again = (await decider.decide(ask())).decision
    assert (again.level, shown(again)) == (Level.CACHED, ["help"])


async def test_nothing_is_remembered_for_longer_than_the_bundle_says(ledger: Ledger) -> None:
    await decided(ledger, BUNDLE, ask())
    at_once = replace(BUNDLE, cache_age=timedelta(0))
    decider = Decider(ledger, UnreadableFeatures(), NoModels(), lambda: at_once)
    again = (await decider.decide(ask())).decision
    assert "is used" not in " ".join(again.because)


async def test_a_purpose_is_given_again_only_if_the_bundle_allows_it_at_that_level(
    ledger: Ledger,
) -> None:
    careful = a_bundle(
        SALE, HELP, purposes=[a_purpose("sales", levels=[Level.FULL, Level.PARTIAL])]
    )
    await decided(ledger, careful, ask())
    decider = Decider(ledger, UnreadableFeatures(), NoModels(), lambda: careful)
    assert "upgrade" not in shown((await decider.decide(ask())).decision)


async def test_who_is_known_to_be_away_is_not_waited_for_long(tmp_path: Path) -> None:
    with valkey(tmp_path / "valkey") as server:
        async with opened(tmp_path, server.url) as ledger:
            await reconcile(ledger)
            decider = a_decider(ledger, BUNDLE)
            os.kill(server.process.pid, signal.SIGSTOP)
            try:
                for _ in range(5):
                    await decider.decide(ask(deadline_ms=100))
                assert (await decider.decide(ask(deadline_ms=5_000))).took_ms < 1_000
            finally:
                os.kill(server.process.pid, signal.SIGCONT)
            await asyncio.sleep(0.05)
            assert shown((await decider.decide(ask())).decision) == ["upgrade"]


class ExpectedScores(NoModels):
    """Remembers whom it was told to expect, and whom it was asked about."""

    def __init__(self) -> None:
        self.expected: list[int] = []
        self.asked: list[int] = []

    def expect(self, features: Mapping[str, Scalar]) -> None:
        """Says that these features will be asked about."""
        self.expected.append(id(features))

    def customer_scores(self, features: Mapping[str, Scalar]) -> Scores:
        """Nothing."""
        self.asked.append(id(features))
        return super().customer_scores(features)


class EverybodysFeatures(NoFeatures):
    """A feature store in which every read gives a row of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[FeatureRow] = []

    def decode(self, reply: object) -> FeatureRow:
        """A new row, kept so that no other has its id."""
        self.rows.append(replace(FULL, values={"profile.senior": False}))
        return self.rows[-1]


async def test_questions_at_the_same_time_are_announced_to_the_scorer_before_the_first_is_asked(
    ledger: Ledger,
) -> None:
    scorer = ExpectedScores()
    decider = Decider(ledger, EverybodysFeatures(), scorer, lambda: BUNDLE)
    announced: list[int] = []
    usual = scorer.customer_scores

    def first_asked(features: Mapping[str, Scalar]) -> Scores:
        announced.append(len(scorer.expected))
        return usual(features)

    scorer.customer_scores = first_asked
    await asyncio.gather(*(decider.decide(ask()) for _ in range(8)))
    assert announced[0] > 1
    assert set(scorer.expected) <= set(scorer.asked)


async def test_a_question_alone_is_not_announced(ledger: Ledger) -> None:
    scorer = ExpectedScores()
    decider = Decider(ledger, EverybodysFeatures(), scorer, lambda: BUNDLE)
    await decider.decide(ask())
    assert (scorer.expected, len(scorer.asked)) == ([], 1)
