"""What changes between two bundles is told in words, completely, and nothing else is."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bundle import load_bundle
from engine.bundle_diff import differences
from engine.catalog import Bundle, Exclusion
from engine.ledger.site import BUNDLES
from engine.rules import Expression, compile_expression
from tests.support.builders import (
    a_bundle,
    a_limit,
    a_purpose,
    a_reach,
    a_rule,
    a_treatment,
    an_action,
)

TELCO = load_bundle(BUNDLES / "telco")
DERIVED = {"hash", "source"}
SIMPLE: Mapping[Any, tuple[Any, Any]] = {
    str: ("one", "two"),
    int: (1, 2),
    float: (0.25, 0.5),
    bool: (False, True),
    date: (date(2026, 1, 1), date(2026, 1, 2)),
    datetime: (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)),
    time: (time(21), time(22)),
    timedelta: (timedelta(days=1), timedelta(seconds=90)),
    bytes: (b"one", b"two"),
    Expression: (compile_expression("a.b > 1"), compile_expression("a.b > 2")),
}


def sample(hint: Any, second: bool = False) -> Any:
    """A value of a type of the catalog; the second one differs from the first in everything."""
    if hint in SIMPLE:
        return SIMPLE[hint][second]
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return hint(**{name: sample(kind, second) for name, kind in hints(hint).items()})
    if isinstance(hint, type) and issubclass(hint, Enum):
        return list(hint)[second]
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return sample(inner[0], second)
    if origin is tuple:
        return tuple(sample(one, second) for one in inner if one is not Ellipsis)
    if origin is frozenset:
        return frozenset({sample(inner[0], second)})
    assert origin is Mapping, f"a field of a kind that this test does not know: {hint}"
    return {"key": sample(inner[1], second)}


def hints(kind: Any) -> dict[str, Any]:
    found = typing.get_type_hints(kind)
    return {one.name: found[one.name] for one in dataclasses.fields(kind)}


def single_changes(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every way to change one field somewhere in a value, with the path to it."""
    for name, hint in hints(type(value)).items():
        if path or name not in DERIVED:
            for where, changed in inside(getattr(value, name), hint, (*path, name)):
                yield where, dataclasses.replace(value, **{name: changed})


def inside(value: Any, hint: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    yield ".".join(path), sample(hint, second=True)
    if types.NoneType in typing.get_args(hint):
        yield ".".join((*path, "none")), None
    elif isinstance(value, tuple | frozenset | Mapping):
        yield ".".join((*path, "empty")), type(typing.cast(Any, value))()
    if isinstance(value, tuple) and has_parts(value[0]):
        yield from ((where, (one,)) for where, one in single_changes(value[0], path))
    elif isinstance(value, Mapping) and has_parts(value["key"]):
        yield from ((where, {"key": one}) for where, one in single_changes(value["key"], path))
    elif has_parts(value):
        yield from single_changes(value, path)


def has_parts(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, Expression)


FULL: Bundle = sample(Bundle)
CHANGES = dict(single_changes(FULL))


def words(before: Bundle, after: Bundle) -> list[str]:
    return [change.words for change in differences(before, after)]


def test_the_test_knows_every_field_of_a_bundle() -> None:
    fields = {one.name for one in dataclasses.fields(Bundle)} - DERIVED
    assert fields == {path.split(".")[0] for path in CHANGES}
    assert len(CHANGES) > 200
    assert "actions.treatments.rules.condition" in CHANGES
    assert "policies.window.length" in CHANGES


@pytest.mark.parametrize("path", CHANGES)
def test_every_change_of_one_field_is_told_in_plain_words(path: str) -> None:
    for found in (differences(FULL, CHANGES[path]), differences(CHANGES[path], FULL)):
        assert found
        for change in found:
            assert change.where[0] == path.split(".")[0]
            assert not any(sign in change.words for sign in "(){}=")


@pytest.mark.parametrize("bundle", [TELCO, FULL, a_bundle()], ids=["telco", "full", "empty"])
def test_nothing_changes_between_a_bundle_and_itself(bundle: Bundle) -> None:
    assert differences(bundle, bundle) == ()
    assert differences(bundle, dataclasses.replace(bundle, hash="sha256:9", source=b"")) == ()


@given(st.randoms(use_true_random=False))
def test_the_order_in_which_things_are_written_is_no_change(dice: Any) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, Mapping):
            items: list[Any] = list(typing.cast(Mapping[Any, Any], value).items())
            dice.shuffle(items)
            return {key: shuffled(each) for key, each in items}
        if isinstance(value, tuple):
            parts: list[Any] = [shuffled(each) for each in typing.cast(tuple[Any, ...], value)]
            dice.shuffle(parts)
            return tuple(parts)
        if dataclasses.is_dataclass(value) and not isinstance(value, type | Expression):
            names = [one.name for one in dataclasses.fields(value)]
            names = [name for name in names if name not in ("requires", "brings")]
            parts_of = {name: shuffled(getattr(value, name)) for name in names}
            return dataclasses.replace(value, **parts_of)
        return value

    small = a_bundle(
        an_action("a", rules=(a_rule("x.y"), a_rule("x.z", name="other")), tags=("t", "u", "v")),
        an_action("b", purpose="service"),
        limits=(a_limit("one"), a_limit("two", purposes=("sales", "nurture"))),
    )
    assert differences(small, shuffled(small)) == ()


