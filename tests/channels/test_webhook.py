"""The webhook against real servers: signatures, verdicts, and where it refuses to go."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from engine.channels.delivery import Delivery, DeliveryStatus, Repeat
from engine.channels.webhook import WebhookChannel, is_public
from engine.errors import StackError
from tests.support.messages import a_message

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
DELIVERED, REJECTED, UNKNOWN = DeliveryStatus


@dataclass(slots=True)
class Receiver:
    """An HTTP server that keeps what it gets and answers what it is told to."""

    status: int = 200
    answer: bytes | None = None
    headers: str = ""
    port: int = 0
    got: list[tuple[dict[str, str], bytes]] = field(
        default_factory=list[tuple[dict[str, str], bytes]]
    )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?tenant=1"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one request, keep it, answer, close."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = (line.split(": ", 1) for line in head[1:] if line)
        headers = {name.lower(): value for name, value in pairs} | {":request": head[0]}
        self.got.append((headers, await reader.readexactly(int(headers["content-length"]))))
        told = f"HTTP/1.1 {self.status} X\r\nContent-Length: 0\r\n{self.headers}\r\n".encode()
        writer.write(told if self.answer is None else self.answer)
        await hang_up(writer)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close a connection for good."""
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncGenerator[int]:
    """A TCP server on a free port."""
    calls: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        calls.add(task)
        await handler(reader, writer)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await asyncio.gather(*calls)
        await server.wait_closed()


@asynccontextmanager
async def receiving(**told: Any) -> AsyncGenerator[Receiver]:
    """A receiver that listens."""
    receiver = Receiver(**told)
    async with serving(receiver.handle) as port:
        receiver.port = port
        yield receiver


@asynccontextmanager
async def channel_to(url: str, **options: Any) -> AsyncGenerator[WebhookChannel]:
    """A channel to a receiver on this machine."""
    given: dict[str, Any] = {"allow_private": True, **options}
    channel = WebhookChannel(url, SECRET, **given)
    try:
        yield channel
    finally:
        await channel.aclose()


async def delivered_to(receiver: Receiver) -> Delivery:
    """The outcome of one attempt."""
    async with channel_to(receiver.url) as channel:
        return await channel.deliver(a_message())


async def test_a_message_arrives_signed_as_the_contract_says() -> None:
    async with receiving() as receiver:
        assert (await delivered_to(receiver)).status is DELIVERED
    [(headers, body)] = receiver.got
    assert headers[":request"] == "POST /hook?tenant=1 HTTP/1.1"
    assert headers["host"] == f"127.0.0.1:{receiver.port}"
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == "m-1"
    assert Webhook(SECRET).verify(body, headers) == {
        "message_id": "m-1",
        "customer": "7590-VHVEG",
        "channel": "email",
        "action": "welcome",
        "treatment": "welcome.email",
        "purpose": "nurture",
        "tags": ["onboarding"],
        "content": {"title": "Grüß Gott"},
        "decision_id": "d-1",
        "journey": "onboarding:c1",
        "step": "welcome",
    }


async def test_a_changed_body_does_not_verify() -> None:
    async with receiving() as receiver:
        await delivered_to(receiver)
    [(headers, body)] = receiver.got
    changed = body.replace(b"welcome", b"upgrade")
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(changed, headers)


async def test_every_attempt_carries_the_same_id_and_body() -> None:
    async with receiving(status=503) as receiver, channel_to(receiver.url) as channel:
        for _ in range(3):
            assert (await channel.deliver(a_message())).status is UNKNOWN
        receiver.status = 200
        assert (await channel.deliver(a_message())).status is DELIVERED
    assert {headers["webhook-id"] for headers, _ in receiver.got} == {"m-1"}
    assert len({body for _, body in receiver.got}) == 1
    for headers, body in receiver.got:
        Webhook(SECRET).verify(body, headers)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, DELIVERED),
        (202, DELIVERED),
        (204, DELIVERED),
        (299, DELIVERED),
        (300, UNKNOWN),
        (400, REJECTED),
        (401, REJECTED),
        (404, REJECTED),
        (422, REJECTED),
        (408, UNKNOWN),
        (425, UNKNOWN),
        (429, UNKNOWN),
        (500, UNKNOWN),
        (503, UNKNOWN),
    ],
)
async def test_the_answer_decides(status: int, verdict: DeliveryStatus) -> None:
    async with receiving(status=status) as receiver:
        told = await delivered_to(receiver)
    assert told.status is verdict
    assert str(status) in told.detail


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_a_failure_and_is_never_followed(status: int) -> None:
    async with receiving() as elsewhere:
        location = f"Location: {elsewhere.url}\r\n"
        async with receiving(status=status, headers=location) as receiver:
            assert (await delivered_to(receiver)).status is UNKNOWN
    assert elsewhere.got == []


