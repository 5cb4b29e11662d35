// Somebody's own layer: its translated code (translate.py) is run here, NumPy's way. A value is a
// number, a boolean, null, a word, an array, or a list for a tuple; an array of booleans has `b`.
const isArray = v => v !== null && typeof v === "object" && "d" in v;
const asArray = v => isArray(v) ? v : Array.isArray(v) ? stacked(v.map(asArray)) : make([], Float64Array.of(+v));
const plain = a => isArray(a) && !a.s.length ? a.d[0] : a;
function stacked(parts) {
  return make([parts.length, ...(parts[0] ? parts[0].s : [])], joined(parts));
}
class NotHere extends Error {}

/** f of two values, broadcast. */
function spread(f, a, b, truth = false) {
  if (!isArray(a) && !isArray(b)) return truth ? Boolean(f(+a, +b)) : f(+a, +b);
  const x = asArray(a), y = asArray(b), rank = Math.max(x.s.length, y.s.length);
  const side = z => [...Array(rank - z.s.length).fill(1), ...z.s], [p, q] = [side(x), side(y)];
  const s = p.map((n, i) => n === 1 ? q[i] : n);
  if (s.some((n, i) => q[i] !== 1 && q[i] !== n)) throw new NotHere("shapes");
  const out = make(s), same = String(p) === String(s) && String(q) === String(s);
  const at = (index, t) => index.reduce((i, v, k) => i * t[k] + (t[k] === 1 ? 0 : v), 0);
  for (let i = 0; i < out.d.length; i++) {
    const index = same ? null : indexOf(i, s);
    out.d[i] = f(x.d[same ? i : at(index, p)], y.d[same ? i : at(index, q)]);
  }
  if (truth) out.b = true;
  return out;
}
const each = (f, a, truth = false) => {
  if (!isArray(a)) return truth ? Boolean(f(+a)) : f(+a);
  const y = map(a, f);
  if (truth) y.b = true;
  return y;
};
const arithmeticOf = {
  "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "/": (a, b) => a / b,
  "**": (a, b) => a ** b, "//": (a, b) => Math.floor(a / b), "%": (a, b) => a - b * Math.floor(a / b),
};
const comparison = {
  "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b,
  "==": (a, b) => a === b, "!=": (a, b) => a !== b, "&": (a, b) => a && b, "|": (a, b) => a || b,
};
const axesOf = (a, axis) => (axis === null || axis === undefined ? a.s.map((_, i) => i)
  : [axis].flat()).map(v => (v + a.s.length) % a.s.length);
