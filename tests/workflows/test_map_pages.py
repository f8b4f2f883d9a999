"""The documents hold the map of every journey as its code is now."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from api.cli import app
from workflows.maps.pages import COMMAND, pages
from workflows.worker import JOURNEYS

FOLDER = Path(__file__).parents[2] / "docs" / "journeys"


def test_the_maps_in_the_documents_are_those_of_the_code() -> None:
    wanted = pages(JOURNEYS)
    found = {path.name: path.read_text() for path in FOLDER.iterdir()}
    stale = sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
    assert not stale, f"docs/journeys is stale ({', '.join(stale)}): renew it by `{COMMAND}`"


def test_every_page_says_who_owns_it_what_is_promised_and_what_catches_a_failure() -> None:
    told = {name: text for name, text in pages(JOURNEYS).items() if name.endswith(".md")}
    assert told.pop("README.md")
    for name, text in told.items():
        for head in ("**Owner**: ", "**Promises**: ", "**Fallbacks**: "):
            assert text.count(head) == 1, f"{name} says nothing of its {head}"


def test_the_command_writes_what_the_documents_hold(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["journeys", "map", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == pages(JOURNEYS)


def test_one_map_is_printed_as_mermaid_or_as_svg() -> None:
    drawn = CliRunner().invoke(app, ["journeys", "map", "complaint"])
    assert drawn.output.startswith("flowchart TD\n")
    picture = CliRunner().invoke(app, ["journeys", "map", "complaint", "--format", "svg"])
    assert picture.output.startswith("<svg ")
    assert picture.output == (FOLDER / "complaint.svg").read_text()


def test_an_unknown_journey_is_wrong_usage_and_says_which_there_are() -> None:
    done = CliRunner().invoke(app, ["journeys", "map", "complain"])
    assert done.exit_code == 2
    assert "complaint" in done.output
