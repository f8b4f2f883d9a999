"""What each key of a bundle may have, and what it means: what an editor shows."""

from __future__ import annotations

from collections.abc import Mapping

from engine import bundle_keys as keys
from engine.bundle_shapes import (
    CLOCK,
    DAY,
    DURATION,
    FLAG,
    FORMULA,
    HOURS,
    LEVER,
    MONEY,
    TARGET,
    TEXT,
    WINDOW,
    WORDS,
    Values,
    number,
    one_of,
    some_of,
    whole,
)
from engine.types import Level

About = Mapping[str, Mapping[str, tuple[Values | str, str]]]
"""By kind of entry and key; a text in place of the values names the kind of what is below it."""

VALUES: Mapping[str, Values] = {
    "segments": FORMULA,
    "values": FORMULA,
    "max_ages": DURATION,
    "fallbacks": TEXT,
}
"""What the sections of bare words and texts have."""

SECTIONS_ABOUT: Mapping[str, str] = {
    "business": "The business: its name, its money, its clock",
    "channels": "The ways to reach a customer",
    "purposes": "Why something is said",
    "groups": "What actions are about",
    "rules": "Rules that every action must pass",
    "actions": "What may be offered or said",
    "segments": "Named conditions: others use them as segment.<name>",
    "values": "Named formulas: others use them as value.<name>",
    "holds": "What is silenced while something such as a complaint is open",
    "limits": "At most so many contacts in a window",
    "policies": "After so many of an outcome, silence for a while",
    "quiet_hours": "When nothing is sent",
    "session": "What is remembered of a visit or call",
    "volumes": "Stock, budget, capacity: how much there is for all customers together",
    "exclusions": "The emergency stop: what is not offered and not sent, whoever asks",
    "margin_floors": "Below which margin nothing is offered, and to whom",
    "context_weights": "What weighs more in a situation",
    "influencers": "What weighs more or less after something happened, for a while",
    "exploration": "How much is left to chance",
    "placements": "How many offers of a kind a placement takes; `*`: any placement",
    "journeys": "Which journey goes first, and when one may start",
    "business_hours": "When somebody is there: opening hours by name",
    "service_clocks": "What is promised about service times",
    "max_ages": "The age beyond which facts are unknown, by view or by view.feature",
    "thresholds": "Below these nothing is said",
    "fallbacks": "What a placement shows when nothing else is left; `*`: any placement",
}

NEEDED: Mapping[str, tuple[str, ...]] = {
    "purpose": ("consent", "levels"),
    "rule": ("stage", "when", "because"),
    "treatment rule": ("when", "because"),
    "action": ("title", "purpose", "group", "value", "prior", "treatments"),
    "hold": ("cool_down", "maximum"),
    "limit": ("at_most", "within", "counts"),
    "policy": ("after", "within", "silence", "because"),
    "quiet hours": ("from", "to", "because"),
    "volume": ("at_most", "because"),
    "exclusion": ("because",),
    "margin floor": ("when", "floor", "because"),
    "context weight": ("for", "when", "percent"),
    "influencer": ("for", "to", "lasts"),
    "service clock": ("target", "within", "hours"),
    "escalation level": ("owner",),
}
"""The keys that an entry can't do without."""

