"""The keys of a bundle: what each kind of entry may say, and the words that it chooses from."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from engine.catalog import Period, Scope, Zone
from engine.service_terms import Target
from engine.types import ContactKind, Stage

COMMERCIAL_FACTS = ("price", "discount", "contract_change")
REACH = ("purposes", "groups", "actions", "channels")
"""Which candidates something applies to: without any of these, to all of them."""

CONSENTS: Mapping[str, bool] = MappingProxyType({"allowed": True, "opt-in": False})
CLOCKS = tuple(Zone)
COUNTED = tuple(ContactKind)
EXEMPTIONS = ("legal", "safety", "service", "transactional")
PERIODS = tuple(Period)
RULE_STAGES = (Stage.ELIGIBILITY, Stage.APPLICABILITY, Stage.SUITABILITY)
SCOPES = tuple(Scope)
TARGETS = tuple(Target)
TOGETHER = ("customer", "purpose", "group", "action")
TONES = ("neutral", "friendly", "empathetic")
UNKNOWN = ("pass", "drop")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WHEN_QUIET = ("wait", "drop")

EVENTS = ("dispatch", "delivery", "impression", "ignore")
"""What contact policies may follow besides answers: `ignore` is what nothing followed."""
ANSWERS = ("click", "accept", "reject", "later", "convert")
"""The usual answers; a business may have words of its own."""

KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "business": (
            *("name", "currency", "zone", "customer_zone", "week_starts"),
            *("answers_within", "cached_for"),
        ),
        "channel": ("in_page", "like", "content"),
        "purpose": (
            *("consent", "levels", "lever", "rules", "thresholds", "shadow_price", "most_value"),
        ),
        "group": ("lever", "rules", "thresholds"),
        "rule": ("stage", "when", "unknown", "because"),
        "thresholds": ("propensity", "priority"),
        "action": (
            *("title", "purpose", "group", "tags", "value", "margin", "prior", "treatments"),
            *("rules", "without", "starts", "ends", "exempt", "lever", "mandatory"),
            *("journeys_only", "requires", "brings", "only_as_member", "new", "thresholds"),
            *COMMERCIAL_FACTS,
        ),
        "treatment": ("tone", "rules", "preference", *COMMERCIAL_FACTS),
        "treatment rule": ("when", "unknown", "because"),
        "hold": ("purposes", "tags", "cool_down", "maximum"),
        "limit": (
            *("at_most", "within", "clock", "counts", "per", "each_channel", "scope"),
            *("keeps_for_better", *REACH),
        ),
        "policy": (
            *("after", "times", "within", "clock", "silence", "because"),
            *("per", "each_channel", "scope", *REACH),
        ),
        "quiet hours": ("from", "to", "days", "clock", "then", "because", *REACH),
        "session": ("idle", "silenced_by", "most_shown", "remembers"),
        "volume": (
            *("at_most", "in", "per", "kept_for", "used_by", "freed_by", "at_least", "boost"),
            *("because", *REACH),
        ),
        "exclusion": ("because", "until", *REACH),
        "margin floor": ("when", "floor", "because"),
        "context weight": ("for", "when", "percent"),
        "influencer": (
            *("for", "of", "after", "journey", "stage", "from", "to", "ramp", "step", "lasts"),
        ),
        "exploration": (
            *("smoothing_evidence", "thompson", "control_percent"),
            *("mature_positives", "immature_percent"),
        ),
        "business hours": ("zone", "holidays", "closed", "special", "always", *WEEKDAYS),
        "service clock": (
            *("target", "within", "hours", "channels", "priorities", "labels", "tiers"),
            *("warn_before", "escalation", "pauses", "bots_count"),
        ),
        "escalation level": ("owner", "after"),
        "placement": ("most_per_group", "most_per_purpose"),
        "journey": ("priority", "starts_at_most", "starts_within", "not_while", "running_at_most"),
    }
)
"""What each kind of entry may have. A treatment has what its channel must say, too."""

SECTIONS: Mapping[str, str | None] = MappingProxyType(
    {
        "business": "business",
        "channels": "channel",
        "purposes": "purpose",
        "groups": "group",
        "rules": "rule",
        "actions": "action",
        "segments": None,
        "values": None,
        "holds": "hold",
        "limits": "limit",
        "policies": "policy",
        "quiet_hours": "quiet hours",
        "session": "session",
        "volumes": "volume",
        "exclusions": "exclusion",
        "margin_floors": "margin floor",
        "context_weights": "context weight",
        "influencers": "influencer",
        "exploration": "exploration",
        "placements": "placement",
        "journeys": "journey",
        "business_hours": "business hours",
        "service_clocks": "service clock",
        "max_ages": None,
        "thresholds": "thresholds",
        "fallbacks": None,
    }
)
"""The sections of a bundle, with the kind of their entries; None: each name has one word or text.

`business`, `session`, `exploration` and `thresholds` are one entry, the others have many by name.
"""

SINGLE = ("business", "session", "exploration", "thresholds")
NEEDED = ("channels", "purposes", "groups", "actions")
