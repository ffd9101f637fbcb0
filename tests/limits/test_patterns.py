"""No regular expression of ``src`` can be made to try a text's parts again and again.

The structure of each is checked, so no text has to be found that makes it slow. What is refused: a repeat without a
limit that can give characters back to a later repeat without a limit, in the same pass or in the next turn of a repeat
around both; alternatives inside such a repeat that begin alike; and, where a pattern is searched for, a repeat that may
fail after characters at which the search then begins again.
"""

from __future__ import annotations

import ast
import importlib
import re
from itertools import combinations
from pathlib import Path
from re import _constants as op
from re import _parser as parser

import pytest

from pinot import expression, values

SRC = Path(__file__).parent.parent.parent / "src"
ALPHABET = frozenset(map(chr, range(128))) | frozenset("éİ\u2028\U0001f600")
BACKTRACKING = (op.MAX_REPEAT, op.MIN_REPEAT)
REPEATS = (*BACKTRACKING, op.POSSESSIVE_REPEAT)
FEW = 128  # repetitions that are so few that trying all of them again costs nothing
SEARCHES = ("search", "finditer", "findall", "sub", "split")
FUNCTIONS = ("compile", "match", "fullmatch", *SEARCHES)

EXCEPTIONS = {
    values._NAME_OR_EXPONENT.pattern: "a JSON parser took its texts: each quotation mark has another one that ends it",
    expression._TOKEN.pattern: "its texts are the expressions in the operator's own table config",
}


def patterns():
    """Every pattern of the source, with whether it is searched for."""
    for path in sorted(SRC.rglob("*.py")):
        tree = ast.parse(path.read_text())
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
        names = {
            node.func.value.id: node.func.attr in SEARCHES
            for node in sorted(calls, key=lambda each: each.func.attr in SEARCHES)
            if isinstance(node.func.value, ast.Name)
        }
        for call in calls:
            if not (isinstance(call.func.value, ast.Name) and call.func.value.id == "re"):
                continue
            assert call.func.attr in (*FUNCTIONS, "escape"), f"{path}: {call.func.attr} is not looked at here"
            module = importlib.import_module(".".join(path.relative_to(SRC).with_suffix("").parts))
            text = eval(compile(ast.Expression(call.args[0]), str(path), "eval"), vars(module))
            assigned = [
                target.id
                for node in ast.walk(tree)
                if isinstance(node, ast.Assign | ast.AnnAssign) and call in ast.walk(node)
                for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
                if isinstance(target, ast.Name)
            ]
            searched = call.func.attr in SEARCHES or any(names.get(name) for name in assigned)
            yield pytest.param(text, searched, id=f"{path.relative_to(SRC)}:{call.lineno}")


# What characters a part of a pattern may have, and begin with.


def members(items):
    found = set()
    for kind, value in items:
        match kind:
            case op.LITERAL:
                found.add(chr(value))
            case op.RANGE:
                found |= {each for each in ALPHABET if value[0] <= ord(each) <= value[1]}
            case op.CATEGORY:
                escape = {
                    op.CATEGORY_SPACE: r"\s",
                    op.CATEGORY_NOT_SPACE: r"\S",
                    op.CATEGORY_WORD: r"\w",
                    op.CATEGORY_DIGIT: r"\d",
                }[value]
                found |= {each for each in ALPHABET if re.match(escape, each)}
    return ALPHABET - found if items and items[0][0] is op.NEGATE else found


def inner(item):
    """The sequences inside an item: one, or one for each alternative."""
    kind, value = item
    match kind:
        case op.SUBPATTERN:
            return [value[3]]
        case op.BRANCH:
            return list(value[1])
        case op.ATOMIC_GROUP:
            return [value]
        case op.ASSERT | op.ASSERT_NOT:
            return [value[1]]
    return [value[2]] if kind in REPEATS else []


def characters(item):
    """The characters that an item may take, wherever."""
    kind, value = item
    match kind:
        case op.LITERAL:
            return {chr(value)}
        case op.NOT_LITERAL:
            return ALPHABET - {chr(value)}
        case op.ANY:
            return set(ALPHABET)
        case op.IN:
            return members(value)
        case op.AT | op.ASSERT | op.ASSERT_NOT:
            return set()
    assert inner(item), f"{kind} is not known here"
    return set().union(*(characters(each) for sequence in inner(item) for each in sequence))


