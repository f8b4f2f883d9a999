"""A learned policy of e-mails is no worse than simple ones, and better where there is something."""

from __future__ import annotations

import pytest

from benchmarks.hillstrom import TABLE, planted, splits, told, trial_of


@pytest.mark.long
def test_planted_effects_beat_contacting_everyone_and_propensity() -> None:
    found = splits(planted(), count=2)
    for split in found:
        assert split.gain["everyone"].low > 0
        assert split.gain["propensity"].low > 0


@pytest.mark.long
def test_planted_effects_beat_both_over_20_splits() -> None:
    found = told(splits(planted()))["against"]
    for rival in ("everyone", "propensity"):
        assert found[rival]["low"] > 0
        assert found[rival]["splits_above"] == 20


@pytest.mark.long
def test_on_the_real_trial_the_learned_policy_is_not_significantly_below_either() -> None:
    if not TABLE.exists():
        pytest.skip("../shared/data/hillstrom is not there")
    found = told(splits(trial_of()))["against"]
    for rival in ("everyone", "propensity"):
        assert found[rival]["high"] > 0
        assert len(found[rival]["splits"]) == 20
