"""Whether a text is a whole LightGBM model: the C library trusts what it reads, and would crash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise

from engine.errors import InvalidModel

_NODES = ("split_feature", "threshold", "decision_type", "left_child", "right_child")


def check_whole(model: str) -> None:
    """Raises InvalidModel for a text that the C library must not be given."""
    if not model.startswith("tree\n") or "\nend of trees\n" not in model:
        raise InvalidModel("model.txt is not a whole LightGBM model")
    try:
        header, trees = _parts(model.encode())
        columns = int(header["max_feature_idx"]) + 1
        wrong = next((at for at, tree in enumerate(trees) if not _is_tree(tree, columns)), None)
    except (ValueError, KeyError) as error:
        raise InvalidModel(f"model.txt is not a whole LightGBM model: {error!r}") from error
    if wrong is not None:
        raise InvalidModel(f"model.txt is not a whole LightGBM model: tree {wrong} is damaged")


def header_of(model: str) -> Mapping[str, str]:
    """What a text says before its trees."""
    return _fields(model.partition("\nTree=")[0])


def _parts(model: bytes) -> tuple[Mapping[str, str], Sequence[Mapping[str, str]]]:
    """The header, and the trees where the header says that they are."""
    header = header_of(model.decode())
    sizes = [int(size) for size in header["tree_sizes"].split()]
    start = model.index(b"\nTree=0\n") + 1
    bounds = list(accumulate(sizes, initial=start))
    blocks = [model[one:other].decode() for one, other in pairwise(bounds)]
    if not all(block.startswith(f"Tree={at}\n") for at, block in enumerate(blocks)):
        raise ValueError("its trees are not where it says")
    if not model[bounds[-1] :].startswith(b"end of trees\n"):
        raise ValueError("it has other trees than it says")
    return header, [_fields(block) for block in blocks]


def _fields(text: str) -> Mapping[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _is_tree(tree: Mapping[str, str], columns: int) -> bool:
    leaves = int(tree["num_leaves"])
    if leaves < 1 or len(tree["leaf_value"].split()) != leaves:
        return False
    if leaves == 1:
        return True
    nodes = leaves - 1
    if any(len(tree[name].split()) != nodes for name in _NODES):
        return False
    asked = all(0 <= int(column) < columns for column in tree["split_feature"].split())
    return asked and sorted(_reached(tree)) == [*range(-leaves, 0), *range(1, nodes)]


def _reached(tree: Mapping[str, str]) -> Iterator[int]:
    """Where nodes lead: to each leaf and node once, and only on, so that no row runs in a circle.

    What leads back counts as the first node, to which nothing leads.
    """
    for name in ("left_child", "right_child"):
        for node, text in enumerate(tree[name].split()):
            child = int(text)
            yield child if child < 0 or child > node else 0
