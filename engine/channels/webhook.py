"""The webhook: one signed POST per attempt (Standard Webhooks 1.0), to the configured address.

Retries with back-off belong to the activity that sends: each signs the same message id anew.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from urllib.parse import SplitResult, urlsplit

import httpx
import orjson
from standardwebhooks import Webhook as Signer

from engine.channels.delivery import Delivery, DeliveryStatus, Message, Repeat, told
from engine.errors import StackError

TIMEOUT_SECONDS = 15.0
MEANT_FOR_LATER = frozenset({408, 425, 429})
"""Refusals that ask for another attempt; other 4xx are final."""

Resolve = Callable[[str, int], Awaitable[Iterable[str]]]


class UnsafeAddress(Exception):
    """The configured address leads to a place that messages must not go to."""


class WebhookChannel:
    """Posts messages to one address. Close it with `await channel.aclose()`.

    Every attempt resolves the name, refuses private addresses unless `allow_private` (development),
    and connects to the address it checked. A receiver that answered 410 gets nothing more:
    `disabled` says why.
    """

    repeat = Repeat.IDEMPOTENT

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        allow_private: bool = False,
        resolve: Resolve | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        parts = check_url(url)
        self._url = httpx.URL(url)
        self._host = str(parts.hostname)
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._signer = open_signer(secret)
        self._allow_private = allow_private
        self._resolve = resolve or resolve_name
        self._timeout_seconds = timeout_seconds
        self._client = httpx.AsyncClient(
            timeout=timeout_seconds, follow_redirects=False, trust_env=False
        )
        self.disabled = ""

    async def deliver(self, message: Message) -> Delivery:
        """One attempt. Never raises for what the other side does."""
        if self.disabled:
            return Delivery(status=DeliveryStatus.REJECTED, detail=self.disabled)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                status = await self._post(message)
        except UnsafeAddress as error:
            return Delivery(status=DeliveryStatus.REJECTED, detail=str(error))
        except (httpx.HTTPError, OSError, TimeoutError) as error:
            detail = str(error) or type(error).__name__
            return Delivery(status=DeliveryStatus.UNKNOWN, detail=f"{self._host}: {detail}")
        return self._judge(status)

    async def _post(self, message: Message) -> int:
        body = outgoing(message)
        address = await self._checked_address()
        request = self._client.build_request(
            "POST",
            self._url.copy_with(host=address),
            content=body,
            headers={"Host": self._url.netloc.decode(), **self._headers(message.message_id, body)},
            extensions={"sni_hostname": self._host},
        )
        response = await self._client.send(request, stream=True)
        await response.aclose()  # what the receiver says beyond its status is of no interest
        return response.status_code

    async def _checked_address(self) -> str:
        addresses = list(await self._resolve(self._host, self._port))
        for address in addresses:
            if not self._allow_private and not is_public(address):
                raise UnsafeAddress(
                    f"{self._host} leads to {address}, which is not a public address"
                )
        if not addresses:
            raise OSError("the name has no address")
        return addresses[0]

    def _headers(self, message_id: str, body: bytes) -> dict[str, str]:
        now = datetime.now(UTC)  # the receiver checks it against the wall clock
        return {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(message_id, now, body.decode()),
        }

    def _judge(self, status: int) -> Delivery:
        told = f"{self._host} answered {status}"
        if 200 <= status < 300:
            return Delivery(status=DeliveryStatus.DELIVERED, detail=told)
        if status == 410:
            self.disabled = f"{told}: it wants no more messages; the channel is off until a restart"
            return Delivery(status=DeliveryStatus.REJECTED, detail=self.disabled)
        if 400 <= status < 500 and status not in MEANT_FOR_LATER:
            return Delivery(status=DeliveryStatus.REJECTED, detail=told)
        return Delivery(status=DeliveryStatus.UNKNOWN, detail=told)

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.aclose()


def outgoing(message: Message) -> bytes:
    """What leaves: the customer by the id that the outside knows."""
    return orjson.dumps({**told(message), "customer": message.external_customer})


def is_public(address: str) -> bool:
    """Whether an IP address may be reached over the internet.

    >>> [is_public(address) for address in ("8.8.8.8", "127.0.0.1", "169.254.169.254", "::1")]
    [True, False, False, False]
    """
    parsed = ipaddress.ip_address(address)
    return parsed.is_global and not parsed.is_multicast


def check_url(url: str) -> SplitResult:
    """The parts of a webhook's address. Raises StackError for what no message can go to."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1) > 0
    except ValueError:
        raise StackError(f"The webhook address {url!r} is not an address.") from None
    if not usable or parts.username is not None:
        raise StackError(
            f"The webhook address {url!r} must be http(s)://host[:port]/path, without a user"
        )
    return parts


def open_signer(secret: str) -> Signer:
    """The signer of a secret: `whsec_` and base64 of 24 to 64 bytes. Raises StackError."""
    encoded = secret.removeprefix("whsec_")
    try:
        size = len(base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if encoded == secret or not 24 <= size <= 64:
        raise StackError(
            "The webhook secret must be whsec_ and the base64 of 24 to 64 random bytes"
        )
    return Signer(secret)


async def resolve_name(host: str, port: int) -> list[str]:
    """The addresses of a host, as this machine sees them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
