// Words: numbers as people write them, and what a step says.
function say(v) {
  if (v === null || v === undefined) return "unknown";
  if (!Number.isFinite(v)) return Number.isNaN(v) ? "NaN" : v > 0 ? "inf" : "−inf";
  const whole = Number.isInteger(v) && Math.abs(v) < 1e6;
  const text = whole ? String(v) : String(Number(v.toPrecision(4)));
  return text.replace("-", "−").replace("e+", "e").replace("e-", "e−");
}
const factor = v => v < 0 ? `(${say(v)})` : say(v);
const spotted = (name, i, s) => s.length ? `${name}[${indexOf(i, s).join(", ")}]` : name;
const lengths = s => s.length ? s.join("×") : "scalar";
const weight = ([a, b]) => Math.abs(a * b);
/** "1·2 + 3·4 + … (50 terms)" of pairs, the largest first where there are many. */
function summed(pairs, count = pairs.length, room = 4) {
  const many = count > room;
  const first = many ? [...pairs].sort((a, b) => weight(b) - weight(a)) : pairs;
  const text = first.slice(0, many ? 3 : room).map(([a, b]) => `${factor(a)}·${factor(b)}`).join(" + ");
  return (text || "0") + (many ? ` + … (${count} terms)` : "");
}
const extreme = a => { // where the largest element stands
  let best = 0;
  a.d.forEach((v, i) => { if (Math.abs(v) > Math.abs(a.d[best]) || v !== v) best = i; });
  return best;
};
function extent(a) {
  let low = Infinity, high = -Infinity, square = 0, strange = 0;
  a.d.forEach(v => {
    if (!Number.isFinite(v)) { strange++; return; }
    low = Math.min(low, v); high = Math.max(high, v); square += v * v;
  });
  const range = low > high ? "" : low === high ? `all ${say(low)}` : `${say(low)}…${say(high)}`;
  const norm = low > high || a.d.length < 2 ? "" : `norm ${say(Math.sqrt(square))}`;
  return [range, norm, strange ? `${strange} not finite` : ""].filter(Boolean).join(", ") || "empty";
}

const argument = (m, node, j) => node.args[j] === null ? undefined : m.values[node.args[j]];
const everyArgument = (m, node) => node.args.map((id, j) => argument(m, node, j));

/** Which element of which argument a layer that moves elements puts at i. */
function takenFrom(node, args, i) {
  let at = node.k.maps[0].d[i], j = 0;
  if (at < 0) return {};
  while (at >= args[j].d.length) at -= args[j++].d.length;
  return {name: node.names[j], j, at};
}

/** What forward does, at element i of the output. */
function forwardWords(m, node, i) {
  const y = m.values[node.out[0]], name = node.y || "y";
  if (!y) return `What ${node.title} gives is unknown: the page has no arithmetic for ` +
    `${node.op ? "a layer before" : "it"}, and something before was changed.`;
  const left = spotted(name, i, y.s), args = everyArgument(m, node);
  if (!node.op) return `${left} = ${say(y.d[i])}, as Python computed it: the page has no ` +
    `arithmetic for ${node.title}.`;
  const op = ops[node.op];
  if (op.terms) {
    const {text, pairs, more} = op.terms(i, node.k, ...args);
    return `${left} = Σ ${text}${more === undefined ? "" : " + b"} = ${summed(pairs)}` +
      `${more === undefined ? "" : ` + ${factor(more)}`} = ${say(y.d[i])}.`;
  }
  if (node.op === "Take") {
    const {name, j, at} = takenFrom(node, args, i);
    return `${left} = ${say(y.d[i])}: ${name ? `that is ${spotted(name, at, args[j].s)}, ` +
      "moved or copied" : "what fills up"}. ${node.formula}.`;
  }
  if (op.each && args.every(a => a === undefined || a.d.length === y.d.length)) {
    const given = node.names.map((n, j) => args[j] && `${n} = ${say(args[j].d[i])}`).filter(Boolean);
    return `${left} = ${say(y.d[i])}: ${node.formula}, with ${given.join(", ")}.`;
  }
  return `${left} = ${say(y.d[i])}: ${node.formula}.`;
}

