"""A Hypothesis state machine: complaints, consents, decisions, sends, crashes, wipes, anyhow."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.promises.world import AUTUMN, CUSTOMERS, SPRING, World, a_world

Happening = tuple[str, tuple[Any, ...]]

names = st.sampled_from(CUSTOMERS)
cases = st.sampled_from(("1", "2"))
sent = st.sampled_from(("upgrade", "router", "tips", "status"))
channels = st.sampled_from(("email", "whatsapp"))
moods = st.sampled_from(
    ("delivered", "delivered", "delivered", "unknown", "rejected", "dies before", "dies after")
)
waits = st.one_of(
    st.integers(1, 90).map(lambda n: timedelta(minutes=n)),
    st.integers(1, 30).map(lambda n: timedelta(hours=n)),
    st.integers(1, 4).map(lambda n: timedelta(days=n)),
)
outcomes = st.sampled_from(("impression", "impression", "reject", "accept", "click"))
which = st.integers(0, 50)


def happening(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Happening]:
    """Something that may happen, with what it needs."""
    return st.tuples(st.just(name), st.tuples(*arguments))


happenings = st.one_of(
    happening("ask", names),
    happening("send", names, sent, channels, moods),
    happening("send_again", which, moods),
    happening("complain", names, cases),
    happening("resolve", names, cases),
    happening("consent", names, st.sampled_from(("sales", "nurture")), channels, st.booleans()),
    happening("respond", outcomes, which),
    happening("behave", names),
)


class Promises(RuleBasedStateMachine):
    """P1, P2, P3, P6 and P7 over the real ledger; `steps` counts what happened in all runs."""

    redis_url = ""
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self._folder = tempfile.TemporaryDirectory(prefix="promises-")
        self.world: World | None = None

    @initialize(start=st.sampled_from((AUTUMN, SPRING)))
    def begin(self, start: Any) -> None:
        entered = a_world(Path(self._folder.name), self.redis_url, start)
        self.world = self._run(self._stack.enter_async_context(entered))

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(work)

    def _happens(self, *found: Happening) -> None:
        assert self.world is not None
        type(self).steps += len(found)
        calls: list[Callable[..., Any]] = [getattr(self.world, name) for name, _ in found]

        async def all_at_once() -> None:
            await asyncio.gather(
                *(call(*arguments) for call, (_, arguments) in zip(calls, found, strict=True))
            )

        self._run(all_at_once())

    @rule(one=happenings)
    def something(self, one: Happening) -> None:
        """One thing happens."""
        self._happens(one)

    @rule(several=st.lists(happenings, min_size=2, max_size=5))
    def at_once(self, several: list[Happening]) -> None:
        """Several things happen at the same time."""
        self._happens(*several)

    @rule(name=names, action=sent, channel=channels, number=st.integers(2, 6))
    def a_burst(self, name: str, action: str, channel: str, number: int) -> None:
        """Many journeys want to say the same to one customer."""
        self._happens(*[("send", (name, action, channel, "delivered"))] * number)

    @rule(name=names)
    def nothing_pleases(self, name: str) -> None:
        """A customer looks, says no to what is sold, and looks again some time later."""
        self._happens(("ask", (name,)))
        self._happens(("turn_down", (name,)))
        self._happens(("pass_time", (timedelta(hours=2),)))

    @rule()
    def everybody_asks(self) -> None:
        """All customers open the page."""
        self._happens(*[("ask", (name,)) for name in CUSTOMERS])

    @rule(wait=waits)
    def time_passes(self, wait: timedelta) -> None:
        """Minutes to days go by, over changes of daylight saving too."""
        self._happens(("pass_time", (wait,)))

    @rule()
    def redis_is_wiped(self) -> None:
        """Everything in Redis is gone; something is asked and sent before the rebuild."""
        self._happens(("wipe", ()))

    @precondition(lambda self: self.world is not None and not self.world.reconciled)
    @rule()
    def redis_is_rebuilt(self) -> None:
        """The reconciler does its work."""
        self._happens(("rebuild", ()))

    def teardown(self) -> None:
        self._run(self._stack.aclose())
        self._loop.close()
        self._folder.cleanup()
