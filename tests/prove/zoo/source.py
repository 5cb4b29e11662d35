"""The source text of a right layer, the pieces of it that a mistake changes, and the way back."""

import ast
import inspect
import itertools
import linecache
import sys
import textwrap
import types

_numbers = itertools.count()


class Source:
    """The text of a class, its two methods, and the pieces that rules change."""

    def __init__(self, cls):
        self.cls = cls
        self.text = textwrap.dedent(inspect.getsource(cls))
        methods = {f.name: f for f in ast.parse(self.text).body[0].body if hasattr(f, "args")}
        self.forward, self.backward = methods["forward"], methods["backward"]
        self.upstream = self.backward.args.args[1].arg
        self.arguments = [a.arg for a in self.forward.args.args[1:]]
        init = methods.get("__init__")
        self.constructed = {a.arg for a in init.args.args[1:]} if init else set()

    def of(self, node):
        """The text of a node."""
        return ast.get_source_segment(self.text, node)

    def changed(self, node, text):
        """The whole text with `text` in the place of `node`."""
        lines = self.text.splitlines(keepends=True)
        start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
        end = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
        return self.text[:start] + text + self.text[end:]

    def results(self):
        """The expressions that backward returns, one per input."""
        for node in ast.walk(self.backward):
            if isinstance(node, ast.Return) and node.value is not None:
                values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
                yield from (v for v in values if not isinstance(v, ast.Constant))

    def parameters(self):
        """(name, expression) of each `self.dW = expression` in backward."""
        for node in ast.walk(self.backward):
            if not isinstance(node, ast.Assign):
                continue
            target, value = node.targets[0], node.value
            several = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
            pairs = zip(target.elts, value.elts) if several else [(target, value)]
            for name, expression in pairs:
                if isinstance(name, ast.Attribute) and name.attr[1:] in self.constructed:
                    yield name.attr, expression

    def states(self):
        """(name, expression) of each `self.x = expression` in forward that backward reads."""
        read = {n.attr for n in ast.walk(self.backward) if isinstance(n, ast.Attribute)}
        for node in ast.walk(self.forward):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
                name = node.targets[0].attr
                if name in read and name not in self.constructed:
                    yield name, node

    def inside(self, kind):
        """The nodes of one kind within backward."""
        body = itertools.chain.from_iterable(map(ast.walk, self.backward.body))
        return [node for node in body if isinstance(node, kind)]


def compiled(source, text, title):
    """The class of a changed text, in a module of its own whose source `inspect` can show."""
    origin = sys.modules[source.cls.__module__]
    module = types.ModuleType(f"zoo.mutant{next(_numbers)}")
    module.__dict__.update({k: v for k, v in vars(origin).items() if not k.startswith("__")})
    module.__file__ = f"<{title}>"
    linecache.cache[module.__file__] = len(text), None, text.splitlines(True), module.__file__
    sys.modules[module.__name__] = module
    exec(compile(text, module.__file__, "exec"), module.__dict__)
    return getattr(module, source.cls.__name__)
