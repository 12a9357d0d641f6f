"""Generates HTML, SVG and Markdown text; all data is escaped here."""

from __future__ import annotations

import re
from html import escape

Content = object  # Markup, text, a number, None (left out), or a list of these


class Markup(str):
    """Text that is already markup; all other values are escaped when they become markup."""

    __slots__ = ()


def element(name: str, *content: Content, **attributes: object) -> Markup:
    """Return an element with its attributes and content, both escaped.

    Args:
        name: Name of the element.
        content: Content: `Markup` is inserted unchanged, other values are escaped as text, None is
            omitted, lists are flattened.
        attributes: Attributes by name; a trailing underscore is removed, other underscores become
            hyphens. None and False are omitted, True is an attribute without a value, numbers are
            rounded.

    Example:
        >>> element("text", "<script>", class_="label", x=1.23456)
        '<text class="label" x="1.23">&lt;script&gt;</text>'
    """
    words = [name]
    for key, value in attributes.items():
        key = key.rstrip("_").replace("_", "-")
        if value is True:
            words.append(key)
        elif value is not None and value is not False:
            words.append(f'{key}="{escape(_text(value))}"')
    return Markup(f"<{' '.join(words)}>{join(content)}</{name}>")


def join(content: Content) -> Markup:
    """Return content as markup; see `element`."""
    if isinstance(content, Markup):
        return content
    if content is None:
        return Markup("")
    if isinstance(content, list | tuple):
        return Markup("".join(join(part) for part in content))
    return Markup(escape(_text(content)))


def _text(value: object) -> str:
    """Return a value as valid XML text: numbers rounded, control characters replaced."""
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else f"{value:g}"
    return "".join(x if x >= " " or x in "\n\t" else "\ufffd" for x in str(value))


def printable(text: str) -> str:
    r"""Return text on one line; replaces unprintable characters, such as escape sequences.

    Example:
        >>> printable("red\x1b[31m\nline")
        'red�[31m�line'
    """
    return "".join(x if x.isprintable() else "\ufffd" for x in text)


def markdown(text: str) -> str:
    r"""Escape text for the middle of a Markdown sentence, on one line.

    Example:
        >>> print(markdown("![x](a) <b> | is_it 'R&D' &lt;"))
        \!\[x\](a) &lt;b> \| is\_it 'R&D' &amp;lt;
    """
    text = re.sub(r"([\\`*_\[\]!|~])", r"\\\1", printable(text))
    return re.sub(r"&(?=#?\w+;)", "&amp;", text).replace("<", "&lt;")


def code(text: str) -> str:
    r"""Return a name as Markdown code; a name with special characters is quoted and escaped.

    Example:
        >>> print(code("petal_length"), code("<b>"))
        `petal_length` '&lt;b>'
    """
    plain = text.isprintable() and text == text.strip() != "" and not set(text) & set("`<>&|\\")
    return f"`{text}`" if plain else f"'{markdown(text)}'"
