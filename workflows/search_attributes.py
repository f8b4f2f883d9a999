"""The search attributes of journeys. Never personal data: nothing encodes them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from engine.errors import StackError

KIND = SearchAttributeKey.for_keyword("JourneyKind")
CUSTOMER = SearchAttributeKey.for_keyword("Customer")
STAGE = SearchAttributeKey.for_keyword("Stage")
OWNER = SearchAttributeKey.for_keyword("Owner")
WAITING_FOR = SearchAttributeKey.for_keyword("WaitingFor")
ATTENTION = SearchAttributeKey.for_keyword("Attention")
"""What an operator has to look at: `paused`, `set aside` or `failed`."""
DUE = SearchAttributeKey.for_datetime("Due")
MOVED = SearchAttributeKey.for_datetime("Moved")
"""When anything of the above last changed, in the stack's time."""

KEYWORDS = (KIND, CUSTOMER, STAGE, OWNER, WAITING_FOR, ATTENTION)
TIMES = (DUE, MOVED)
"""A Temporal on SQLite or PostgreSQL allows ten keywords and three times in all."""

TYPES: Mapping[str, IndexedValueType.ValueType] = {
    **{key.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD for key in KEYWORDS},
    **{key.name: IndexedValueType.INDEXED_VALUE_TYPE_DATETIME for key in TIMES},
}
"""The attributes by name, as Temporal's operator service takes them."""

ATTEMPTS = 50
ATTEMPT_SECONDS = 0.1


async def register(client: Client) -> tuple[str, ...]:
    """Make the attributes known to the client's namespace; answers the names that were new.

    Several processes may do so at once. Raises StackError where it is not allowed.
    """
    try:
        new = await _missing(client)
        if new:
            await _add(client, new)
        return tuple(new)
    except RPCError as error:
        raise StackError(
            f"the search attributes of journeys can't be added to the namespace {client.namespace}"
            f" ({error.message}): add {', '.join(TYPES)} by hand, Due and Moved as Datetime, all"
            " others as Keyword"
        ) from error


async def _missing(client: Client) -> dict[str, IndexedValueType.ValueType]:
    listed = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    return {name: kind for name, kind in TYPES.items() if name not in listed.custom_attributes}


async def _add(client: Client, new: dict[str, IndexedValueType.ValueType]) -> None:
    request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=new)
    try:
        await client.operator_service.add_search_attributes(request)
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise
    for _ in range(ATTEMPTS):
        if not await _missing(client):
            return
        await asyncio.sleep(ATTEMPT_SECONDS)