def test_comments_and_how_files_are_cut_are_no_change(tmp_path: Path) -> None:
    for name in ("business.yaml", "more.yaml"):
        text = (BUNDLES / "telco" / "business.yaml").read_text()
        at = text.index("\nlimits:")
        (tmp_path / name).write_text(f"# new\n{text[:at] if name[0] == 'b' else text[at:]}")
    (tmp_path / "actions").mkdir()
    for file in (BUNDLES / "telco" / "actions").glob("*.yaml"):
        (tmp_path / "actions" / f"new-{file.name}").write_text(file.read_text())
    assert differences(TELCO, load_bundle(tmp_path)) == ()


def test_the_order_of_what_a_package_brings_is_a_change() -> None:
    before, after = an_action("a", brings=("b", "c")), an_action("a", brings=("c", "b"))
    assert words(a_bundle(before), a_bundle(after)) == ["action a: brings b, c -> c, b"]


def test_changes_read_like_sentences_with_what_matters_first() -> None:
    before = a_bundle(
        an_action("old"),
        an_action("sold", value=10, rules=(a_rule("a.b > 1", name="is-adult"),)),
        limits=(a_limit("marketing-messages-in-a-week", maximum=2),),
        groups={"internet": 0.0},
        fallbacks={"hero": "sold"},
    )
    after = a_bundle(
        an_action("new"),
        an_action("sold", value=12, rules=(a_rule("a.b > 2", name="is-adult"),)),
        limits=(
            a_limit("marketing-messages-in-a-week", maximum=3, window=timedelta(days=14)),
            a_limit("more"),
        ),
        purposes=(a_purpose("sales", lever=10),),
        groups={"internet": 5.0},
        fallbacks={"hero": "new"},
        max_ages={"behaviour": timedelta(hours=36)},
        models={"churn": "sha256:1"},
    )
    assert words(before, after) == [
        "action new is added: new",
        "action old is removed: old",
        "action sold: value `10` -> `12`",
        "action sold: rule is-adult: when `a.b > 1` -> `a.b > 2`",
        'action sold: rule is-adult: because "it needs a.b > 1" -> "it needs a.b > 2"',
        "limit more is added: at most 2; within 7 days; counts dispatch",
        "limit marketing-messages-in-a-week: at most 2 -> 3",
        "limit marketing-messages-in-a-week: within: length 7 days -> 14 days",
        "purpose sales: lever 0 -> 10",
        "group internet: lever 0 -> 5",
        "maximum age of behaviour is added: 36 hours",
        "fallback at hero sold -> new",
        "model churn is added: sha256:1",
    ]


def test_what_is_added_says_what_it_does() -> None:
    stop = Exclusion(
        name="broken-link",
        because="The link leads nowhere.",
        reach=a_reach(actions=("a",), channels=("email",)),
    )
    adult = an_action("a", rules=(a_rule("a.b > 1", name="is-adult"),))
    after = a_bundle(adult, exclusions=(stop,))
    assert words(a_bundle(an_action("a")), after) == [
        "action a: rule is-adult is added: stage eligibility; when `a.b > 1`; unknown passes no;"
        ' because "it needs a.b > 1"',
        'exclusion broken-link is added: because "The link leads nowhere."; actions a;'
        " channels email",
    ]


def test_whom_something_reaches_says_all_where_nothing_is_named() -> None:
    before = a_bundle(limits=(a_limit(),))
    after = a_bundle(limits=(dataclasses.replace(a_limit(), reach=a_reach(("sales",))),))
    assert words(before, after) == ["limit two-a-week: reach: purposes all -> sales"]


def test_what_many_actions_inherit_is_told_once() -> None:
    def bundle(condition: str, floor: float) -> Bundle:
        rule = a_rule(condition, name="is-adult")
        return a_bundle(
            an_action("a", rules=(rule,)),
            an_action("b", rules=(rule,)),
            an_action("c", purpose="service", group="care"),
            an_action("d", purpose="service", group="care", minimum_propensity=0.5),
            minimum_propensity=floor,
        )

    found = words(bundle("a.b > 1", 0.1), bundle("a.b > 2", 0.2))
    assert "actions a, b, c: minimum propensity 0.1 -> 0.2" in found
    assert "all actions of purpose sales: rule is-adult: when `a.b > 1` -> `a.b > 2`" in found
    assert len(found) == 3


def test_one_price_in_many_treatments_is_told_once() -> None:
    def bundle(price: str) -> Bundle:
        said = {"price": price}
        return a_bundle(
            an_action(
                "a",
                treatments=tuple(
                    dataclasses.replace(a_treatment("a", channel), content=said)
                    for channel in ("web", "email")
                ),
            )
        )

    assert words(bundle("5 euros"), bundle("6 euros")) == [
        'action a: treatments a.email, a.web: price "5 euros" -> "6 euros"'
    ]
