// The machine: values and nodes as Python wrote them, forward, backward, differences, training.
const BYTES = {f4: Float32Array, f8: Float64Array, i4: Int32Array, u1: Uint8Array};
function decoded(v) {
  if (v === null || typeof v !== "object" || !("b" in v)) return v;
  if (v.t === "range") return make(v.s, Float64Array.from({length: size(v.s)}, (_, i) => i));
  const bytes = Uint8Array.from(atob(v.b), c => c.charCodeAt(0));
  return make(v.s, Float64Array.from(new BYTES[v.t](bytes.buffer)));
}
/** Two numbers that tell an array from others: its norm, and a sum with uneven weights. */
function marks(a) {
  let norm = 0, sum = 0;
  a.d.forEach((v, i) => { norm += v * v; sum += v * ((i * 7919 % 101 - 50) / 50); });
  return [Math.sqrt(norm), sum];
}
function agrees(a, wanted) {
  if (!wanted || !a.d.every(Number.isFinite)) return wanted === null;
  const [norm, sum] = marks(a), room = 1e-6 * wanted[0] + 1e-12;
  return Math.abs(norm - wanted[0]) <= room && Math.abs(sum - wanted[1]) <= 10 * room;
}

/** What somebody's own code gives; null where it does what the page cannot. */
function attempted(node, act) {
  if (node.op !== "Own") return act();
  try { return act(); } catch (error) { node.error = String(error.message); return null; }
}

class Machine {
  constructor(data) {
    this.data = data;
    this.nodes = data.nodes;
    this.about = data.values;
    this.outputs = data.outputs;
    for (const node of this.nodes) {
      for (const name in node.k || {}) node.k[name] = decoded(node.k[name]);
      if (node.k?.maps) node.k.maps = node.k.maps.map(decoded);
      for (const name in node.k?.state || {}) node.k.state[name] = decoded(node.k.state[name]);
      node.given = node.given?.map(decoded);
      node.back = node.back?.map(decoded);
    }
    this.start = data.values.map(v => v.kind === "computed" ? null : decoded(v.data));
    this.seeds = data.seeds.map(decoded);
    this.time = 0;
    this.memory = {};
    this.begin();
    this.differing = this.nodes.filter(node => node.op && this.differs(node));
    for (const node of this.differing) node.op = null;
    if (this.differing.length) this.begin();
    this.losses = [this.loss()];
  }

  begin() {
    this.leaves = this.start.slice();
    this.origin = null;
    this.origin = this.forward(this.leaves, {});
    this.values = this.origin;
    this.backward();
  }

  /** Whether the numbers of a layer here are not Python's: then it is not computed here. */
  differs(node) {
    const back = this.sends.get(node) || [], own = node.op === "Own"; // which may have failed
    return node.out.some(id => this.values[id] ? !agrees(this.values[id], this.about[id].marks) : own) ||
      node.sent.some((sent, j) => sent && (back[j] ? !agrees(back[j], sent) : own));
  }

  get edited() { return this.leaves.some((a, i) => a !== this.start[i]); }

  /** All values where these (by id) differ from those in `base`; null where one is unknown. */
  forward(base, changes, from = 0) {
    const values = base.slice();
    for (const id in changes) values[id] = changes[id];
    for (const node of this.nodes.slice(from)) {
      const args = node.args.map(id => id === null ? undefined : values[id]);
      if (this.origin && node.args.every((id, j) => id === null || args[j] === base[id])) continue;
      const found = args.includes(null) ? null : this.run(node, args);
      node.out.forEach((id, j) => { if (!(id in changes)) values[id] = found && found[j]; });
    }
    return values;
  }
  run(node, args) {
    if (!node.op) return this.origin ? null : node.given || null; // Python's, of its own inputs
    const y = attempted(node, () => ops[node.op].forward(node.k, ...args));
    return y === null || Array.isArray(y) ? y : [y];
  }

  /** The gradient of every value, null where unknown, undefined where none is wanted. */
  backward() {
    const gradients = this.values.map(() => undefined);
    this.sends = new Map();
    const add = (id, g) => {
      const old = gradients[id];
      gradients[id] = g === null || old === null ? null : old ? plus(old, g) : g;
    };
    this.outputs.forEach((id, j) => add(id, this.values[id] ? this.seeds[j] : null));
    for (let n = this.nodes.length - 1; n >= 0; n--) {
      const node = this.nodes[n], dys = node.out.map(id => gradients[id]);
      if (dys.every(g => g === undefined)) continue;
      const back = this.local(node, node.out.map((id, j) => dys[j] === undefined
        ? this.values[id] && make(this.values[id].s) : dys[j]));
      this.sends.set(node, back);
      node.args.forEach((id, j) => { if (id !== null && node.wanted[j]) add(id, back ? back[j] : null); });
    }
    this.gradients = gradients;
  }

