"""What the example business promises to people who ask something."""

from __future__ import annotations

from engine.bundle import load_bundle
from engine.ledger.site import BUNDLES

PROMISES = load_bundle(BUNDLES / "telco").service_clocks