ABOUT: About = {
    "*": {
        "actions": (WORDS, "Only these actions; without it, all of them"),
        "because": (TEXT, "What an officer can read out when it stops an action"),
        "channels": (WORDS, "Only these channels; without it, all of them"),
        "clock": (one_of(keys.CLOCKS), "Whose clock it goes by"),
        "contract_change": (TEXT, "What the customer would sign; shown with every treatment"),
        "discount": (TEXT, "What the customer would save; shown with every treatment"),
        "each_channel": (FLAG, "true: every channel is counted on its own"),
        "groups": (WORDS, "Only actions of these groups; without it, of all of them"),
        "lever": (LEVER, "Percent by which it is pushed up or down"),
        "per": (one_of(keys.TOGETHER), "What is counted together"),
        "price": (TEXT, "What the customer would pay; shown with every treatment"),
        "purposes": (WORDS, "Only actions of these purposes; without it, of all of them"),
        "rules": ("rule", "Conditions that must hold"),
        "scope": (one_of(keys.SCOPES), "Whose contacts are counted together"),
        "stage": (one_of(keys.RULE_STAGES), "May we, does it make sense, is it good for them"),
        "tags": (WORDS, "Words by which journeys and holds find it"),
        "thresholds": ("thresholds", "Below these it is not said"),
        "unknown": (one_of(keys.UNKNOWN), "What happens when a fact is missing or too old"),
        "when": (FORMULA, "A condition over facts, context, models and journeys"),
        "within": (WINDOW, "The window: 7 days up to now, or calendar day, week, month"),
    },
    "business": {
        "name": (TEXT, "What the business is called"),
        "currency": (TEXT, "The currency of values, such as EUR"),
        "zone": (TEXT, "Its time zone, such as Europe/Berlin"),
        "customer_zone": (TEXT, "The fact that holds a customer's time zone"),
        "week_starts": (one_of(keys.WEEKDAYS), "The first day of its weeks"),
        "answers_within": (DURATION, "After so long without an answer something counts as ignored"),
        "cached_for": (DURATION, "How old the latest answer may be to be given again"),
    },
    "channel": {
        "in_page": (FLAG, "true: it shows what a decision answers; false: it delivers messages"),
        "like": (TEXT, "Uses the treatments of this channel where an action has none for it"),
        "content": (WORDS, "What each treatment on it must say"),
    },
    "purpose": {
        "consent": (
            {"type": "object", "additionalProperties": one_of(keys.CONSENTS)},
            "By channel, what holds for a customer who has not said anything",
        ),
        "levels": (some_of(Level), "How complete our knowledge must be to speak for it"),
        "shadow_price": (MONEY, "Added to the value of its actions"),
        "most_value": (number(0, 1e9), "Caps the value of its actions"),
    },
    "thresholds": {
        "propensity": (number(0, 1), "The least likelihood of a yes"),
        "priority": (number(0, 1e9), "The least priority"),
    },
    "action": {
        "title": (TEXT, "What colleagues call it"),
        "purpose": (TEXT, "Why it is said: one of the purposes"),
        "group": (TEXT, "What it is about: one of the groups"),
        "value": (FORMULA, "What a yes is worth: a number, or a formula"),
        "margin": (FORMULA, "What is left of it for the business, for the margin floors"),
        "prior": (number(0.0001, 0.9999), "How likely a yes is while no model can say it"),
        "treatments": ("treatment", "The words, by channel or channel.placement"),
        "without": (WORDS, "Inherited rules that do not apply here"),
        "starts": (DAY, "The first day"),
        "ends": (DAY, "The last day"),
        "exempt": (one_of(keys.EXEMPTIONS), "Contact limits do not stop it"),
        "mandatory": (FLAG, "true: before everything else"),
        "journeys_only": (FLAG, "true: only a journey that asks for one of its tags sends it"),
        "requires": (WORDS, "Members of its package without which it is not offered"),
        "brings": (WORDS, "Members of its package that come along if they can"),
        "only_as_member": (FLAG, "true: never offered by itself"),
        "new": (FLAG, "true: reaches few customers by message until it is mature"),
    },
    "treatment": {
        "tone": (one_of(keys.TONES), "How it sounds"),
        "rules": ("treatment rule", "When this way to say it fits"),
        "preference": (LEVER, "Of several that fit, the one with the highest is used"),
    },
    "hold": {
        "purposes": (WORDS, "What is silenced: actions of these purposes"),
        "tags": (WORDS, "What is silenced: actions with one of these tags"),
        "cool_down": (DURATION, "How long it goes on after the case is resolved"),
        "maximum": (DURATION, "When it ends even if its journey was lost"),
    },
    "limit": {
        "at_most": (whole(1, 10_000), "How many"),
        "counts": (some_of(keys.COUNTED), "Which contacts count"),
        "keeps_for_better": (DURATION, "Keeps a place for a worthier message due within this time"),
    },
    "policy": {
        "after": (WORDS, "Which outcomes are counted, such as reject or ignore"),
        "times": (whole(1, 10_000), "How many of them start the silence"),
        "silence": (DURATION, "How long it lasts"),
    },
    "quiet hours": {
        "from": (CLOCK, "When they start, such as 20:00"),
        "to": (CLOCK, "When they end, such as 08:00, over midnight if need be"),
        "days": (some_of(keys.WEEKDAYS), "The weekdays on which they start"),
        "then": (one_of(keys.WHEN_QUIET), "Whether a message waits until they are over"),
    },
    "session": {
        "idle": (DURATION, "A visit or call is over when nothing happened for so long"),
        "silenced_by": (WORDS, "After these answers an action is not offered again in it"),
        "most_shown": (whole(1, 10_000), "How often an action may be shown in it"),
        "remembers": (WORDS, "The context that later questions may leave out"),
    },
    "volume": {
        "at_most": (whole(1, 1_000_000_000), "How many units there are"),
        "in": (one_of(keys.PERIODS), "In each of these periods; without it, once for all"),
        "per": (TEXT, "Each value of this fact on its own, such as contract.type"),
        "kept_for": (DURATION, "How long an offer keeps a unit"),
        "used_by": (WORDS, "Outcomes that use a unit for good; none: the offer does"),
        "freed_by": (WORDS, "Outcomes that give it back"),
        "at_least": (whole(0, 1_000_000_000), "How many should be used in each period"),
        "boost": (number(0, 1_000), "Percent added while fewer are used"),
    },
    "exclusion": {
        "until": (TEXT, "When it ends, such as 2026-12-31T18:00:00Z"),
    },
    "margin floor": {
        "floor": (MONEY, "The least margin"),
    },
    "context weight": {
        "for": (TARGET, "What weighs more: purpose:x, group:x or action:x"),
        "percent": (LEVER, "By how much"),
    },
    "influencer": {
        "for": (TARGET, "What weighs more or less: purpose:x, group:x or action:x"),
        "of": (TARGET, "What the outcomes are of: purpose:x, group:x, action:x or *"),
        "after": (WORDS, "The outcomes that start it, such as later"),
        "journey": (TEXT, "Or: the journey that starts it"),
        "stage": (TEXT, "and the stage that it came to"),
        "from": (LEVER, "Percent at first"),
        "to": (LEVER, "Percent in the end"),
        "ramp": (DURATION, "How long it takes from the first to the other"),
        "step": (DURATION, "In steps of this length"),
        "lasts": (DURATION, "When it is gone"),
    },
    "exploration": {
        "smoothing_evidence": (number(0, 1e9), "How many answers the prior counts as"),
        "thompson": (FLAG, "true: the likelihood is drawn, the more widely the less is known"),
        "control_percent": (number(0, 50), "Share of customers who see allowed actions at random"),
        "mature_positives": (
            whole(0, 1_000_000_000),
            "Positive answers that make an action mature",
        ),
        "immature_percent": (number(0, 100), "Share of the audience that a new action reaches"),
    },
    "business hours": {
        "zone": (TEXT, "Their time zone; without it, that of the business"),
        "holidays": (
            {"type": "string", "pattern": "^[A-Z]{2}(-[A-Z0-9]{1,6})?$", "examples": ["US-CA"]},
            "Closed on the public holidays of a country and its part, such as DE or US-CA",
        ),
        "closed": ({"type": "array", "items": DAY}, "Days on which they are closed, too"),
        "special": (
            {
                "type": "object",
                "patternProperties": {DAY["pattern"]: HOURS},
                "additionalProperties": False,
            },
            "Days with hours of their own, whatever weekday or holiday they are",
        ),
        "always": (FLAG, "true: open at any time, on every day"),
        **dict.fromkeys(keys.WEEKDAYS, (HOURS, "Its hours, such as [09:00-18:00]")),
    },
    "service clock": {
        "target": (one_of(keys.TARGETS), "What has to happen in time"),
        "within": (DURATION, "In so much time of the business hours"),
        "hours": (TEXT, "The business hours that count: one of business_hours"),
        "channels": (WORDS, "Only cases that came in on these channels"),
        "priorities": (WORDS, "Only cases of these priorities"),
        "labels": (WORDS, "Only cases with one of these labels"),
        "tiers": (WORDS, "Only customers of these tiers"),
        "warn_before": (DURATION, "When to warn, so much business time before the deadline"),
        "escalation": ("escalation level", "Who takes over, in the order of time"),
        "pauses": (FLAG, "false: time spent waiting for the customer counts as well"),
        "bots_count": (FLAG, "true: the reply of a bot is a response, too"),
    },
    "escalation level": {
        "owner": (TEXT, "Who takes over"),
        "after": (DURATION, "So much business time after the deadline; without it, at once"),
    },
    "placement": {
        "most_per_group": (whole(1, 100), "How many offers of one group"),
        "most_per_purpose": (whole(1, 100), "How many offers of one purpose"),
    },
    "journey": {
        "priority": (MONEY, "Which one goes first"),
        "starts_at_most": (whole(1, 1_000), "How often it starts for one customer"),
        "starts_within": (DURATION, "within this time"),
        "not_while": (WORDS, "Not while one of these runs"),
        "running_at_most": (whole(1, 1_000), "Not while so many that go first run"),
    },
}