  /** What a node sends back to each of its arguments for these gradients of its outputs. */
  local(node, dys) {
    const args = node.args.map(id => id === null ? undefined : this.values[id]);
    const ys = node.out.map(id => this.values[id]);
    if (node.op) {
      if (dys.includes(null) || args.includes(null) || ys.includes(null)) return null;
      const one = ys.length === 1;
      return attempted(node, () => ops[node.op].backward(node.k, one ? dys[0] : dys, one ? ys[0] : ys, ...args));
    }
    return this.edited ? null : node.back || null;
  }

  /** The number whose gradient is looked at: the loss, or Σ dy · y. */
  loss(values = this.values) {
    if (this.outputs.some(id => values[id] === null)) return null;
    return this.outputs.reduce((sum, id, j) => sum + total(times(values[id], this.seeds[j])), 0);
  }

  /** Central differences at element i of a value: by the loss, or else by the node behind it. */
  difference(id, i) {
    const base = this.values[id], maker = this.nodes.findIndex(n => n.out.includes(id));
    const h = 1e-4 * Math.max(1, 10 ** Math.floor(Math.log10(Math.abs(base.d[i]) || 1)));
    const at = v => {
      const a = copy(base);
      a.d[i] = v;
      return this.loss(this.forward(this.values, {[id]: a}, maker + 1));
    };
    const v = base.d[i], f = at(v);
    const [p, m, p2, m2] = [v + h, v - h, v + h / 2, v - h / 2].map(at);
    if ([f, p, m, p2, m2].includes(null)) return null;
    const wide = (p - m) / (2 * h), near = (p2 - m2) / h;
    const right = (p - f) / h, left = (f - m) / h, right2 = 2 * (p2 - f) / h, left2 = 2 * (f - m2) / h;
    const jump = Math.abs(right2 - left2), curved = Math.abs(right - left);
    const scale = Math.abs(right2) + Math.abs(left2) + 1e-8;
    return {value: (4 * near - wide) / 3, h, kink: jump > 1e-3 * scale && jump > 0.75 * curved,
      left: left2, right: right2};
  }

  edit(id, i, v) {
    const a = copy(this.leaves[id]), start = this.start[id];
    a.d[i] = v;
    this.leaves[id] = a.d.every((x, j) => Object.is(x, start.d[j])) ? start : a;
    this.refresh();
  }
  refresh() {
    const changes = {};
    this.leaves.forEach((a, id) => { if (a !== this.start[id]) changes[id] = a; });
    this.values = this.forward(this.origin, changes);
    this.backward();
  }
  reset() {
    this.leaves = this.start.slice();
    this.memory = {};
    this.time = 0;
    this.refresh();
    this.losses = [this.loss()];
  }

  /** One update of every parameter; null where a gradient is unknown, else what moved. */
  train(rule, lr) {
    const learned = this.about.flatMap((v, id) => v.kind === "parameter" && !v.frozen ? [id] : []);
    if (learned.some(id => this.gradients[id] === null)) return null;
    this.time++;
    const moved = learned.filter(id => this.gradients[id]);
    for (const id of moved) {
      const g = this.gradients[id], state = this.memory[id] ||= {};
      const step = rules[rule](g, state, lr, this.time);
      this.leaves[id] = plus(this.leaves[id], step);
    }
    this.refresh();
    this.losses.push(this.loss());
    return moved;
  }
}

// What is added to a parameter whose gradient is g; as handgrad.optim, with its defaults.
const rules = {
  SGD: (g, state, lr) => scaled(g, -lr),
  Momentum(g, state, lr) {
    state.v = state.v ? map(g, (v, i) => 0.9 * state.v.d[i] - lr * v) : scaled(g, -lr);
    return state.v;
  },
  Adam(g, state, lr, t) {
    const m = state.m || make(g.s), v = state.v || make(g.s);
    state.m = map(g, (x, i) => 0.9 * m.d[i] + 0.1 * x);
    state.v = map(g, (x, i) => 0.999 * v.d[i] + 0.001 * x * x);
    const a = 1 - 0.9 ** t, b = 1 - 0.999 ** t;
    return map(g, (x, i) => -lr * (state.m.d[i] / a) / (Math.sqrt(state.v.d[i] / b) + 1e-8));
  },
};