/** The outputs that element i of argument j reaches: [upstream gradient, local derivative, name]. */
function chain(m, node, j, i) {
  const args = everyArgument(m, node), ys = node.out.map(id => m.values[id]);
  const dys = node.out.map((id, o) => m.gradients[id] || make(ys[o].s));
  const moved = h => {
    const a = copy(args[j]);
    a.d[i] += h;
    return m.run(node, args.map((old, n) => n === j ? a : old));
  };
  const h = 1e-4 * Math.max(1, Math.abs(args[j].d[i])), up = moved(h), down = moved(-h), found = [];
  ys.forEach((y, o) => y.d.forEach((_, p) => {
    const change = up[o].d[p] - down[o].d[p];
    if (change !== 0) found.push([Math.abs(dys[o].d[p] * change), o, p]);
  }));
  found.sort((a, b) => b[0] - a[0]);
  const terms = found.slice(0, found.length > 4 ? 3 : 4).map(([, o, p]) => {
    const units = ys.map(y => make(y.s));
    units[o].d[p] = 1;
    return [dys[o].d[p], m.local(node, units)[j].d[i],
      spotted(node.y || "y", p, ys[o].s), [o, p]];
  });
  return {terms, count: found.length};
}

/** The chain rule at element i of argument j, with its numbers; `most`: the output that counts. */
function backwardWords(m, node, j, i) {
  const id = node.args[j], x = m.values[id], name = node.names[j], back = m.sends.get(node);
  if (!x || !back || !back[j]) return {text: `What ${node.title} sends back to ${name} is unknown: the page has ` +
    "no arithmetic for a layer on the way, and something was changed."};
  const left = `d${spotted(name, i, x.s)}`, value = say(back[j].d[i]), y = node.y || "y";
  if (!node.op) return {text: `${left} = ${value}, as the backward of ${node.title} computed it in Python.`};
  const {terms, count} = chain(m, node, j, i), op = ops[node.op];
  const local = op.words?.[j] ? ` Here ∂${y}/∂${name} = ${op.words[j]}.`
    : op.local ? ` Here ∂${y}/∂${name} = ${op.local(i, node.k, ...everyArgument(m, node))}.` : "";
  if (!count) return {text: `${left} = 0: ${y} does not change with ${spotted(name, i, x.s)} here.${local}`};
  const sum = count > 1 ? "Σ " : "", at = count === 1 ? terms[0][2] : y;
  return {most: terms[0][3], text: `Chain rule: ${left} = ${sum}d${at} · ∂${at}/∂${spotted(name, i, x.s)} = ` +
    `${summed(terms, count)} = ${value}.${local}`};
}

/** How often a value is used, if more than once, and its gradients added so far. */
function fanWords(m, id, n) {
  const uses = m.uses(id);
  if (uses.length < 2) return "";
  const done = uses.filter(([at]) => at >= n);
  return `${m.about[id].name} is used ${uses.length} times: its gradient is the sum of what all uses send ` +
    `back, ${done.length} of ${uses.length} so far.`;
}

/** Backward beside numerical differentiation, at element i of a value. */
function checkWords(m, id, i, node, j) {
  const spot = spotted(m.about[id].name, i, m.about[id].shape), g = m.gradients[id];
  if (!g) return {text: "The gradient is unknown here, so there is nothing to compare.", state: "quiet"};
  const found = m.difference(id, i);
  if (!found) {
    const check = node && node.checks?.[j];
    if (check && !m.edited) return {
      text: `Python's numerical differentiation of ${node.title} alone, at ${spotted(node.names[j], check[0],
        m.about[id].shape)}: ${say(check[2])}; its backward says ${say(check[1])}.`, state: "quiet"};
    return {text: "A layer that the page cannot compute comes after: no differences here.", state: "quiet"};
  }
  const what = m.goal, by = `Moving ${spot} by ±${say(found.h)} changes ${what} by`;
  if (!Number.isFinite(found.value)) return {text: `${by} ${say(found.value)} per unit: not finite.`, state: "bad"};
  if (found.kink) return {
    text: `A kink is here: to the left ${what} changes by ${say(found.left)} per unit, to the right by ` +
      `${say(found.right)}; backward takes ${say(g.d[i])} by the layer's rule.`, state: "quiet"};
  const off = Math.abs(found.value - g.d[i]), fine = off <= 1e-5 * Math.max(Math.abs(g.d[i]), 1e-3);
  return {
    text: `${by} ${say(found.value)} per unit; backward says ${say(g.d[i])}: ` +
      (fine ? "they agree." : `they differ by ${say(off)}.`), state: fine ? "good" : "bad"};
}