def may_be_empty(item):
    kind, value = item
    if kind in REPEATS:
        return value[0] == 0 or all(map(may_be_empty, value[2]))
    if kind in (op.AT, op.ASSERT, op.ASSERT_NOT):
        return True
    return bool(inner(item)) and any(all(map(may_be_empty, sequence)) for sequence in inner(item))


def beginnings(sequence):
    """The characters that a sequence may begin with."""
    found = set()
    for item in sequence:
        sequences = inner(item) if item[0] not in (op.ASSERT, op.ASSERT_NOT) else []
        found |= set().union(*map(beginnings, sequences)) if sequences else characters(item)
        if not may_be_empty(item):
            break
    return found


def is_unlimited(item):
    return item[0] in REPEATS and item[1][1] > FEW


def flattened(sequence):
    """A sequence with its groups opened, which repeat nothing."""
    for item in sequence:
        if item[0] is op.SUBPATTERN:
            yield from flattened(item[1][3])
        else:
            yield item


def faults(sequence, following=()):
    """List what is wrong with a sequence that the items ``following`` may come behind."""
    items = [*flattened(sequence), *following]
    for place, item in enumerate(items[: len(items) - len(following)]):
        rest = items[place + 1 :]
        if is_unlimited(item) and item[0] in BACKTRACKING:
            yield from _gives_back(item, rest)
            alternatives = [each for part in flattened(item[1][2]) if part[0] is op.BRANCH for each in part[1][1]]
            if any(_are_alike(one, other) for one, other in combinations(alternatives, 2)):
                yield "alternatives of a repeat begin alike"
        for each in inner(item):
            again = [*flattened(each)] if is_unlimited(item) and item[0] in BACKTRACKING else []
            is_closed = item[0] in (op.ASSERT, op.ASSERT_NOT, op.ATOMIC_GROUP, op.POSSESSIVE_REPEAT)
            yield from faults(each, () if is_closed else (*again, *rest))


def _gives_back(item, rest):
    if rest and not may_be_empty(rest[0]) and not beginnings(rest[:1]) & beginnings(item[1][2]):
        return  # where the repeat could end earlier, what comes next cannot begin
    if _reaches_unlimited(rest, characters(item)):
        yield "a repeat can give characters back to a later one"


def _reaches_unlimited(sequence, taken):
    """Return whether a repeat without a limit is reached by ``taken`` characters alone, and takes them."""
    for item in flattened(sequence):
        if is_unlimited(item) and characters(item) & taken:
            return True
        if any(_reaches_unlimited(each, taken) for each in inner(item)):
            return True
        if not may_be_empty(item) and not beginnings([item]) & taken:
            return False
    return False


def _are_alike(one, other):
    return beginnings(one) & beginnings(other) or (all(map(may_be_empty, one)) and all(map(may_be_empty, other)))


def faults_of_search(sequence):
    """List the repeats that may fail after characters at which a search begins again."""
    first = beginnings(sequence)
    for alternative in inner(sequence[0]) if len(sequence) == 1 and sequence[0][0] is op.BRANCH else [sequence]:
        items = list(flattened(alternative))
        for place, item in enumerate(items):
            can_fail = any(not may_be_empty(later) for later in items[place + 1 :])
            if is_unlimited(item) and can_fail and characters(item) & first:
                yield "a search can begin again inside a repeat that failed"


def faults_of(text, *, is_searched):
    sequence = list(parser.parse(text))
    return [*faults(sequence), *(faults_of_search(sequence) if is_searched else ())]


@pytest.mark.parametrize(("text", "is_searched"), list(patterns()))
def test_no_pattern_tries_a_text_again_and_again(text, is_searched):
    assert bool(faults_of(text, is_searched=is_searched)) == (text in EXCEPTIONS)


@pytest.mark.parametrize(
    "text",
    [
        r"[0-9]+\.?[0-9]*x",
        r"[+-]?[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?",
        r"(?:[0-9]+)+",
        r"(?:[0-9]* ?)*x",
        r"(?:a|ab?)*c",
        r"(?:\w+\s*)*:",
        r".*,.*",
        r"\s*(?:x|\s++y)",
        r"([a-z]+)?[a-z]*1",
        r"(?=[0-9]*[0-9]*x)y",
    ],
)
def test_a_pattern_that_does_is_found(text):
    assert faults_of(text, is_searched=False)


@pytest.mark.parametrize("text", [r"[0-9]+x", r'"[^x]*x', r"\s*$y"])
def test_a_search_that_does_is_found(text):
    assert faults_of(text, is_searched=True)
    assert faults_of(text, is_searched=False) == []
