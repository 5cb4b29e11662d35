"""TeX: the formulas of docstrings, which are plain text, as mathematics."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

_SMALL = {
    chr(code): (kind, chr(int(letter, 16)))
    for code in (0xB2, 0xB3, 0xB9, *range(0x1D2C, 0x1D6B), *range(0x2070, 0x20A0), 0x2C7C, 0x2E2)
    for kind, *letters in [unicodedata.decomposition(chr(code)).split() or [""]]
    for letter in letters[:1]
}  # "²" -> ("<super>", "2")
_RAISED = {c: letter.replace("−", "-") for c, (kind, letter) in _SMALL.items() if kind == "<super>"}
_RAISED |= {"ᵀ": r"\top ", "ˣ": "x", "ʰ": "h"}
_LOWERED = {c: letter.replace("−", "-") for c, (kind, letter) in _SMALL.items() if kind == "<sub>"}
_SIGNS = {
    "·": r"\cdot ", "−": "-", "@": r"\,", "Σ": r"\sum ", "Π": r"\prod ", "∫": r"\int ",
    "∞": r"\infty ", "≥": r"\geq ", "≤": r"\leq ", "\x01": r"\ne ", "∂": r"\partial ",
    "½": r"\tfrac12 ",
    "…": r"\ldots ", "%": r"\%", "&": r"\&", "#": r"\#", "′": "'", "→": r"\to ", "∈": r"\in ",
    "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ", "`": "", "×": r"\times ",
    "≈": r"\approx ", "\x00": r"\sqrt",
}  # fmt: skip
_GREEK = {
    chr(code): name.capitalize() if code < 0x3B1 else name
    for code in (*range(0x391, 0x3AA), *range(0x3B1, 0x3CA))
    for *_, word in [unicodedata.name(chr(code), "").lower().split() or [""]]
    for name in [{"lamda": "lambda", "epsilon": "varepsilon"}.get(word, word)]
} | {"gamma": "gamma", "beta": "beta", "alpha": "alpha", "delta": "delta", "eps": "varepsilon"}
_FUNCTIONS = {"exp", "ln", "sin", "cos", "tan", "sinh", "cosh", "tanh", "max", "min"}
_NAMED = {"softmax", "sign", "mean", "argmax", "erf"}
TEXT = r"\text{"
_TOKEN = re.compile(
    r"(?P<word>[^\W\d_⁰-ₜᴬ-ᵪⱼˣʰ²³¹½ΣΠ∂]+[\u0302\u0304]?'?)"
    rf"|(?P<up>[{''.join(_RAISED)}]+)|(?P<low>[{''.join(_LOWERED)}]+)|(?P<other>.)"
)


def tex(formula: str, names: Mapping[str, str]) -> str:
    """A formula in TeX, with variables by their names in the network: x -> "y_{1}"."""
    text, parts = _roots(formula.replace("**", "^").replace(" ^ ", "^")), list[str]()
    text = unicodedata.normalize("NFD", text.replace("≠", "\x01"))
    below = False  # whether "_" came, so that what follows stands below
    for found in _TOKEN.finditer(text):
        if below:
            _lower(parts, found[0])
        elif found["word"]:
            word = _word(found["word"], names)
            if word.startswith(r"\text") and parts[-1:] == [" "] and parts[-2].startswith(r"\text"):
                parts[-2:] = [f"{parts[-2][:-1]}{word.removeprefix(TEXT)}"]  # words that follow
            else:
                parts.append(word)
        elif found["up"]:
            parts.append(f"^{{{''.join(_RAISED[c] for c in found['up']).strip()}}}")
        elif found["low"]:
            _lower(parts, "".join(_LOWERED[c] for c in found["low"]))
        elif found["other"] == "_" and text[found.end() : found.end() + 1] != "{":
            below = True
            continue
        else:
            parts.append(_SIGNS.get(found["other"], found["other"]))
        below = False
    return re.sub(r" +", " ", "".join(parts)).strip()


def _lower(parts: list[str], text: str) -> None:
    """Put text below the last part, behind what stands there."""
    there = re.fullmatch(r"(.*_\{)(.*)\}", parts[-1]) if parts else None
    if there:
        parts[-1] = f"{there[1]}{there[2]},{text}}}"
    else:
        parts.append(f"_{{{text}}}")


def symbol(name: str, number: int | None = None) -> str:
    """A variable, with the number of the layer it belongs to below it."""
    base = f"\\{_GREEK[name]}" if name in _GREEK else name
    if len(name) > 1 and name not in _GREEK:
        base = f"{name[0]}_{{{name[1:]}}}" if len(name) == 2 else rf"\mathit{{{name}}}"
    if number is None:
        return base
    inner = re.fullmatch(r"(.*)_\{(.*)\}", base)
    return f"{inner[1]}_{{{inner[2]},{number}}}" if inner else f"{base}_{{{number}}}"


def _word(word: str, names: Mapping[str, str]) -> str:
    if word in names:
        return names[word]
    for mark, command in (("\u0302", "hat"), ("\u0304", "bar")):
        if mark in word:
            begin = r"\mathrm{d}" if word[0] == "d" and word[1] != mark else ""
            return rf"{begin}\{command}{{{word[word.index(mark) - 1]}}}"
    if word in _GREEK:
        return f"\\{_GREEK[word]} "
    if len(word) == 2 and word[0] in _GREEK:
        return f"\\{_GREEK[word[0]]} {word[1]}"
    if word in _FUNCTIONS:
        return f"\\{word} "
    if word in _NAMED:
        return rf"\operatorname{{{word}}}"
    if len(word) == 1 or (len(word) == 2 and word[1] == "'"):
        return word
    if word[0] == "d" and (word[1:] in names or word[1:] in _GREEK or len(word) == 2):
        return rf"\mathrm{{d}}{_word(word[1:], names)}"
    return word if word.isupper() else f"{TEXT} {word} }}"


def _roots(text: str) -> str:
    """√(…) and √x with braces."""
    while (at := text.find("√")) >= 0:
        end = at + 2
        if text[at + 1 : at + 2] == "(":
            depth = 0
            for end in range(at + 1, len(text)):
                depth += {"(": 1, ")": -1}.get(text[end], 0)
                if depth == 0:
                    break
            inner, end = text[at + 2 : end], end + 1
        else:
            inner = text[at + 1 : end]
        text = f"{text[:at]}\x00{{{inner}}}{text[end:]}"
    return text
