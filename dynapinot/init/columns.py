"""The columns of the proposed table: from the key, attributes, paths into maps, the rest, and the change itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from dynapinot.init.column_type import Choice, KeyKind, choose, choose_key
from dynapinot.init.names import MAX_COLUMN_NAME, Names, needs_quotes, safe_name
from dynapinot.init.profile import Profile, Seen
from pinot.metadata import DYNAMODB_NAMES
from pinot.source import REST, SETTINGS

Role: TypeAlias = Literal["key", "attribute", "path", "rest", "deleted", "changed"]

MAX_COLUMNS: Final = 500  # of more attributes the frequent ones get columns, and $rest takes the others
RARE: Final = 0.01  # what fewer items have is not frequent
PATH_SHARE: Final = 0.1  # a key of a map gets a column if so many of the maps have it
MAX_PATH_KEYS: Final = 20  # and its map no more keys than that

DELETED, CHANGED, REMAINDER = "is_deleted", "changed_at", "rest"

# DynamoDB's own attributes in every item of a global table of version 2017.11.29:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/globaltables_HowItWorks.html
_OF_GLOBAL_TABLES: Final = ("aws:rep:deleting", "aws:rep:updatetime", "aws:rep:updateregion")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAttribute:
    """One attribute of the DynamoDB table's key; ``tag`` is its type: S, N or B."""

    name: str
    kind: KeyKind
    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of the proposal.

    ``steps`` is the attribute, or the path to it, that fills it; empty where a property of the change does,
    ``prop``. ``seen`` is what was seen there, ``of`` out of how many items, or maps for a path. ``mapped`` is whether
    source.toml must say where the column comes from; ``notes`` say why its name is another, and what else of it.
    """

    name: str
    role: Role
    choice: Choice
    steps: tuple[str, ...] = ()
    prop: str | None = None
    seen: Seen | None = None
    of: int = 0
    mapped: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """An attribute that is not replicated, and the reason."""

    attribute: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """All columns in the schema's order, what is left out, and what goes to the column ``rest`` if there is one."""

    columns: tuple[Column, ...]
    left_out: tuple[LeftOut, ...]
    rest: tuple[str, ...] = ()
    others: int = 0

    def of(self, role: Role) -> tuple[Column, ...]:
        """Give the columns of a role."""
        return tuple(column for column in self.columns if column.role == role)


def propose_columns(
    profile: Profile,
    key: Sequence[KeyAttribute],
    *,
    leave_out: Sequence[str] = (),
    paths: bool = False,
    max_columns: int = MAX_COLUMNS,
) -> Columns:
    """Decide on the columns of a table's replica.

    ``leave_out`` names attributes that are to have none; none of them is in the key. With ``paths`` maps of few keys
    get a column for each path that at least PATH_SHARE of them have, beside the JSON column that has the whole map.
    """
    keys = {attribute.name for attribute in key}
    left_out = tuple(_left_out(profile, keys, leave_out))
    names_left_out = {each.attribute for each in left_out}
    candidates = [name for name in profile.attributes if name not in keys | names_left_out]
    chosen, rest = _frequent(candidates, profile, max_columns)
    names = _Naming([*(attribute.name for attribute in key), *chosen])
    columns = [_key_column(attribute, names, profile) for attribute in key]
    columns += (_attribute_column(name, names, profile) for name in chosen)
    if paths:
        free = max(0, max_columns - len(columns))
        columns += [_path_column(*found, names) for found in _paths(chosen, profile)][:free]
    if rest or profile.others:
        columns.append(_rest_column(names, rest, profile))
    columns += _change_columns(names)
    return Columns(columns=tuple(columns), left_out=left_out, rest=tuple(rest), others=profile.others)


def _left_out(profile: Profile, keys: Collection[str], leave_out: Sequence[str]) -> Iterator[LeftOut]:
    for name in dict.fromkeys(leave_out):
        why = "as you said" if name in profile.attributes else "as you said, though no item that was read has it"
        yield LeftOut(attribute=name, why=why)
    for name in _OF_GLOBAL_TABLES:
        if name in profile.attributes and name not in (*keys, *leave_out):
            yield LeftOut(attribute=name, why="DynamoDB's own, of a global table of version 2017.11.29")


def _frequent(candidates: Sequence[str], profile: Profile, max_columns: int) -> tuple[list[str], list[str]]:
    """Split attributes, in the order of their names, into those that get a column and those for the rest."""
    if len(candidates) <= max_columns:
        return sorted(candidates), []
    times = {name: profile.attributes[name].times for name in candidates}
    by_share = sorted(candidates, key=lambda name: (-times[name], name))
    chosen = [name for name in by_share if times[name] >= RARE * profile.items][:max_columns]
    return sorted(chosen), sorted(set(candidates) - set(chosen))


