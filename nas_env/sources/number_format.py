"""Finds the common format of numbers that are written as text, such as 1.234,50 € or (12 %).

`nas_env.sources.encoding.plain_number` reads a text by its format.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import NamedTuple

from nas_env.sources._units import CURRENCIES, MISSING_WORDS, UNITS, UNITS_AFTER
from nas_env.sources.encoding import MISSING, number_pattern, plain_number

NUMBERS_SHARE = 0.9  # a text column with a higher share of numbers is numeric with mistakes
MENTIONED_SHARE = 0.5  # a text column with a higher share of numbers is mentioned in a note
CODE_DIGITS = 4  # equally long texts of as many digits or more are codes if one begins with 0
FACTORS = ("k", "K", "M", "B")  # thousand, million, billion
BOUNDS = "<>≤≥~≈="
TEXT = re.compile(r"(\D*)(\d(?:[\d.,' ]*\d)?(?:[eE][-+]?\d+)?)(\D.*)?", re.DOTALL)
LOCALES = {  # separators in the texts: possible (decimal, thousands)
    "": ((".", ""),),
    ",": ((".", ","), (",", "")),
    ".": ((".", ""), (",", ".")),
    ",.": ((".", ","), (",", ".")),
}


@dataclass(frozen=True)
class NumberFormat:
    """How the numbers of a column are written.

    Attributes:
        prefix: Text before each number, such as "$".
        suffix: Text after each number, such as "%".
        decimal: Decimal separator.
        thousands: Thousands separator; empty if there is none.
    """

    prefix: str = ""
    suffix: str = ""
    decimal: str = "."
    thousands: str = ""

    @cached_property
    def style(self) -> dict[str, str]:
        """The format as plain data, for `encoding.number`."""
        return asdict(self)

    @cached_property
    def pattern(self) -> str:
        """The regular expression of the numbers."""
        return number_pattern(self.style)

    @property
    def plain(self) -> bool:
        """Whether numbers are written as in Python."""
        return self == NumberFormat()

    def number(self, text: str) -> float | None:
        """Return the number that a text stands for, or None."""
        plain = plain_number(text, self.style, self.pattern)
        return None if plain is None else float(plain)


MARKS = ((".", ","), (",", "."), (".", ""), (",", ""))
SPACES = tuple((mark, space) for mark in ".," for space in " '")
PLAIN_FORMATS = {x: NumberFormat("", "", *x) for x in (*MARKS, *SPACES)}


class Parts(NamedTuple):
    """The parts of a text that contains a number.

    Attributes:
        prefix: Text before the number, without signs, brackets and spaces.
        core: Digits and separators.
        suffix: Text after the number, without signs, brackets and spaces.
        bound: Whether the text is a bound, such as <1.0 or 80+.
    """

    prefix: str
    core: str
    suffix: str
    bound: bool

    @property
    def known(self) -> bool:
        """Whether prefix and suffix are symbols of currencies or units, or empty."""
        return _known(self.prefix) and (_known(self.suffix) or self.suffix in UNITS_AFTER)

    @property
    def letter(self) -> str:
        """The prefix or suffix if it is a single letter, as in the codes 1A, 1B, 2A."""
        affix = self.prefix + self.suffix
        return affix if len(affix) == 1 and affix.isalpha() else ""


@dataclass(frozen=True)
class NumberTexts:
    """What the different texts of a column have in common.

    Attributes:
        formats: The formats that read all texts, if these give different numbers, or a single one.
        missing: Texts that count as missing if the column is read as numbers.
        numbers: Share of numbers in the other texts, weighted by their frequency.
        numbers_of_all: The same share, of all texts.
        wrong: The first text that is not a number, or has another format; empty if there is none.
        example: The first text with a prefix, a suffix or a separator, or else the first number.
        mixed: Whether all texts are numbers, but with different symbols or separators.
        bound: Whether `wrong` is a bound, such as <1.0, and most other texts are numbers.
        codes: Whether the texts are codes with leading zeros, such as 01234.
    """

    formats: tuple[NumberFormat, ...] = ()
    missing: tuple[str, ...] = ()
    numbers: float = 0.0
    numbers_of_all: float = 0.0
    wrong: str = ""
    example: str = ""
    mixed: bool = False
    bound: bool = False
    codes: bool = False

    @property
    def ambiguous(self) -> bool:
        """Whether a separator may be that of decimals or of thousands."""
        return len(self.formats) > 1


def split(text: str) -> Parts | None:
    """Return the parts of a text with one number, or None.

    Example:
        >>> split("-$1,234.50")
        Parts(prefix='$', core='1,234.50', suffix='', bound=False)
        >>> split("80+").bound, split("none")
        (True, None)
    """
    text = " ".join(text.split())
    match = TEXT.fullmatch(text.replace("\u2212", "-").replace("\u2019", "'"))
    if match is None:
        return None
    prefix, core, suffix = match[1], match[2], match[3] or ""
    if prefix.endswith((".", ",")) and not prefix[:-1][-1:].isalpha():
        prefix, core = prefix[:-1], prefix[-1] + core
    prefix, suffix = prefix.strip(" (+-"), suffix.strip(" )-")
    bound = prefix[:1] in BOUNDS if prefix else False
    if suffix.endswith("+"):
        bound, suffix = True, suffix[:-1].rstrip()
    return Parts(prefix.lstrip(BOUNDS + " -+"), core, suffix, bound)


def examine(
    counts: Mapping[str, int],
    words: Iterable[str] = (),
    default: bool = True,
    any_unit: bool = False,
) -> NumberTexts:
    """Return what the texts of a column have in common.

    Args:
        counts: Frequency of each different text.
        words: Texts that count as missing, besides empty ones.
        default: Whether common words for missing values, such as "?", also count.
        any_unit: Whether unknown prefixes and suffixes are units too.
    """
    given = {"", *words, *(MISSING if default else ())}
    missing = tuple(
        x for x in counts if x.strip() in given or (default and x.strip().lower() in MISSING_WORDS)
    )
    texts = {x: count for x, count in counts.items() if x not in set(missing)}
    parts = {x: y for x in texts if (y := split(x)) and (any_unit or y.known) and _number_like(y)}
    plain = {x: y for x, y in parts.items() if not y.bound}
    total, all_rows = sum(texts.values()), sum(counts.values())
    share = sum(texts[x] for x in plain) / max(total, 1)
    bounds = sum(texts[x] for x in parts if x not in plain) / max(total, 1)
    some = NumberTexts(
        missing=missing,
        numbers=share,
        numbers_of_all=share * total / max(all_rows, 1),
        example=next((x for x in plain if not x.strip().isdigit()), next(iter(plain), "")),
        codes=_codes(texts),
    )
    changed = dict(some.__dict__)
    if len(plain) == len(texts):
        formats = _formats(list(plain), plain)
        letters = {y.letter for y in plain.values()}
        weak = all(y.letter == y.prefix + y.suffix for y in plain.values()) and bool(
            letters - {"", *FACTORS}
        )
        wrong = "" if formats else _other(plain)
        mixed = bool(plain) and not formats and not weak
        if len(formats) > 1:
            changed["example"] = next(x for x in plain if len({y.number(x) for y in formats}) > 1)
        return NumberTexts(**{**changed, "formats": formats, "wrong": wrong, "mixed": mixed})
    bound = bool(bounds) and share >= MENTIONED_SHARE and share + bounds >= NUMBERS_SHARE
    candidates = parts.keys() - plain.keys() if bound else texts.keys() - plain.keys()
    wrong = next(x for x in texts if x in candidates)
    return NumberTexts(**{**changed, "wrong": wrong, "bound": bound})


def resolved(formats: Iterable[NumberFormat], decimal: str | None) -> tuple[NumberFormat, ...]:
    """Return the formats that have the given decimal separator, if any."""
    return tuple(x for x in formats if decimal is None or x.decimal == decimal)


def _known(affix: str) -> bool:
    if not affix or affix in UNITS or affix in CURRENCIES:
        return True
    return all(unicodedata.category(x) == "Sc" for x in affix)


def _number_like(parts: Parts) -> bool:
    if parts.core.isdigit():
        return True
    return any(form.number(parts.core) is not None for form in _plain_formats(parts.core))


def _plain_formats(core: str) -> list[NumberFormat]:
    return [PLAIN_FORMATS[locale] for locale in _locales([core])]


def _locales(cores: Iterable[str]) -> list[tuple[str, str]]:
    """Return the possible (decimal, thousands) separators of numbers."""
    signs = {x for core in cores for x in core} & set(",.' ")
    spaces = signs & set("' ")
    marks = "".join(sorted(signs - spaces))
    if not spaces:
        return list(LOCALES[marks])
    if len(spaces) > 1 or len(marks) > 1:
        return []
    return [(marks or ".", spaces.pop())]


def _formats(texts: list[str], parts: Mapping[str, Parts]) -> tuple[NumberFormat, ...]:
    """Return the formats that read all texts, without those that give the same numbers."""
    affixes = {(y.prefix, y.suffix) for y in parts.values()}
    if len(affixes) != 1:
        return ()
    (affix,) = affixes
    different: dict[tuple[float, ...], NumberFormat] = {}
    for locale in _locales(y.core for y in parts.values()):
        candidate = NumberFormat(*affix, *locale)
        values: list[float] = []
        for text in texts:
            if (value := candidate.number(text)) is None:
                break
            values.append(value)
        else:
            different.setdefault(tuple(values), candidate)
    return tuple(different.values())


def _other(parts: Mapping[str, Parts]) -> str:
    """Return the first text with another prefix or suffix than the first, or the last text."""
    first = next(iter(parts.values()), None)
    others = (
        x
        for x, y in parts.items()
        if first and (y.prefix, y.suffix) != (first.prefix, first.suffix)
    )
    return next(others, next(reversed(list(parts)), ""))


def _codes(texts: Iterable[str]) -> bool:
    lengths, zero = set(), False
    for text in texts:
        if not (text.isascii() and text.isdigit()):
            return False
        lengths.add(len(text))
        zero = zero or text.startswith("0")
        if len(lengths) > 1:
            return False
    return zero and min(lengths) >= CODE_DIGITS
