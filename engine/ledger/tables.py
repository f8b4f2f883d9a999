"""The tables of the journal. Times are milliseconds of the stack's clock, or `_wall` seconds."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()
_SEQ = BigInteger().with_variant(Integer, "sqlite")

customers = Table(
    "customers",
    metadata,
    Column("customer", String(40), primary_key=True),
    Column("external_id", Text, nullable=False),
)
aliases = Table(
    "aliases",
    metadata,
    Column("alias", String(40), primary_key=True),
    Column("customer", String(40), nullable=False, index=True),
)
events = Table(
    "events",
    metadata,
    Column("seq", _SEQ, primary_key=True, autoincrement=True),
    Column("source", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("customer", String(40), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("data", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("lease_until_wall", Float, nullable=False),
    Column("journeys", Text, nullable=False, server_default="[]"),
    UniqueConstraint("source", "id", name="one_effect_per_event"),
    Index("events_of_a_customer", "customer", "seq"),
    Index("events_to_route", "state", "seq"),
    sqlite_autoincrement=True,
)
holds = Table(
    "holds",
    metadata,
    Column("customer", String(40), primary_key=True),
    Column("id", String(200), primary_key=True),
    Column("purposes", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger),
    Column("because", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("ended_at", BigInteger, index=True),
    Column("ended_by", Text),
    Column("ended_because", Text),
)
consents = Table(
    "consents",
    metadata,
    Column("seq", _SEQ, primary_key=True, autoincrement=True),
    Column("customer", String(40), nullable=False, index=True),
    Column("purpose", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("granted", Boolean, nullable=False),
    Column("source", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
memberships = Table(
    "memberships",
    metadata,
    Column("seq", _SEQ, primary_key=True, autoincrement=True),
    Column("customer", String(40), nullable=False, index=True),
    Column("scope", String(16), nullable=False),
    Column("circle", String(40), nullable=False),
    Column("external_id", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
messages = Table(
    "messages",
    metadata,
    Column("message_id", String(80), primary_key=True),
    Column("customer", String(40), nullable=False),
    Column("at", BigInteger, nullable=False, index=True),
    Column("channel", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("treatment", Text, nullable=False),
    Column("group", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("exempt", Text),
    Column("decision_id", String(40), nullable=False),
    Column("journey", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("detail", Text, nullable=False, server_default=""),
    Column("until", BigInteger),
    Column("exemptions", Text, nullable=False, server_default="[]"),
    Column("settled_at", BigInteger),
    Index("messages_of_a_customer", "customer", "at"),
)
inbox = Table(
    "inbox",
    metadata,
    Column("message_id", String(80), primary_key=True),
    Column("customer", String(40), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("message", Text, nullable=False),
    Index("inbox_of_a_customer", "customer", "at"),
)
outcomes = Table(
    "outcomes",
    metadata,
    Column("seq", _SEQ, primary_key=True, autoincrement=True),
    Column("decision_id", String(40), nullable=False),
    Column("treatment", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("customer", String(40), nullable=False),
    Column("channel", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("group", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("value", Float),
    UniqueConstraint("decision_id", "treatment", "outcome", "id", name="one_effect_per_outcome"),
    Index("outcomes_of_a_customer", "customer", "at"),
    sqlite_autoincrement=True,
)
spool = Table(
    "spool",
    metadata,
    Column("decision_id", String(40), primary_key=True),
    Column("record", LargeBinary, nullable=False),
)
