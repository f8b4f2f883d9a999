"""Loading tables: what is good arrives everywhere, what is bad is named with its line."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from redis.asyncio import Redis

from engine.errors import InvalidInput
from engine.ledger.references import reference
from engine.ledger.site import Site
from engine.types import FeatureRow
from feature_store.generate import COLUMNS, customers, customers_table, write_csv
from feature_store.history import labelled_features
from feature_store.load import Summary, load_customers
from feature_store.offline import latest_rows, restore_online
from feature_store.online import OnlineReader
from tests.support.builders import KEY
from tests.support.customers import TELCO_CSV

GOOD = {
    "customerID": "7590-VHVEG",
    "gender": "Female",
    "SeniorCitizen": "0",
    "Partner": "Yes",
    "Dependents": "No",
    "tenure": "1",
    "PhoneService": "No",
    "MultipleLines": "No phone service",
    "InternetService": "DSL",
    "OnlineSecurity": "No",
    "OnlineBackup": "Yes",
    "DeviceProtection": "No",
    "TechSupport": "No",
    "StreamingTV": "No",
    "StreamingMovies": "No",
    "Contract": "Month-to-month",
    "PaperlessBilling": "Yes",
    "PaymentMethod": "Electronic check",
    "MonthlyCharges": "29.85",
    "TotalCharges": "29.85",
    "Churn": "No",
}


def a_file(folder: Path, rows: Sequence[dict[str, str] | str], name: str = "table.csv") -> Path:
    """A CSV file of good rows with what is given changed; a text is a line as it is."""
    lines = [",".join(COLUMNS)]
    for row in rows:
        lines.append(row if isinstance(row, str) else ",".join({**GOOD, **row}.values()))
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


async def read(redis: Redis, external_id: str) -> FeatureRow:
    reader = OnlineReader()
    return reader.decode(await redis.execute_command(*reader.command(reference(KEY, external_id))))


async def test_a_telco_row_becomes_features_under_the_opaque_reference(
    redis: Redis, site: Site, tmp_path: Path
) -> None:
    summary = await load_customers(site, redis, a_file(tmp_path, [{}]))
    row = await read(redis, "7590-VHVEG")
    assert (summary.loaded, summary.rejected) == (1, 0)
    assert row.values["contract.type"] == "Month-to-month"
    assert row.values["services.count"] == 1
    assert row.values["services.multiple_lines"] is False
    assert row.values["profile.senior"] is False
    assert row.values["billing.total_charges"] == 29.85
    assert row.times == dict.fromkeys(("profile", "contract", "services", "billing"), summary.at)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Contract": "Weekly"}, "Contract is 'Weekly': allowed are 'Month-to-month'"),
        ({"SeniorCitizen": "2"}, "SeniorCitizen is '2': allowed are '0', '1'"),
        ({"tenure": "-1"}, "tenure is -1: at least 0"),
        ({"tenure": "1.5"}, "tenure is '1.5': a whole number"),
        ({"tenure": "9" * 30}, "a whole number is needed"),
        ({"MonthlyCharges": "nan"}, "MonthlyCharges is 'nan': a number"),
        ({"MonthlyCharges": "cheap"}, "MonthlyCharges is 'cheap': a number"),
        ({"MonthlyCharges": ""}, "MonthlyCharges is empty"),
        ({"TotalCharges": ""}, "TotalCharges is empty: it may be only where tenure is 0"),
        ({"Churn": "Perhaps"}, "Churn is 'Perhaps': allowed are 'Yes', 'No'"),
        ({"customerID": ""}, "customerID is empty"),
        ({"gender": ""}, "gender is empty"),
    ],
)
async def test_a_bad_value_costs_its_row_only_and_says_why(
    redis: Redis, site: Site, tmp_path: Path, change: dict[str, str], reason: str
) -> None:
    rows = [{"customerID": "before"}, {"customerID": "bad", **change}, {"customerID": "after"}]
    summary = await load_customers(site, redis, a_file(tmp_path, rows))
    assert (summary.loaded, summary.rejected) == (2, 1)
    assert summary.problems[0].line == 3
    assert reason in summary.problems[0].reason
    assert (await read(redis, "after")).times
    assert not (await read(redis, "bad")).times


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('"7590-VHVEG,Female,0', "quote is not closed"),
        ("a,b,c", "has 3 cells where the first line has 21"),
        (",".join(GOOD.values()) + ",more", "has 22 cells"),
        ("\x00", "has 1 cells"),
    ],
)
async def test_a_broken_line_does_not_swallow_the_next(
    redis: Redis, site: Site, tmp_path: Path, line: str, reason: str
) -> None:
    path = a_file(tmp_path, [line, {"customerID": "after"}])
    summary = await load_customers(site, redis, path)
    assert [known.external_id for known in summary.customers] == ["after"]
    assert summary.problems[0].line == 2
    assert reason in summary.problems[0].reason


async def test_a_line_that_is_not_utf8_is_named(redis: Redis, site: Site, tmp_path: Path) -> None:
    path = a_file(tmp_path, [{"customerID": "after"}])
    latin = ",".join({**GOOD, "customerID": "Jos"}.values()).encode().replace(b"Jos", b"Jos\xe9")
    path.write_bytes(path.read_bytes() + latin + b"\n")
    summary = await load_customers(site, redis, path)
    assert summary.loaded == 1
    assert [str(problem) for problem in summary.problems] == ["line 3: is not UTF-8"]


async def test_the_second_of_two_equal_ids_is_refused_and_the_first_named(
    redis: Redis, site: Site, tmp_path: Path
) -> None:
    summary = await load_customers(site, redis, a_file(tmp_path, [{}, {"gender": "Male"}]))
    assert summary.loaded == 1
    assert str(summary.problems[0]) == "line 3: customerID '7590-VHVEG' is on line 2 already"
    assert (await read(redis, "7590-VHVEG")).values["profile.gender"] == "Female"


async def test_all_that_is_wrong_with_a_row_is_said_at_once(
    redis: Redis, site: Site, tmp_path: Path
) -> None:
    rows = [{"gender": "?", "tenure": "x", "Churn": "?"}]
    summary = await load_customers(site, redis, a_file(tmp_path, rows))
    assert summary.problems[0].reason.count(";") == 2


async def test_a_new_customers_blank_total_is_zero(
    redis: Redis, site: Site, tmp_path: Path
) -> None:
    rows = [{"tenure": "0", "TotalCharges": " "}]
    assert (await load_customers(site, redis, a_file(tmp_path, rows))).loaded == 1
    assert (await read(redis, "7590-VHVEG")).values["billing.total_charges"] == 0.0


async def test_missing_columns_stop_the_load_before_anything_is_written(
    redis: Redis, site: Site, tmp_path: Path
) -> None:
    path = tmp_path / "short.csv"
    path.write_text("customerID,gender\n1,Female\n")
    with pytest.raises(InvalidInput, match="missing Contract, Dependents"):
        await load_customers(site, redis, path)
    assert not list(latest_rows(site))


@pytest.mark.parametrize("content", [b"", b"\n", b"\x1f\x8b broken", b"a,a\n1,2\n"])
async def test_what_is_no_table_is_refused_as_a_whole(
    redis: Redis, site: Site, tmp_path: Path, content: bytes
) -> None:
    name = "table.csv.gz" if content.startswith(b"\x1f") else "table.csv"
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput):
        await load_customers(site, redis, tmp_path / name)


async def test_a_missing_file_is_refused(redis: Redis, site: Site, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"nothing\.csv: can't be read"):
        await load_customers(site, redis, tmp_path / "nothing.csv")


async def test_a_cut_gzip_file_is_refused(redis: Redis, site: Site, tmp_path: Path) -> None:
    plain = a_file(tmp_path, [{"customerID": str(n)} for n in range(500)])
    packed = gzip.compress(plain.read_bytes())
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InvalidInput, match="damaged"):
        await load_customers(site, redis, cut)


async def test_loading_again_replaces(redis: Redis, site: Site, tmp_path: Path) -> None:
    await load_customers(site, redis, a_file(tmp_path, [{}]))
    await load_customers(site, redis, a_file(tmp_path, [{"Contract": "Two year"}]))
    assert (await read(redis, "7590-VHVEG")).values["contract.type"] == "Two year"
    offline = [row for rows in latest_rows(site) for row in rows if row.view == "contract"]
    assert [row.values["type"] for row in offline] == ["Two year"]


async def test_the_online_store_comes_back_from_the_files_alone(redis: Redis, site: Site) -> None:
    summary = await load_customers(site, redis, customers_table(50))
    before = [await read(redis, known.external_id) for known in summary.customers]
    await redis.execute_command("FLUSHALL")
    assert await restore_online(site, redis) == 200
    assert [await read(redis, known.external_id) for known in summary.customers] == before


async def test_without_a_server_a_load_is_kept_for_the_next_rebuild(
    redis: Redis, site: Site
) -> None:
    summary = await load_customers(site, None, customers_table(3))
    assert not (await read(redis, summary.customers[0].external_id)).times
    assert await restore_online(site, redis) == 12


async def test_churn_becomes_a_label_and_never_a_feature(redis: Redis, site: Site) -> None:
    summary = await load_customers(site, redis, customers_table(40))
    wanted = {reference(KEY, row["customerID"]): row["Churn"] == "Yes" for row in customers(40)}
    found = labelled_features(site, "churn")
    assert {each.customer: each.label for each in found} == wanted
    row = await read(redis, summary.customers[0].external_id)
    ours = next(each for each in found if each.customer == summary.customers[0].customer)
    assert {key: value for key, value in ours.features.items() if key in row.values} == row.values
    assert not any("churn" in key for key in row.values)


async def test_the_opt_in_of_the_example_business_is_the_same_at_every_load(
    redis: Redis, site: Site
) -> None:
    first = await load_customers(site, None, customers_table(400))
    again = await load_customers(site, None, customers_table(400))
    assert [replace(each, at=again.at) for each in first.consents] == list(again.consents)
    for channel in ("email", "whatsapp"):
        granted = {each.customer for each in first.consents if each.channel == channel}
        assert 0.6 < len(granted) / 400 < 0.8


async def test_any_table_loads_with_a_mapping(redis: Redis, site: Site, tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(
        """
        id: Kunde
        aliases: {email: Mail}
        memberships: {household: Haushalt}
        consents:
          - purposes: [sales, survey]
            channel: email
            column: OptIn
            granted: [ja]
            refused: [nein]
        features:
          contract.type:
            column: Vertrag
            values: {Monat: Month-to-month, Jahr: One year}
            blank: null
          contract.tenure_months: {column: Monate}
          contract.payment_method: {column: Zahlung}
        """
    )
    table = tmp_path / "kunden.csv"
    table.write_text(
        "Kunde;Mail;Haushalt;OptIn;Vertrag;Monate;Zahlung;Notiz\n"
        'k1;a@b.c;h1;ja;Monat;3;Lastschrift;"zwei\nZeilen"\n'
        "k2;;;nein;;4;Rechnung;\n"
        "k3;;;;Tag;4;Rechnung;\n"
    )
    summary = await load_customers(site, redis, table, mapping=mapping, separator=";")
    assert [str(problem) for problem in summary.problems] == [
        "line 5: Vertrag is 'Tag': allowed are 'Monat', 'Jahr'"
    ]
    assert summary.customers[0].aliases == {"email": "a@b.c"}
    assert [known.memberships for known in summary.customers] == [{"household": "h1"}, {}]
    given = {(each.customer, each.purpose): each.granted for each in summary.consents}
    assert given == {
        (reference(KEY, "k1"), "sales"): True,
        (reference(KEY, "k1"), "survey"): True,
        (reference(KEY, "k2"), "sales"): False,
        (reference(KEY, "k2"), "survey"): False,
    }
    assert (await read(redis, "k1")).values["contract.payment_method"] == "Lastschrift"
    assert (await read(redis, "k2")).values["contract.type"] is None


@pytest.mark.parametrize(
    ("yaml", "wrong"),
    [
        ("id: a\nfeatures: {contract.colour: {column: b}}", "no feature is called contract.colour"),
        ("id: a\nfeatures: {contract.type: {colum: b}}", "unknown colum"),
        ("id: a\nfeatures: {contract.type: {}}", "`column` must name a column"),
        ("features: {}", "`id` must name the column"),
        ("id: a\nfeatures: {profile.senior: {column: b, values: {x: maybe}}}", "not of its type"),
        ("id: a\nfeatures: [1]", "`features` must be a table"),
        ("- 1", "must be a table"),
        ("{", "can't be read as YAML"),
        ("id: a\nfeatures: {}\nconsents: [{channel: email}]", "purposes"),
        ("id: a\nfeatures: {profile.senior: {column: b, values: {Yes: true}}}", "in quotes"),
        (
            "id: a\nfeatures: {}\n"
            "consents: [{purposes: sales, channel: email, column: b, granted: ['1']}]",
            "`purposes` must be a list",
        ),
        ("id: a\nfeatures: {}\nmemberships: {family: b}", "`memberships`: .*household"),
    ],
)
async def test_a_wrong_mapping_says_what_would_be_right(
    site: Site, tmp_path: Path, yaml: str, wrong: str
) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text(yaml)
    with pytest.raises(InvalidInput, match=wrong) as caught:
        await load_customers(site, None, a_file(tmp_path, [{}]), mapping=path)
    assert "mapping.yaml" in str(caught.value)


async def test_a_long_list_of_problems_is_counted_and_cut(site: Site, tmp_path: Path) -> None:
    rows = [{"customerID": str(n), "gender": "?"} for n in range(30)]
    summary = await load_customers(site, None, a_file(tmp_path, rows))
    assert len(summary.problems) == 30
    words = summary.words(most=5)
    assert len(words) == 7
    assert words[-2:] == ["… and 25 more", "0 loaded, 30 rejected"]


def test_made_up_customers_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    assert list(customers(20, seed=3)) == list(customers(20, seed=3))
    assert list(customers(20, seed=3)) != list(customers(20, seed=4))
    write_csv(tmp_path / "made-up.csv", 5)
    assert (tmp_path / "made-up.csv").read_text().splitlines()[0] == ",".join(COLUMNS)


async def test_made_up_customers_load_without_a_problem_and_churn_plausibly(site: Site) -> None:
    summary: Summary = await load_customers(site, None, customers_table(1500))
    assert (summary.loaded, summary.rejected) == (1500, 0)
    rows = list(customers(1500))

    def rate(contract: str) -> float:
        churned = [row["Churn"] == "Yes" for row in rows if row["Contract"] == contract]
        return sum(churned) / len(churned)

    assert 0.15 < sum(row["Churn"] == "Yes" for row in rows) / 1500 < 0.4
    assert rate("Month-to-month") > 2 * rate("Two year")


@pytest.mark.skipif(not TELCO_CSV.exists(), reason="../shared/data/telco_churn is not there")
async def test_the_real_telco_table_loads_whole(site: Site) -> None:
    seen: list[int] = []
    summary = await load_customers(site, None, TELCO_CSV, progress=seen.append)
    assert summary.rejected == 0
    assert summary.loaded == 4939
    assert seen[-1] == 4939