async def test_a_receiver_that_is_gone_gets_nothing_more() -> None:
    async with receiving(status=410) as receiver, channel_to(receiver.url) as channel:
        for _ in range(2):
            told = await channel.deliver(a_message())
            assert told.status is REJECTED
            assert "410" in told.detail
        assert channel.disabled
    assert len(receiver.got) == 1


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 20", b"nonsense\r\n\r\n"])
async def test_an_answer_that_breaks_off_is_unknown(answer: bytes) -> None:
    async with receiving(answer=answer) as receiver:
        assert (await delivered_to(receiver)).status is UNKNOWN
    assert len(receiver.got) == 1


async def test_an_answer_that_does_not_come_is_unknown() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        await hang_up(writer)

    async with (
        serving(silent) as port,
        channel_to(f"http://127.0.0.1:{port}", timeout_seconds=0.2) as channel,
    ):
        assert (await channel.deliver(a_message())).status is UNKNOWN


async def test_an_answer_that_drips_is_cut_off() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with suppress(ConnectionError):
            for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 40:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.05)
        await hang_up(writer)

    async with (
        serving(drip) as port,
        channel_to(f"http://127.0.0.1:{port}", timeout_seconds=0.3) as channel,
    ):
        assert (await channel.deliver(a_message())).status is UNKNOWN


async def test_nobody_there_is_unknown() -> None:
    async with serving(Receiver().handle) as port:
        pass
    async with channel_to(f"http://127.0.0.1:{port}") as channel:
        assert (await channel.deliver(a_message())).status is UNKNOWN


async def resolves_to(*addresses: str) -> Callable[[str, int], Awaitable[list[str]]]:
    """A resolver that knows only these addresses."""

    async def resolve(_host: str, _port: int) -> list[str]:
        return list(addresses)

    return resolve


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
    ],
)
async def test_private_addresses_are_refused_unless_allowed(address: str) -> None:
    assert not is_public(address)
    resolve = await resolves_to("8.8.8.8", address)
    async with (
        receiving() as receiver,
        channel_to(receiver.url, allow_private=False, resolve=resolve) as channel,
    ):
        told = await channel.deliver(a_message())
    assert (told.status, receiver.got) == (REJECTED, [])
    assert address in told.detail


async def test_the_checked_address_is_the_one_it_connects_to() -> None:
    resolve = await resolves_to("127.0.0.1")
    async with receiving() as receiver:
        url = f"http://hooks.example:{receiver.port}/in"
        async with channel_to(url, resolve=resolve) as channel:
            assert (await channel.deliver(a_message())).status is DELIVERED
    assert receiver.got[0][0]["host"] == f"hooks.example:{receiver.port}"


async def test_a_name_without_address_is_unknown() -> None:
    async with channel_to("http://hooks.example/", resolve=await resolves_to()) as channel:
        assert (await channel.deliver(a_message())).status is UNKNOWN


@pytest.mark.parametrize(
    "url", ["", "ftp://a/b", "file:///etc/passwd", "http://", "http://u:p@a/", "http://a:99999/"]
)
def test_an_address_that_is_none_is_refused_at_start(url: str) -> None:
    with pytest.raises(StackError, match="webhook address"):
        WebhookChannel(url, SECRET)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", SECRET[6:], "whsec_%%%"])
def test_a_weak_secret_is_refused_at_start(secret: str) -> None:
    with pytest.raises(StackError, match="webhook secret"):
        WebhookChannel("http://127.0.0.1/", secret)


def test_it_may_be_repeated() -> None:
    assert WebhookChannel.repeat is Repeat.IDEMPOTENT


async def test_text_of_any_kind_is_signed_as_it_is_sent() -> None:
    async with receiving() as receiver, channel_to(receiver.url) as channel:
        message = replace(a_message(), content={"body": '\U0001f600 \u2028 \\ " é'})
        await channel.deliver(message)
    [(headers, body)] = receiver.got
    Webhook(SECRET).verify(body, headers)
    assert orjson.loads(body)["content"] == message.content
