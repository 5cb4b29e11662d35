"""Formulas as docstrings write them, y = x @ W + b, as MathML, which browsers set by themselves.

A formula is found by its shape: words end it, so `y = x @ W + b, on the last axis` gives the
part before the comma. What does not read as a formula to its end stays text.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

SUB = str.maketrans("₀₁₂₃₄₅₆₇₈₉ₐₑᵢⱼₖₘₙₚₜₓ₊₋", "0123456789aeijkmnptx+−")
SUPER = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹ᵀᵖⁿᵗᵐᵏˣᵞ⁻⁺", "0123456789Tpntmkxγ−+")
SUBS, SUPERS = "₀₁₂₃₄₅₆₇₈₉ₐₑᵢⱼₖₘₙₚₜₓ₊₋", "⁰¹²³⁴⁵⁶⁷⁸⁹ᵀᵖⁿᵗᵐᵏˣᵞ⁻⁺"
NAMES = {
    "abs", "arccos", "arcsin", "arctan", "clip", "cos", "cosh", "cov", "det", "dout", "dloss",
    "eps", "erf", "exp", "expm1", "ln", "log", "log1p", "loss", "lr", "max", "mean", "min", "ones",
    "relu", "sigmoid", "sign", "sin", "sinh", "softmax", "softplus", "sqrt", "std", "sum", "tan",
    "tanh", "Var", "var",
}  # fmt: skip
TOKEN = re.compile(
    rf"\s*(?:(?P<number>\d+(?:\.\d+)?(?:e-?\d+)?|[½¼⅓])"
    rf"|(?P<name>(?:[A-Za-z]+|[Α-ΟΡΤ-ω])(?:̂|̄|_[A-Za-z0-9]+|[{SUBS}]|[{SUPERS}]|['′])*)"
    rf"|(?P<op>\+=|←|≈|≤|≥|≠|≪|[-+−*·×/@=<>∘⊙±^]|√|Σ|Π|∂|∫)"
    rf"|(?P<open>[(\[|‖])|(?P<close>[)\]])"
    rf"|(?P<comma>,)|(?P<super>[{SUPERS}]+)|(?P<sub>[{SUBS}]+))"
)
INDEX = re.compile(r"\[([\w, :…·+−-]+(?:\[[\w, ]+\][\w, ]*)?)\]")  # what stands in x[i, j]
RELATIONS = {"=", "+=", "≔", "←", "≈", "≤", "≥", "≠", "<", ">", "≪"}
SHOWN = {"@": "⁢", "*": "·", "-": "−", "^": ""}


class NoFormula(Exception):
    """The text is none, from here on."""


@dataclass
class Token:
    """A word of a formula: what it is, its text, and where it begins and ends."""

    kind: str
    text: str
    start: int
    stop: int


def _mo(text: str) -> str:
    return f"<mo>{html.escape(text)}</mo>"


def _row(*parts: str) -> str:
    return parts[0] if len(parts) == 1 else f"<mrow>{''.join(parts)}</mrow>"


def _identifier(text: str) -> str:
    """A name with what is written below and above it."""
    base = re.match(r"(?:[A-Za-z]+|[Α-ΟΡΤ-ω])[̂̄]?", text)
    assert base is not None
    rest = text[base.end() :]
    below = "".join(c for c in rest if c in SUBS).translate(SUB)
    above = "".join(c for c in rest if c in SUPERS).translate(SUPER)
    if found := re.search(r"_([A-Za-z0-9]+)", rest):
        below = found[1] + below
    above += "′" * sum(c in "'′" for c in rest)
    name = base[0]
    upright = ' mathvariant="normal"' if len(name) == 1 and name.isupper() else ""
    if name[0] == "d" and len(name) == 2:  # a gradient: dx
        core = _row("<mi>d</mi>", f"<mi>{name[1]}</mi>")
    else:
        letter = name.rstrip("̂̄")
        core = f"<mi{upright}>{html.escape(letter)}</mi>"
        if letter != name:
            core = f'<mover accent="true">{core}{_mo("^" if name[-1] == "̂" else "¯")}</mover>'
    low, high = f"<mtext>{below}</mtext>", f"<mtext>{above}</mtext>"
    if below and above:
        return f"<msubsup>{core}{low}{high}</msubsup>"
    if below:
        return f"<msub>{core}{low}</msub>"
    return f"<msup>{core}{high}</msup>" if above else core


class Parser:
    """Reads the longest formula that begins at a character; `stop` is where it ends."""

    def __init__(self, text: str, start: int):
        self.text, self.at, self.stop = text, start, start

    def peek(self) -> Token | None:
        """The next token, or None where there is none."""
        found = TOKEN.match(self.text, self.at)
        if not found or found.lastgroup is None:
            return None
        kind, word = found.lastgroup, found[found.lastgroup]
        if kind == "name" and not known(word):
            return None
        return Token(kind, word, found.start(kind), found.end())

    def take(self) -> Token:
        """The next token, which is then behind."""
        token = self.peek()
        if token is None:
            raise NoFormula
        self.at = token.stop
        return token

    def relation(self) -> str:
        """left = right, or more of them in a row."""
        out = self.sum()
        equals = False
        while (token := self.peek()) and token.text in RELATIONS:
            before, self.at = self.at, token.stop
            try:
                out, equals = _row(out, _mo(token.text), self.sum()), True
            except NoFormula:
                self.at = before
                break
        if not equals:
            raise NoFormula
        return out

    def _chain(self, operators: str, part: object) -> str:
        out = part()  # type: ignore[operator]
        while (token := self.peek()) and token.kind == "op" and token.text in operators:
            before, self.at = self.at, token.stop
            try:
                right = part()  # type: ignore[operator]
            except NoFormula:
                self.at = before
                break
            if token.text == "/":
                out = f"<mfrac>{_bare(out)}{_bare(right)}</mfrac>"
            else:
                out = _row(out, _mo(SHOWN.get(token.text, token.text)), right)
        return out

    def sum(self) -> str:
        """Terms."""
        sign = self.peek()
        if sign and sign.text in ("-", "−", "±"):
            self.at = sign.stop
            return _row(
                _mo("−" if sign.text == "-" else sign.text), self._chain("+-−±", self.product)
            )
        return self._chain("+-−±", self.product)

    def product(self) -> str:
        """Factors; two side by side are one too."""
        out = self._chain("*·×/@∘⊙", self.power)
        while (token := self.peek()) and (
            token.kind in ("name", "number") or token.text in ("(", "√", "Σ", "Π", "∂")
        ):
            before = self.at
            try:
                out = _row(out, _mo("⁢"), self._chain("*·×/@∘⊙", self.power))
            except NoFormula:
                self.at = before
                break
        return out

    def power(self) -> str:
        """A factor and its exponent."""
        base = self.atom()
        token = self.peek()
        if token and token.kind in ("super", "sub") and token.start == self.at:
            self.at = token.stop
            table = SUPER if token.kind == "super" else SUB
            tag = "msup" if token.kind == "super" else "msub"
            base = f"<{tag}>{base}<mtext>{token.text.translate(table)}</mtext></{tag}>"
            token = self.peek()
        if token and token.text in ("^",):
            self.at = token.stop
            return f"<msup>{base}{_bare(self.atom())}</msup>"
        return base

    def atom(self) -> str:
        """A number, a name, a call, a root, a sum, or what stands in brackets."""
        token = self.take()
        if token.kind == "number":
            return f"<mn>{token.text}</mn>"
        if token.kind == "name":
            name = _identifier(token.text)
            following = self.peek()
            called = following and following.text in "([" and following.start == self.at
            if not called:
                return name
            index = INDEX.match(self.text, self.at)
            if index:
                self.at = index.end()
                return _row(name, _mo("["), f"<mtext>{html.escape(index[1])}</mtext>", _mo("]"))
            return _row(name, _mo("⁡"), self.brackets())
        if token.text == "√":
            return f"<msqrt>{_bare(self.power())}</msqrt>"
        if token.text in ("Σ", "Π", "∂", "∫"):
            sign = _mo({"Σ": "∑", "Π": "∏"}.get(token.text, token.text))
            following = self.peek()
            if following and following.kind == "sub" and following.start == self.at:
                self.at = following.stop
                sign = f"<msub>{sign}<mtext>{following.text.translate(SUB)}</mtext></msub>"
            return _row(sign, self.product())
        if token.kind == "open":
            self.at = token.start
            return self.brackets()
        raise NoFormula

    def brackets(self) -> str:
        """( a, b ), [ a ], | a |, ‖ a ‖."""
        opening = self.take()
        closing = {"(": ")", "[": "]"}.get(opening.text, opening.text)
        parts = [self.sum()]
        while True:
            token = self.take()
            if token.text == closing:
                break
            if token.text not in (",", *RELATIONS):
                raise NoFormula
            parts += [_mo(token.text), self.sum()]
        return _row(_mo(opening.text), *parts, _mo(closing))


def known(word: str) -> bool:
    """Whether a word may stand in a formula: one letter, dW, or the name of a function."""
    base = re.match(r"[A-Za-z]+", word)
    if not base:
        return True
    name = base[0]
    gradient = len(name) in (2, 3) and name[0] == "d" and (len(name) == 2 or name[1].isupper())
    weight = len(name) == 2 and name[0] in "Wb" and name[1] in "xhqkvo"
    return len(name) == 1 or gradient or weight or name in NAMES


def _bare(text: str) -> str:
    """Without brackets that a fraction or a root makes needless."""
    inner = re.fullmatch(r"<mrow><mo>\(</mo>(.*)<mo>\)</mo></mrow>", text)
    if not inner:
        return text
    depth = 0
    for sign in re.findall(r"<mo>([()])</mo>", inner[1]):
        depth += 1 if sign == "(" else -1
        if depth < 0:
            return text
    return f"<mrow>{inner[1]}</mrow>"


START = re.compile(r"(?<![\w.`/(])(?=[A-Za-zΑ-ω∂Σ−-])")


def typeset(text: str) -> str:
    """HTML of a text: its formulas as MathML, the rest escaped; `code` stays as it is."""
    out, at = [], 0
    while at < len(text):
        if text[at] == "`":
            end = text.find("`", at + 1)
            end = len(text) - 1 if end < 0 else end
            out.append(text[at : end + 1])
            at = end + 1
            continue
        if START.match(text, at):
            parser = Parser(text, at)
            try:
                math = parser.relation()
            except NoFormula:
                pass
            else:
                if not text[parser.at : parser.at + 1].isalnum():
                    out.append(f'<span class="formula"><math><mrow>{math}</mrow></math></span>')
                    at = parser.at
                    continue
            word = re.match(r"[\wΑ-ω]+|.", text[at:], re.S)
            assert word is not None
            out.append(html.escape(word[0], quote=False))
            at += word.end()
            continue
        out.append(html.escape(text[at], quote=False))
        at += 1
    return "".join(out)
