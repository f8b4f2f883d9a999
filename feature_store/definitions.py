"""The features as Feast objects, and the stack's Feast store built from code.

Importing this module imports Feast: nothing on the path of a decision does.
"""

# pyright: reportMissingTypeStubs=false
from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, PushSource
from feast.repo_config import RepoConfig
from feast.types import Bool, Float64, Int64, String
from feast.value_type import ValueType

from engine.ledger.site import Site
from feature_store.offline import ensure_folders, folder
from feature_store.schema import ENTITY, PROJECT, VIEWS, Kind, View

KEY_VERSION = 3
SERVICE = "decision"
_TYPES = {Kind.STRING: String, Kind.INTEGER: Int64, Kind.NUMBER: Float64, Kind.FLAG: Bool}

customer = Entity(
    name=ENTITY,
    join_keys=[ENTITY],
    value_type=ValueType.STRING,
    description="A customer, by opaque reference",
)


def feature_view(site: Site, view: View) -> FeatureView:
    """A view as Feast knows it: from files, and pushed to as well where events feed it."""
    files = FileSource(
        name=f"{view.name}_files",
        path=str(folder(site, view.name).resolve()),
        timestamp_field="event_timestamp",
        created_timestamp_column="created",
    )
    source = PushSource(name=f"{view.name}_events", batch_source=files) if view.pushed else files
    return FeatureView(
        name=view.name,
        entities=[customer],
        ttl=timedelta(0),  # Feast does not apply it online: the bundle's maximum ages do
        schema=[Field(name=each.name, dtype=_TYPES[each.kind]) for each in view.features],
        source=source,
        online=True,
    )


def objects(site: Site) -> list[Any]:
    """Everything that Feast is told of: the entity, the views, and the service decisions use."""
    views = [feature_view(site, view) for view in VIEWS]
    return [customer, *views, FeatureService(name=SERVICE, features=list(views))]


def open_store(site: Site) -> FeatureStore:
    """The Feast store of a stack, its registry in the data directory: two stacks share nothing."""
    return FeatureStore(
        config=RepoConfig(
            project=PROJECT,
            provider="local",
            registry=str((site.data_dir / "feast" / "registry.db").resolve()),
            online_store={
                "type": "redis",
                "connection_string": connection_string(site.redis_url),
            },
            offline_store={"type": "file"},
            entity_key_serialization_version=KEY_VERSION,
        )
    )


def apply(site: Site) -> FeatureStore:
    """Brings the registry up to date with the definitions; nothing in Redis changes."""
    (site.data_dir / "feast").mkdir(parents=True, exist_ok=True)
    ensure_folders(site)
    store = open_store(site)
    store.apply(objects(site))
    return store


def connection_string(url: str) -> str:
    """A Redis URL in the form that Feast takes.

    >>> connection_string("redis://:secret@127.0.0.1:6399/1")
    '127.0.0.1:6399,db=1,password="secret"'
    """
    parts = urlsplit(url)
    out = [f"{parts.hostname}:{parts.port or 6379}", f"db={parts.path.strip('/') or 0}"]
    for name, value in (("username", parts.username), ("password", parts.password)):
        if value:
            out.append(f"{name}={json.dumps(unquote(value))}")
    return ",".join([*out, "ssl=true"] if parts.scheme == "rediss" else out)