class _Naming:
    """Gives columns their names: first to the attributes that keep theirs, so that none loses it to another."""

    def __init__(self, attributes: Sequence[str]) -> None:
        self._names = Names()
        self._by_attribute: dict[str, str] = {}
        for attribute in attributes:
            if safe_name(attribute) == attribute and self._names.is_free(attribute):
                self._by_attribute[attribute] = self._names.claim(attribute)
        self._names.block(SETTINGS)  # which cannot stand below [columns]
        for attribute in attributes:
            if attribute not in self._by_attribute:
                self._by_attribute[attribute] = self.claim(attribute)

    def of(self, attribute: str) -> str:
        return self._by_attribute[attribute]

    def claim(self, name: str) -> str:
        return self._names.claim(safe_name(name))


def _key_column(attribute: KeyAttribute, names: _Naming, profile: Profile) -> Column:
    name, seen = names.of(attribute.name), profile.attributes.get(attribute.name)
    return Column(
        name=name,
        role="key",
        choice=choose_key(attribute.kind, attribute.tag, seen),
        steps=(attribute.name,),
        seen=seen,
        of=profile.items,
        mapped=name != attribute.name,
        notes=tuple(_name_notes(name, attribute.name)),
    )


def _attribute_column(attribute: str, names: _Naming, profile: Profile) -> Column:
    name, seen = names.of(attribute), profile.attributes[attribute]
    notes = list(_name_notes(name, attribute))
    if attribute in DYNAMODB_NAMES:
        notes.append("a column of this name would be filled with a property of the change, so source.toml maps it")
    return Column(
        name=name,
        role="attribute",
        choice=choose(seen),
        steps=(attribute,),
        seen=seen,
        of=profile.items,
        mapped=name != attribute or name in DYNAMODB_NAMES,
        notes=tuple(notes),
    )


def _name_notes(name: str, attribute: str) -> Iterator[str]:
    if name != attribute:
        if safe_name(attribute) == attribute:
            yield "Pinot does not distinguish upper from lower case, and another column has the name"
        elif len(attribute) > MAX_COLUMN_NAME:
            yield f"longer than {MAX_COLUMN_NAME} characters, and Pinot makes files of that name"
        else:
            yield "Pinot's SQL needs names of letters, digits and underscores"
    if needs_quotes(name):
        yield "a word of SQL, so write it in double quotes in queries"


def _paths(attributes: Sequence[str], profile: Profile) -> Iterator[tuple[tuple[str, ...], Seen, int]]:
    """Find the paths that get columns, with what was seen there and out of how many maps."""
    for attribute in attributes:
        yield from _paths_below((attribute,), profile.attributes[attribute])


def _paths_below(steps: tuple[str, ...], seen: Seen) -> Iterator[tuple[tuple[str, ...], Seen, int]]:
    if not is_record(seen):
        return
    maps = seen.own.tag("M")
    for name in sorted(seen.keys or ()):
        inner = (seen.keys or {})[name]
        if inner.times < PATH_SHARE * maps:
            continue
        if inner.own.tag("M"):
            yield from _paths_below((*steps, name), inner)
        elif choose(inner).data_type != "JSON":
            yield (*steps, name), inner, maps


def is_record(seen: Seen) -> bool:
    """Return whether a map has few and stable keys: other maps would give dead letters, or columns without end."""
    return bool(seen.keys) and len(seen.keys or ()) <= MAX_PATH_KEYS and seen.own.tag("M") == seen.values


def _path_column(steps: tuple[str, ...], seen: Seen, of: int, names: _Naming) -> Column:
    name = names.claim("_".join(steps))
    notes = tuple(_name_notes(name, name))
    return Column(name=name, role="path", choice=choose(seen), steps=steps, seen=seen, of=of, mapped=True, notes=notes)


def _rest_column(names: _Naming, rest: Sequence[str], profile: Profile) -> Column:
    parts = [f"{len(rest):,} less frequent attributes"] if rest else []
    if profile.others:
        parts.append(f"attributes of names too many or too long to be counted, {profile.others:,} times")
    choice = Choice(data_type="JSON", why=f"a JSON object of {' and '.join(parts)}")
    return Column(name=names.claim(REMAINDER), role="rest", choice=choice, prop=REST, mapped=True)


def _change_columns(names: _Naming) -> tuple[Column, Column]:
    changed = Choice(data_type="LONG", why="when the item changed, in epoch milliseconds; the newest change wins")
    deleted = Choice(data_type="BOOLEAN", why="whether the item is gone")
    return (
        Column(name=names.claim(DELETED), role="deleted", choice=deleted, prop="$deleted", mapped=True),
        Column(name=names.claim(CHANGED), role="changed", choice=changed, prop="$timestamp", mapped=True),
    )


def record_keys(columns: Columns) -> Mapping[str, int]:
    """Return, by column, which maps have paths that ``paths`` gives columns, and how many."""
    found = {}
    for column in columns.of("attribute"):
        count = sum(1 for _ in _paths_below(column.steps, column.seen)) if column.seen else 0
        if count:
            found[column.name] = count
    return found
