"""Plain text with mathematical letters, as LaTeX in ASCII."""

from __future__ import annotations

import unicodedata

from pylatexenc.latexencode import RULE_CALLABLE, UnicodeToLatexConversionRule, UnicodeToLatexEncoder

__all__ = ["as_latex"]

_ACCENTS = {
    "\N{COMBINING MACRON}": r"\bar",
    "\N{COMBINING TILDE}": r"\tilde",
    "\N{COMBINING CIRCUMFLEX ACCENT}": r"\hat",
}


def _mathematical(text: str, position: int) -> tuple[int, str] | None:
    """What the encoder's own tables lack: accented capitals, and raised and lowered letters, in mathematics."""
    letter = text[position]
    if position + 1 < len(text) and text[position + 1] in _ACCENTS:
        return 2, rf"\ensuremath{{{_ACCENTS[text[position + 1]]}{{{letter}}}}}"
    kind, _, plain = unicodedata.decomposition(letter).partition(" ")
    if kind in ("<super>", "<sub>") and " " not in plain:
        sign = "^" if kind == "<super>" else "_"
        return 1, rf"\ensuremath{{{sign}{{{chr(int(plain, 16)).replace('−', '-')}}}}}"
    return None


def _refuse(character: str) -> str:
    raise ValueError(f"text: {character!r} ({unicodedata.name(character, 'no name')}) has no LaTeX translation")


def as_latex(text: str) -> str:
    """Escape and translate.

    Raises:
        ValueError: naming a character that has no translation.
    """
    # Accented letters fall apart into letter and accent, so that all of them are met in one way; ≠ stays whole.
    apart = "".join(unicodedata.normalize("NFD", c) if c.isalpha() else c for c in text)
    own_rule = UnicodeToLatexConversionRule(RULE_CALLABLE, _mathematical)
    encoder = UnicodeToLatexEncoder(
        conversion_rules=[own_rule, "defaults"], unknown_char_policy=_refuse, unknown_char_warning=False
    )
    return str(encoder.unicode_to_latex(apart))
