"""What the documents say is there: files, links, commands, settings, JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from api.cli import app
from api.settings import PREFIX, Settings

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"\btactful((?: [a-z][a-z-]*)+)((?: (?!&)[^`\n|;]*)?)")
OPTION = re.compile(r"(?<=\s)--[a-z][a-z-]*")
VARIABLE = re.compile(rf"\b{PREFIX}([A-Z_]+[A-Z])\b")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=named)


TREES = (ROOT / "README.md", ROOT / "docs" / "architecture.md")
each_tree = pytest.mark.parametrize("document", TREES, ids=named)


def tree_of(document: Path) -> Iterator[tuple[int, str]]:
    """The entries of a document's tree with their depth: a folder ends with a slash."""
    text = document.read_text()
    section = text.split("## What is where", 1)[1].split("\n## ", 1)[0]
    for line in section.splitlines():
        found = re.match(r"^    ( *)(\S+)  +\S", line)
        if found:
            yield len(found[1]) // 2, found[2]


def paths_of(document: Path) -> Iterator[str]:
    folders: list[str] = []
    for depth, entry in tree_of(document):
        path = "".join([*folders[:depth], entry])
        if entry.endswith("/"):
            folders[depth:] = [entry]
        yield path


@each_tree
def test_every_path_of_a_tree_exists(document: Path) -> None:
    paths = list(paths_of(document))
    assert len(paths) >= 14
    assert [path for path in paths if not (ROOT / path).exists()] == []


@each_tree
def test_every_package_is_in_each_tree(document: Path) -> None:
    packages = {f"{path.parent.name}/" for path in ROOT.glob("[a-z]*/*.py")}
    assert packages - {entry for depth, entry in tree_of(document) if depth == 0} == set()


@each_document
def test_links_lead_somewhere(document: Path) -> None:
    for target in LINK.findall(document.read_text()):
        if target.startswith(("https://", "http://127.0.0.1")):
            continue
        path, _, anchor = target.partition("#")
        found = (document.parent / path).resolve() if path else document
        assert found.exists(), f"{named(document)} links to {target}"
        if anchor:
            assert anchor in anchors(found), f"{named(document)} links to {target}"


def anchors(document: Path) -> set[str]:
    """The anchors of the headings, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_document
def test_json_is_json(document: Path) -> None:
    for kind, text in BLOCK.findall(document.read_text()):
        if kind == "json":
            json.loads(text)
        elif kind == "yaml":
            yaml.safe_load(text)


@each_document
def test_commands_exist(document: Path) -> None:
    """Every `tactful …` names a command, and its options are options of that command."""
    for words, rest in COMMAND.findall(code_in(document.read_text())):
        command, used = command_of(words.split())
        assert used, f"{named(document)}: tactful{words}"
        known = {option for parameter in command.params for option in parameter.opts}
        known |= {option for parameter in command.params for option in parameter.secondary_opts}
        unknown = set(OPTION.findall(words + rest)) - known - {"--help"}
        assert not unknown, f"{named(document)}: tactful{words} has no {unknown}"


def code_in(text: str) -> str:
    """The code of a document: blocks, and what stands between single back quotes."""
    blocks = [block for kind, block in BLOCK.findall(text) if kind == "sh"]
    indented = re.findall(r"^    (?=\S)(?:make|tactful) .*$", text, re.MULTILINE)
    spans = re.findall(r"(?<!`)`(?!`)([^`\n]+)`(?!`)", BLOCK.sub("", text))
    return "\n".join([*blocks, *indented, *spans])


def command_of(words: list[str]) -> tuple[Any, int]:
    """The deepest command that these words name, and how many of them name it."""
    command: Any = typer.main.get_command(app)
    used = 0
    for word in words:
        found = getattr(command, "commands", {}).get(word)
        if found is None:
            break
        command, used = found, used + 1
    return command, used


@each_document
def test_variables_are_settings(document: Path) -> None:
    known = {name.upper() for name in Settings.model_fields} | {"CONFIG"}
    assert set(VARIABLE.findall(document.read_text())) <= known


@each_document
def test_nothing_of_the_authors_machine_is_in_it(document: Path) -> None:
    text = document.read_text()
    assert re.findall(r"(?<![\w.:/])/(?:home|root|work|tmp|Users)/\S+", text) == []
