"""The expressions of ``transformConfigs`` and filters: what they read, and where Pinot 1.5.1 fails to compute them.

Pinot drops a row whose expression fails, a delete as well as an update, unless ``continueOnError`` is set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

# An expression's tokens: quoted text, an operator, a number, a word, a "quoted name", any other sign.
_TOKEN: Final = re.compile(
    r"""('(?:[^']|'')*')|(<>|!=|<=|>=|=|<|>|\bbetween\b)|([0-9][\w.]*)|([A-Za-z_][\w$]*(?:\.[\w$]+)*)|("[^"]*"|\S)""",
    re.IGNORECASE,
)
_KEYWORDS: Final = frozenset(
    (
        *("and", "or", "not", "case", "when", "then", "else", "end", "null", "true", "false", "is", "in", "between"),
        *("like", "as"),
    )
)
_COMPARING_FUNCTIONS: Final = frozenset(
    (
        *("equals", "notequals", "greaterthan", "greaterthanorequal", "lessthan", "lessthanorequal", "between"),
        "doubleequalswithtolerance",
    )
)
_ARITHMETIC: Final = frozenset("+-*/%")

# Functions that take any text, as was run on Pinot 1.5.1. All others count as ones that fail on some.
_TAKE_ANY_TEXT: Final = frozenset(
    (
        *("coalesce", "concat", "contains", "encodeurl", "endswith", "hammingdistance", "isdistinctfrom", "isjson"),
        *("isnotdistinctfrom", "isnotnull", "isnull", "length", "lower", "lpad", "ltrim", "md5", "normalize", "remove"),
        *("regexpextract", "regexplike", "regexpreplace", "repeat", "replace", "reverse", "rpad", "rtrim", "sha"),
        *(
            "sha256",
            "sha512",
            "splitpart",
            "startswith",
            "strcmp",
            "strpos",
            "strrpos",
            "substr",
            "toascii",
            "tobase64",
        ),
        *("toutf8", "trim", "upper", "jsonformat", "jsonpathlong", "jsonpathdouble", "jsonpathexists"),
        *("jsonpatharraydefaultempty", "now", "ago", "and", "or", "not", "in", "between", "when", "then", "else", ""),
    )
)
_TAKE_ANY_TEXT_WITH_DEFAULT: Final = frozenset(("jsonpathstring",))  # with a third argument
_CASTS_OF_ANY_TEXT: Final = frozenset(("string", "varchar", "boolean"))


def names_read_by(expression: str) -> set[str]:
    """Find the field names that a transform or filter expression reads; rather one too many than one too few."""
    if _is_script(expression):
        expression = expression.rpartition("}")[2]  # behind the script come the names of its arguments
    tokens = _TOKEN.findall(expression)
    names = {sign[1:-1] for *_, sign in tokens if sign.startswith('"') and len(sign) > len('""')}
    for index, (_, _, _, word, _) in enumerate(tokens):
        is_type = index and tokens[index - 1][3].lower() == "as"  # CAST(… AS LONG)
        if word and word.lower() not in _KEYWORDS and not is_type and not _is_call(tokens, index):
            names.add(word)
    return names


def compares_text(expression: str) -> bool:
    """Tell an expression that compares with a text, which Pinot takes when the table is made and fails on in every row.

    Its ``=``, ``<`` and so on compare numbers only: ``eventName = 'REMOVE'`` throws, and the row is dropped, where
    ``strcmp(eventName, 'REMOVE') = 0`` and ``eventName LIKE 'REM%'`` work. Run on Pinot 1.5.1.
    """
    if _is_script(expression):
        return False
    tokens = _TOKEN.findall(expression)
    calls: list[str] = []  # the functions whose brackets are open
    for index, (text, _, _, _, sign) in enumerate(tokens):
        if sign == "(":
            calls.append(_function(tokens, index))
        elif sign == ")" and calls:
            calls.pop()
        if text and not _is_number(text[1:-1]):
            beside = [token[1] for token in _beside(tokens, index)]
            if any(beside) or (calls and calls[-1] in _COMPARING_FUNCTIONS):
                return True
    return False


def fails_on_some_text(expression: str) -> bool:
    """Tell an expression that Pinot fails to compute for some text in a field that it reads, such as an empty one.

    A function counts as such unless it is known to take any text; an operator does beside a field's name.
    """
    if _is_script(expression):
        return True
    tokens = _TOKEN.findall(expression)
    calls: list[list[str]] = []  # the functions whose brackets are open, each with its tokens so far
    for index, (_, operator, _, word, sign) in enumerate(tokens):
        if sign == "(":
            calls.append([_function(tokens, index)])
        elif sign == ")" and calls:
            if not _takes_any_text(*calls.pop()):
                return True
        elif calls:
            calls[-1].append((word or sign).lower())
        if (operator or sign in _ARITHMETIC) and any(_is_name(token) for token in _beside(tokens, index)):
            return True
    return False


_Token = tuple[str, str, str, str, str]


def _takes_any_text(function: str, *tokens: str) -> bool:
    if function == "cast":
        return tokens[-1] in _CASTS_OF_ANY_TEXT
    return function in _TAKE_ANY_TEXT or (function in _TAKE_ANY_TEXT_WITH_DEFAULT and tokens.count(",") > 1)


def _is_script(expression: str) -> bool:
    return expression.lstrip().lower().startswith("groovy(")


def _is_call(tokens: list[_Token], index: int) -> bool:
    return index + 1 < len(tokens) and tokens[index + 1][4] == "("


def _function(tokens: list[_Token], index: int) -> str:
    """Give the function whose bracket opens here, as Pinot looks it up; empty text for none."""
    return tokens[index - 1][3].lower().replace("_", "") if index else ""


def _beside(tokens: list[_Token], index: int) -> Iterator[_Token]:
    yield from tokens[max(index - 1, 0) : index]
    yield from tokens[index + 1 : index + 2]


def _is_name(token: _Token) -> bool:
    word, sign = token[3], token[4]
    return sign.startswith('"') or bool(word and word.lower() not in _KEYWORDS)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