function reduced_(a, {axis, keepdims}, value) {
  a = asArray(a);
  const axes = axesOf(a, axis), kept = a.s.map((n, i) => axes.includes(i) ? 1 : n);
  const y = make(keepdims ? kept : a.s.filter((_, i) => !axes.includes(i)), value(a, groups(a.s, axes)));
  return plain(y);
}
function transposed(a, axes) {
  axes ||= a.s.map((_, i) => a.s.length - 1 - i);
  const y = make(axes.map(i => a.s[i]));
  for (let i = 0; i < y.d.length; i++) {
    const from = new Array(a.s.length);
    indexOf(i, y.s).forEach((v, k) => { from[axes[k]] = v; });
    y.d[i] = a.d[flatOf(from, a.s)];
  }
  if (a.b) y.b = true;
  return y;
}
function dot(a, b) {
  if (!isArray(a) || !isArray(b)) return spread(arithmeticOf["*"], a, b);
  const row = a.s.length === 1, column = b.s.length === 1;
  const x = row ? make([1, ...a.s], a.d) : a, w = column ? make([...b.s, 1], b.d) : b;
  if (x.s[x.s.length - 1] !== w.s[w.s.length - 2]) throw new NotHere("shapes");
  const y = w.s.length === 2 ? product(x, w) : blocks(make([...x.s.slice(0, -1), w.s[w.s.length - 1]]), x, w);
  const s = y.s.filter((_, i) => !(row && i === y.s.length - 2) && !(column && i === y.s.length - 1));
  return plain(make(s, y.d));
}
function reshaped(a, shape) {
  const s = shape.flat().map(v => plain(v)), rest = s.reduce((n, v) => v < 0 ? n : n * v, 1);
  const full = s.map(v => v < 0 ? a.d.length / rest : v);
  if (size(full) !== a.d.length) throw new NotHere("shapes");
  return make(full, a.d.slice());
}
/** Where the elements of a[parts] lie, and its shape. */
function located(a, parts) {
  if (parts.some(p => isArray(p) && p.b)) {
    if (parts.length > 1) throw new NotHere("a mask among others");
    const [mask] = parts, each = size(a.s.slice(mask.s.length)), at = [];
    mask.d.forEach((v, i) => { for (let j = 0; v && j < each; j++) at.push(i * each + j); });
    return {at, s: [at.length / each, ...a.s.slice(mask.s.length)]};
  }
  const lists = parts.filter(isArray), ints = v => typeof v === "number", s = [], ways = [];
  const common = lists.length ? lists.reduce((x, y) => spread(() => 0, x, y)).s : [];
  let axis = 0, placed = -1;
  for (const p of [...parts, ...Array(a.s.length - parts.filter(p => p !== null).length).fill(["slice"])]) {
    if (p === null) { s.push(1); ways.push(() => null); continue; }
    const n = a.s[axis], here = axis++;
    if (isArray(p) || (ints(p) && lists.length)) {
      if (placed < 0) { placed = s.length; s.push(...common); }
      else if (placed + common.length !== s.length) throw new NotHere("lists apart");
      const wide = isArray(p) ? spread((x) => x, p, make(common)) : null, from = placed;
      ways.push(index => [here, wide ? wide.d[flatOf(index.slice(from, from + common.length), common)] : p]);
    } else if (ints(p)) ways.push(() => [here, p]);
    else {
      const step = p[3] ?? 1, wrap = (v, other) => v === null || v === undefined ? other : v < 0 ? Math.max(v + n, 0) : Math.min(v, n);
      const first = step > 0 ? wrap(p[1], 0) : wrap(p[1], n - 1), end = step > 0 ? wrap(p[2], n) : wrap(p[2], -1);
      const to = s.length;
      s.push(Math.max(0, Math.ceil((end - first) / step)));
      ways.push(index => [here, first + index[to] * step]);
    }
  }
  const at = Array.from({length: size(s)}, (_, i) => {
    const index = indexOf(i, s), from = new Array(a.s.length).fill(0);
    for (const way of ways) {
      const found = way(index);
      if (found) from[found[0]] = found[1] < 0 ? found[1] + a.s[found[0]] : found[1];
    }
    return flatOf(from, a.s);
  });
  return {at, s};
}

