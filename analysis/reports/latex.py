"""Plain text with mathematical letters, as LaTeX in ASCII."""

from __future__ import annotations

import re
import unicodedata

from pylatexenc.latexencode import RULE_CALLABLE, UnicodeToLatexConversionRule, UnicodeToLatexEncoder

__all__ = ["as_latex", "caption_in_latex"]

_ACCENTS = {
    "\N{COMBINING MACRON}": r"\bar",
    "\N{COMBINING TILDE}": r"\tilde",
    "\N{COMBINING CIRCUMFLEX ACCENT}": r"\hat",
}


def _mathematical(text: str, position: int) -> tuple[int, str] | None:
    """What the encoder's own tables lack: accented capitals, and raised and lowered letters, in mathematics."""
    pair = unicodedata.normalize("NFD", text[position])
    consumed = 1
    if len(pair) == 1:
        pair, consumed = text[position : position + 2], 2
    if pair[1:] in _ACCENTS:
        return consumed, rf"\ensuremath{{{_ACCENTS[pair[1:]]}{{{pair[0]}}}}}"
    kind, _, plain = unicodedata.decomposition(text[position]).partition(" ")
    if kind in ("<super>", "<sub>") and " " not in plain:
        sign = "^" if kind == "<super>" else "_"
        return 1, rf"\ensuremath{{{sign}{{{chr(int(plain, 16)).replace('−', '-')}}}}}"
    return None


def _refuse(character: str) -> str:
    raise ValueError(f"text: {character!r} ({unicodedata.name(character, 'no name')}) has no LaTeX translation")


def as_latex(text: str, *, keep_unknown: bool = False) -> str:
    """Escape and translate.

    Args:
        text: plain.
        keep_unknown: leave a character without a translation as it is, for LaTeX programs that know Unicode; for texts
            that are the user's own.

    Raises:
        ValueError: naming a character that has no translation.
    """
    own_rule = UnicodeToLatexConversionRule(RULE_CALLABLE, _mathematical)
    encoder = UnicodeToLatexEncoder(
        conversion_rules=[own_rule, "defaults"],
        unknown_char_policy="keep" if keep_unknown else _refuse,
        unknown_char_warning=False,
    )
    return str(encoder.unicode_to_latex(text))


_SYMBOLS = (
    (r"\bN(50|90)\b", r"$N_{\1}$"),
    (r"\bN - 1\b", r"$N-1$"),
    (r"\b1/2\b", r"$1/2$"),
    (r"(?<![\\{])\b([NUKTd])\b", r"$\1$"),  # and no accented letter: \k{U}
)
"""The symbols of captions in plain text, and in mathematics."""


def caption_in_latex(text: str) -> str:
    """A figure's caption with its symbols set as mathematics."""
    made = as_latex(text.strip(), keep_unknown=True)
    for plain, symbol in _SYMBOLS:
        # Nothing that is mathematics already.
        made = "".join(
            part if part.startswith("$") else re.sub(plain, symbol, part) for part in re.split(r"(\$[^$]*\$)", made)
        )
    return made
