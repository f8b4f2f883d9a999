"""Bundles of tests, written as YAML: a small shop, with whatever a test adds or changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from engine.bundle import load_bundle
from engine.catalog import Bundle
from engine.errors import InvalidBundle

SHOP = """\
business: {name: shop, currency: EUR}
channels:
  web: {in_page: true, content: [headline, body]}
  app: {in_page: true, like: web}
  email: {content: [subject, body]}
purposes:
  sales:
    consent: {web: allowed, app: allowed, email: opt-in}
    levels: [full, partial]
  service:
    consent: {web: allowed, app: allowed, email: allowed}
    levels: [full, stale, partial, cached, static]
groups:
  books: {}
  help: {}
actions:
  novel:
    title: A new novel
    purpose: sales
    group: books
    tags: [commercial]
    value: 12
    prior: 0.1
    treatments:
      web: {headline: New, body: A new novel}
      email: {subject: New, body: A new novel}
  faq:
    title: Questions
    purpose: service
    group: help
    tags: [help]
    exempt: service
    value: 3
    prior: 0.5
    treatments:
      web: {headline: Questions?, body: Answers}
"""
SHOP_FEATURES = (
    *("profile.age", "profile.reader", "profile.genre", "profile.zone", "billing.spent"),
    *("visits.page_views_7d", "visits.last_page"),
)
PUSHED = ("visits",)


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """A folder with these files."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def shop(
    folder: Path,
    more: str = "",
    *changes: tuple[str, str],
    today: date | None = None,
) -> Bundle:
    """The shop, changed, and with a second file of more terms."""
    text = SHOP
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    files = {"shop.yaml": text, **({"terms.yaml": more} if more else {})}
    return load_bundle(write(folder, files), features=SHOP_FEATURES, pushed=PUSHED, today=today)


def refusals(
    folder: Path,
    more: str = "",
    *changes: tuple[str, str],
    today: date | None = None,
) -> list[str]:
    """All that is wrong with the shop."""
    with pytest.raises(InvalidBundle) as caught:
        shop(folder, more, *changes, today=today)
    return caught.value.problems
