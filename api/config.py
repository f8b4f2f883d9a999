"""The settings as `tactful config` shows them: where each comes from, secrets masked."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from api.settings import PREFIX, Settings, config_file, load_settings, without_password


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One setting as it is in force."""

    name: str
    value: object
    origin: str


def in_force(options: Mapping[str, object] | None = None) -> list[Line]:
    """Every setting with its value and origin. Raises StackError when one is wrong."""
    values, found = shown(load_settings(options)), origins(options)
    return [Line(name=name, value=value, origin=found[name]) for name, value in values.items()]


def origins(options: Mapping[str, object] | None = None) -> dict[str, str]:
    """Where each setting comes from: an option, a variable, the file, or its default."""
    variables = {name.upper() for name, value in os.environ.items() if value}
    kept = tomllib.loads(config_file().read_text()) if config_file().is_file() else {}
    found: dict[str, str] = {}
    for name in Settings.model_fields:
        variable = PREFIX + name.upper()
        if (options or {}).get(name) is not None:
            found[name] = "--" + name.replace("_", "-")
        elif variable in variables:
            found[name] = variable
        else:
            found[name] = str(config_file()) if name in kept else "default"
    return found


def shown(settings: Settings) -> dict[str, object]:
    """The settings as they may be printed: secrets and passwords masked."""
    values: dict[str, object] = settings.model_dump(mode="json")
    return {name: _masked(name, value) for name, value in values.items()}


def _masked(name: str, value: object) -> object:
    if name.endswith("_url") and isinstance(value, str):
        return without_password(value)
    return value
