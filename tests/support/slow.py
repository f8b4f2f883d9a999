"""Slow connections, for callers who do not wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from tests.support.servers import Server


@asynccontextmanager
async def slow_proxy(server: Server, seconds: float) -> AsyncGenerator[str]:
    """The address of a proxy that hands on every piece of a reply late."""

    ways: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, late: float) -> None:
        writers.append(writer)
        with suppress(ConnectionError):
            while data := await reader.read(4_096):
                await asyncio.sleep(late)
                writer.write(data)
        writer.close()

    async def both(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner = await asyncio.open_connection(server.host, server.port)
        for way in (pipe(reader, inner[1], 0.0), pipe(inner[0], writer, seconds)):
            ways.add(asyncio.create_task(way))

    proxy = await asyncio.start_server(both, "127.0.0.1", 0)
    async with proxy:
        yield f"redis://127.0.0.1:{proxy.sockets[0].getsockname()[1]}/0"
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for writer in writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