const functions = {
  where: ([c, a, b]) => chosen(c, a, b),
  maximum: ([a, b]) => spread((x, y) => x !== x || y !== y ? NaN : Math.max(x, y), a, b),
  minimum: ([a, b]) => spread((x, y) => x !== x || y !== y ? NaN : Math.min(x, y), a, b),
  clip: ([a, low, high]) => each(v => clip(v, plain(low) ?? -Infinity, plain(high) ?? Infinity), a),
  sum: ([a, axis], k) => reduced_(a, {axis, ...k}, sums),
  mean: ([a, axis], k) => reduced_(a, {axis, ...k}, (x, g) => sums(x, g).map(v => v / g.each)),
  max: ([a, axis], k) => reduced_(a, {axis, ...k}, largest),
  min: ([a, axis], k) => reduced_(a, {axis, ...k}, (x, g) => largest(map(x, v => -v), g).map(v => -v)),
  argmax: ([a, axis], k) => reduced_(a, {axis, ...k}, (x, g) => {
    const count = new Int32Array(g.count), found = first(x, largest(x, g), g), y = new Float64Array(g.count);
    x.d.forEach((_, i) => { if (found[g.of[i]] === i) y[g.of[i]] = count[g.of[i]]; count[g.of[i]]++; });
    return y;
  }),
  any: ([a], k) => reduced_(each(v => +Boolean(v), a), k, largest),
  all: ([a], k) => reduced_(each(v => -Boolean(v), a), k, (x, g) => largest(x, g).map(v => -v)),
  sigmoid: ([a]) => each(sigmoid, a), softplus: ([a]) => each(softplus, a),
  arange: ([n]) => make([n], Float64Array.from({length: n}, (_, i) => i)),
  zeros_like: ([a]) => each(() => 0, a), ones_like: ([a]) => each(() => 1, a),
  zeros: ([s]) => make([s].flat()), ones: ([s]) => map(make([s].flat()), () => 1),
  copy: ([a]) => each(v => v, a), array: ([a]) => copy(asArray(a)), asarray: ([a]) => asArray(a),
  dot: ([a, b]) => dot(a, b), matmul: ([a, b]) => dot(a, b),
  reshape: ([a, ...s]) => reshaped(asArray(a), s), transpose: ([a, ...s]) => transposed(a, s.length ? s.flat() : null),
  ravel: ([a]) => reshaped(a, [-1]), flatten: ([a]) => reshaped(a, [-1]), square: ([a]) => each(v => v * v, a),
  logical_not: ([a]) => each(v => !v, a, true), add: ([a, b]) => spread(arithmeticOf["+"], a, b),
  subtract: ([a, b]) => spread(arithmeticOf["-"], a, b), multiply: ([a, b]) => spread(arithmeticOf["*"], a, b),
  divide: ([a, b]) => spread(arithmeticOf["/"], a, b), power: ([a, b]) => spread(arithmeticOf["**"], a, b),
};
for (const name of ["abs", "exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "sqrt", "sign"])
  functions[name] = ([a]) => each(Math[name], a);
functions.absolute = functions.fabs = functions.abs;
function chosen(c, a, b) {
  const zero = spread(() => 0, spread(() => 0, c, a), b);
  const wide = v => spread((x) => x, v, zero);
  const [p, x, y] = [c, a, b].map(wide);
  return isArray(p) ? map(p, (v, i) => v ? x.d[i] : y.d[i]) : p ? x : y;
}

const row = (a, i) => { const {at, s} = located(a, [i]); return plain(make(s, Float64Array.from(at, j => a.d[j]))); };

class Runner {
  constructor(k, args, inputs) {
    this.k = k;
    this.self = Object.fromEntries(Object.entries(k.state).map(([n, v]) => [n, isArray(v) ? copy(v) : v]));
    k.params.forEach((name, j) => { this.self[name] = copy(args[inputs + j]); });
  }
  call(name, given) {
    const f = this.k.functions[name], local = {};
    f.names.forEach((n, i) => {
      local[n] = i < given.length ? given[i] : this.value(f.defaults[i - f.names.length + f.defaults.length], {});
    });
    return this.block(f.body, local)?.[0] ?? null;
  }
  block(body, local) { // [what was returned], or undefined
    for (const [kind, a, b, c] of body) {
      if (kind === "return") return [this.value(a, local)];
      if (kind === "set") this.put(a, this.value(b, local), local);
      else if (kind === "into") this.put(a, this.value(b, local), local, true);
      else if (kind === "if") {
        const found = this.block(this.truth(this.value(a, local)) ? b : c, local);
        if (found) return found;
      } else if (kind === "raise") throw new NotHere("an error");
      else {
        const [from, to, step] = b.map(v => this.value(v, local)), limits = to === undefined ? [0, from, 1] : [from, to, step ?? 1];
        for (let i = limits[0]; limits[2] > 0 ? i < limits[1] : i > limits[1]; i += limits[2]) {
          local[a] = i;
          const found = this.block(c, local);
          if (found) return found;
        }
      }
    }
  }
  truth(v) {
    if (isArray(v) && v.d.length !== 1) throw new NotHere("truth of an array");
    return Boolean(isArray(v) ? v.d[0] : Array.isArray(v) ? v.length : v);
  }
  put([kind, a, b, c], v, local, into = false) {
    if (kind === "tuple") return [a, b, c].forEach((to, i) => to && this.put(to, Array.isArray(v) ? v[i] : row(v, i), local));
    if (kind === "at") {
      const owner = this.value(a, local), {at, s} = located(owner, b.map(p => this.part(p, local)));
      const wide = isArray(v) ? spread((x) => x, v, make(s)) : null;
      at.forEach((to, i) => { owner.d[to] = wide ? wide.d[i] : +v; });
      return;
    }
    const home = kind === "self" ? this.self : local, old = home[a];
    if (into && isArray(old) && isArray(v) && old.d.length === v.d.length) old.d.set(v.d);
    else home[a] = v;
  }
  part(p, local) {
    return p[0] === "slice" ? ["slice", ...p.slice(1).map(v => v === null ? null : plain(this.value(v, local)))] : plain(this.value(p, local));
  }
  value(node, local) {
    const [kind, a, b, c] = node, of = v => this.value(v, local);
    if (kind in arithmeticOf) return spread(arithmeticOf[kind], of(a), of(b));
    if (kind in comparison) {
      const pair = [of(a), of(b)];
      if (pair.every(v => v !== null && typeof v !== "string")) return spread(comparison[kind], ...pair, true);
      if (kind !== "==" && kind !== "!=") throw new NotHere(kind);
      return (pair[0] === pair[1]) === (kind === "==");
    }
    const named = k => Object.fromEntries(Object.entries(k).map(([n, v]) => [n, of(v)]));
    switch (kind) {
      case "name": return found(local, a);
      case "self": return found(this.self, a);
      case "number": case "text": return a;
      case "none": return null;
      case "inf": return Infinity;
      case "neg": return each(v => -v, of(a));
      case "pos": return of(a);
      case "not": return !this.truth(of(a));
      case "~": return each(v => !v, of(a), true);
      case "@": return dot(of(a), of(b));
      case "is": return of(a) === of(b);
      case "is not": return of(a) !== of(b);
      case "and": return node.slice(1).reduce((v, p) => this.truth(v) ? of(p) : v, true);
      case "or": return node.slice(1).reduce((v, p) => this.truth(v) ? v : of(p), false);
      case "?": return this.truth(of(a)) ? of(b) : of(c);
      case "tuple": return node.slice(1).map(of);
      case "index": {
        const owner = of(a);
        if (Array.isArray(owner)) {
          const [, from, to, step] = b[0][0] === "slice" ? this.part(b[0], local) : [];
          if (b[0][0] === "slice" && (step ?? 1) === 1) return owner.slice(from ?? 0, to ?? owner.length);
          const i = plain(of(b[0]));
          return owner[i < 0 ? i + owner.length : i];
        }
        const {at, s} = located(owner, b.map(p => this.part(p, local)));
        const y = make(s, Float64Array.from(at, i => owner.d[i]));
        if (owner.b) y.b = true;
        return plain(y);
      }
      case "of": {
        const owner = asArray(of(a));
        return {T: () => transposed(owner), shape: () => owner.s, size: () => owner.d.length, ndim: () => owner.s.length}[b]();
      }
      case "np": return functions[a](b.map(of), named(c));
      case "method": return functions[b]([of(a), ...c.map(of)], named(node[4]));
      case "weigh": { // as Loss.weigh of handgrad/layers/loss/base.py
        const [y, w, elements] = a.map(of), N = y.s[0], n = N * (elements ?? 1), mean = this.self.normalizer;
        if (w === null || w === undefined) return 1 / (n * (mean ?? 1));
        const D = mean === null ? total(w) * (elements ?? 1) : n * mean;
        return make([N, ...y.s.slice(1).map(() => 1)], w.d.map(v => v / D));
      }
      case "call": return this.call(a, b.map(of));
      case "built": {
        const given = b.map(of), [v] = given;
        if (a === "len") return Array.isArray(v) ? v.length : v.s[0];
        if (a === "prod") return size(v);
        if (a === "abs") return each(Math.abs, v);
        if (given.some(isArray)) { if (a === "max" || a === "min") throw new NotHere(a); }
        if (a === "max" || a === "min") return Math[a](...given.flat());
        return a === "int" ? Math.trunc(plain(v)) : +plain(v);
      }
    }
    throw new NotHere(kind);
  }
}
const found = (home, name) => {
  if (!(name in home)) throw new NotHere(name);
  return home[name];
};
const outputs_ = y => (Array.isArray(y) ? y : [y]).map(v => v === null ? null : copy(asArray(v)));
ops.Own = {
  forward(k, ...args) {
    const inputs = args.length - k.params.length, runner = new Runner(k, args, inputs);
    const ys = outputs_(runner.call("forward", args.slice(0, inputs).map(a => a && copy(a))));
    return ys.length === 1 ? ys[0] : ys;
  },
  backward(k, dy, y, ...args) {
    const inputs = args.length - k.params.length, runner = new Runner(k, args, inputs);
    runner.call("forward", args.slice(0, inputs).map(a => a && copy(a)));
    const found = outputs_(runner.call("backward", [dy].flat().map(copy)));
    while (found.length < inputs) found.push(null);
    return [...found.slice(0, inputs), ...k.params.map(name => copy(asArray(runner.self[`d${name}`])))];
  },
};
