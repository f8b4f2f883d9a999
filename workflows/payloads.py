"""How values cross Temporal: JSON by Pydantic, whose knowledge of types all runs share."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter, pydantic_data_converter
from temporalio.converter import (
    CompositePayloadConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
)

TYPES_MAXIMUM = 256


class Payloads(CompositePayloadConverter):
    """Temporal's own for Pydantic. That one has a memory for each run of a journey, and so works
    out anew in each what an opening looks like, which takes longer than all else in its first step.
    """

    json: ClassVar = PydanticJSONPlainPayloadConverter(max_cached_type_adapters=TYPES_MAXIMUM)

    def __init__(self) -> None:
        usual = DefaultPayloadConverter.default_encoding_payload_converters
        super().__init__(
            *(self.json if isinstance(one, JSONPlainPayloadConverter) else one for one in usual)
        )


DATA_CONVERTER = replace(pydantic_data_converter, payload_converter_class=Payloads)
"""The one of every client of journeys."""
