ops.Affine = {
  forward: (k, x, W, b) => withRow(product(x, W), b),
  backward: (k, dy, y, x, W, b) =>
    [product(dy, W, true), outer(x, dy), ...(b ? [columns(dy)] : [])],
  terms(i, k, x, W, b) { // y[i] = Σ x·W + b
    const [D, M] = W.s, row = Math.floor(i / M) * D, pairs = [];
    for (let j = 0; j < D; j++)
      pairs.push([x.d[row + j], W.d[j * M + i % M], row + j, j * M + i % M]);
    return {text: `x[${indexOf(row, x.s).slice(0, -1).concat(":")}] · W[:,${i % M}]`, pairs,
      more: b && b.d[i % M]};
  },
};
ops.MatMul = {
  forward: (k, a, b) => blocks(make([...a.s.slice(0, -1), b.s[b.s.length - 1]]), a, b),
  backward: (k, dy, y, a, b) =>
    [blocks(make(a.s), dy, b, false, true), blocks(make(b.s), a, dy, true, false)],
  terms(i, k, a, b) {
    const [n, K] = a.s.slice(-2), M = b.s[b.s.length - 1], pairs = [];
    const block = Math.floor(i / (n * M)), row = Math.floor(i / M) * K;
    for (let j = 0; j < K; j++) {
      const at = block * K * M + j * M + i % M;
      pairs.push([a.d[row + j], b.d[at], row + j, at]);
    }
    return {text: "row of a · column of b", pairs};
  },
};
/** The product of each pair of matrices, along all axes but the last two. */
function blocks(y, a, b, ta = false, tb = false) {
  const [n, m] = y.s.slice(-2), [p, q] = a.s.slice(-2), k = ta ? p : q;
  for (let i = 0; i * n * m < y.d.length; i++)
    multiply(y.d, a.d, b.d, n, k, m, i * n * m, i * p * q, i * k * m, ta, tb);
  return y;
}

// Layers whose outputs are elements of their inputs: `map` says which, −1 being `fill`.
ops.Take = {
  forward(k, ...xs) {
    const all = xs.length === 1 ? xs[0].d : joined(xs);
    const ys = k.maps.map(m => make(m.s, Float64Array.from(m.d, i => i < 0 ? k.fill : all[i])));
    return ys.length === 1 ? ys[0] : ys;
  },
  backward(k, dy, y, ...xs) {
    const all = new Float64Array(size([xs.reduce((n, x) => n + x.d.length, 0)]));
    (Array.isArray(dy) ? dy : [dy]).forEach((g, j) =>
      k.maps[j].d.forEach((from, i) => { if (from >= 0) all[from] += g.d[i]; }));
    let start = 0;
    return xs.map(x => make(x.s, all.slice(start, start += x.d.length)));
  },
  each: true,
};
function joined(xs) {
  const all = new Float64Array(xs.reduce((n, x) => n + x.d.length, 0));
  xs.reduce((start, x) => { all.set(x.d, start); return start + x.d.length; }, 0);
  return all;
}
ops.Scale = { // dropout with the mask of this run; Standardize
  forward: (k, x) => map(x, (v, i) => (v - at(k.shift, i)) * at(k.factor, i)),
  backward: (k, dy) => [map(dy, (v, i) => v * at(k.factor, i))],
  each: true,
};
const at = (a, i) => typeof a === "number" ? a : a.d[i % a.d.length];
ops.Embedding = {
  forward: (k, ids, W) => rows(W, ids),
  backward: (k, dy, y, ids, W) => [null, intoRows(W, ids, i => dy.d[i])],
};
ops.EmbeddingDot = {
  forward(k, h, ids, W) {
    const D = W.s[1], each = ids.d.length / h.s[0], y = make(ids.s);
    rows(W, ids).d.forEach((w, i) => {
      y.d[Math.floor(i / D)] += w * h.d[Math.floor(i / (D * each)) * D + i % D];
    });
    return y;
  },
  backward(k, dy, y, h, ids, W) {
    const D = W.s[1], each = ids.d.length / h.s[0], dh = make(h.s);
    const place = i => Math.floor(i / (D * each)) * D + i % D;
    rows(W, ids).d.forEach((w, i) => { dh.d[place(i)] += w * dy.d[Math.floor(i / D)]; });
    return [dh, null, intoRows(W, ids, i => dy.d[Math.floor(i / D)] * h.d[place(i)])];
  },
};
function rows(W, ids) {
  const D = W.s[1], y = make([...ids.s, D]);
  ids.d.forEach((id, n) => y.d.set(W.d.subarray(id * D, id * D + D), n * D));
  return y;
}
function intoRows(W, ids, f) {
  const D = W.s[1], dW = make(W.s);
  for (let i = 0; i < ids.d.length * D; i++) dW.d[ids.d[Math.floor(i / D)] * D + i % D] += f(i);
  return dW;
}

// Reductions along k.axes; y has the groups' order, and the shape k.y.
function largest(x, g) {
  const y = new Float64Array(g.count).fill(-Infinity);
  x.d.forEach((v, i) => { if (v > y[g.of[i]] || v !== v) y[g.of[i]] = v; });
  return y;
}
function first(x, y, g) { // for each group, where its value y stands first
  const found = new Int32Array(g.count).fill(-1);
  x.d.forEach((v, i) => { if (found[g.of[i]] < 0 && v === y[g.of[i]]) found[g.of[i]] = i; });
  return found;
}
ops.Softmax = {
  forward(k, x) {
    const g = groups(x.s, k.axes), top = largest(x, g), e = map(x, (v, i) => Math.exp(v - top[g.of[i]]));
    const sum = sums(e, g);
    return map(e, (v, i) => v / sum[g.of[i]]);
  },
  backward(k, dy, y) {
    const g = groups(y.s, k.axes), dot = sums(times(dy, y), g);
    return [map(y, (v, i) => v * (dy.d[i] - dot[g.of[i]]))];
  },
};
ops.LogSoftmax = {
  forward(k, x) {
    const g = groups(x.s, k.axes), top = largest(x, g);
    const sum = sums(map(x, (v, i) => Math.exp(v - top[g.of[i]])), g);
    return map(x, (v, i) => v - top[g.of[i]] - Math.log(sum[g.of[i]]));
  },
  backward(k, dy, y) {
    const g = groups(y.s, k.axes), sum = sums(dy, g);
    return [map(dy, (v, i) => v - Math.exp(y.d[i]) * sum[g.of[i]])];
  },
};
/** A reduction: value(x, g, k) for each group, derivative(x, y, i, group, k) of it by element i. */
function reduction(value, derivative) {
  return {
    forward: (k, x) => make(k.y, value(x, groups(x.s, k.axes), k)),
    backward(k, dy, y, x) {
      const g = groups(x.s, k.axes), by = derivative(x, y.d, g, k);
      return [map(x, (v, i) => by(i) === 0 ? 0 : dy.d[g.of[i]] * by(i))];
    },
  };
}
const deviation = (x, g) => {
  const mean = sums(x, g).map(v => v / g.each);
  return map(x, (v, i) => v - mean[g.of[i]]);
};
const variance = (x, g, k) => {
  const c = deviation(x, g);
  return sums(times(c, c), g).map(v => v / (g.each - k.ddof));
};
ops.Sum = reduction((x, g) => sums(x, g), () => () => 1);
ops.Mean = reduction((x, g) => sums(x, g).map(v => v / g.each), (x, y, g) => () => 1 / g.each);
ops.Max = reduction(largest, (x, y, g) => { const at = first(x, y, g); return i => +(at[g.of[i]] === i); });
ops.Var = reduction(variance, (x, y, g, k) => {
  const c = deviation(x, g);
  return i => 2 * c.d[i] / (g.each - k.ddof);
});
ops.Std = reduction((x, g, k) => variance(x, g, k).map(Math.sqrt), (x, y, g, k) => {
  const c = deviation(x, g);
  return i => y[g.of[i]] === 0 ? 0 : c.d[i] / ((g.each - k.ddof) * y[g.of[i]]);
});
ops.LogSumExp = reduction((x, g) => {
  const top = largest(x, g), sum = sums(map(x, (v, i) => Math.exp(v - top[g.of[i]])), g);
  return sum.map((v, j) => Math.log(v) + top[j]);
}, (x, y, g) => i => Math.exp(x.d[i] - y[g.of[i]]));
ops.Norm = reduction((x, g, k) => {
  const top = largest(map(x, Math.abs), g).map(v => v || 1);
  return sums(map(x, (v, i) => (Math.abs(v) / top[g.of[i]]) ** k.p), g).map((v, j) => top[j] * v ** (1 / k.p));
}, (x, y, g, k) => i => Math.sign(x.d[i]) * (Math.abs(x.d[i]) / (y[g.of[i]] || 1)) ** (k.p - 1));
ops.Prod = reduction((x, g) => {
  const y = new Float64Array(g.count).fill(1);
  x.d.forEach((v, i) => { y[g.of[i]] *= v; });
  return y;
}, (x, y, g) => i => { // without dividing: exact where some are 0
  let d = 1;
  x.d.forEach((v, j) => { if (j !== i && g.of[j] === g.of[i]) d *= v; });
  return d;
});
ops.CumSum = {
  forward: (k, x) => cumulative(x, k.axes[0], false),
  backward: (k, dy) => [cumulative(dy, k.axes[0], true)],
};
function cumulative(x, axis, back) {
  const step = size(x.s.slice(axis + 1)), n = x.s[axis], y = copy(x);
  for (let j = 0; j < y.d.length; j++) {
    const i = back ? y.d.length - 1 - j : j, p = Math.floor(i / step) % n;
    if (back ? p < n - 1 : p > 0) y.d[i] += y.d[back ? i + step : i - step];
  }
  return y;
}

// Normalizations: x seen as k.view, mean and variance along k.axes of it; γ and β where k.copied.
ops.Normalize = {
  forward(k, x, gamma, beta) {
    const {hat, of} = standard(k, x);
    return map(hat, (v, i) => gamma.d[of[i]] * v + (beta ? beta.d[of[i]] : 0));
  },
  backward(k, dy, y, x, gamma, beta) {
    const {hat, of, g, r} = standard(k, x), d = map(dy, (v, i) => v * gamma.d[of[i]]);
    const dgamma = make(gamma.s), dbeta = make(gamma.s);
    dy.d.forEach((v, i) => { dgamma.d[of[i]] += v * hat.d[i]; dbeta.d[of[i]] += v; });
    const n = g.each, mean = sums(d, g), dot = sums(times(d, hat), g), fixed = k.kind === "running";
    const dx = map(d, (v, i) => {
      const j = g.of[i], m = k.kind === "rms" ? 0 : mean[j] / n;
      return r[j] * (fixed ? v : v - m - hat.d[i] * dot[j] / n);
    });
    return [dx, dgamma, ...(beta ? [dbeta] : [])];
  },
};
function standard(k, x) {
  const g = groups(k.view, k.axes), of = groups(x.s, k.copied).of, fixed = k.kind === "running";
  const mean = fixed ? k.mean.d : sums(x, g).map(v => k.kind === "rms" ? 0 : v / g.each);
  const c = map(x, (v, i) => v - mean[g.of[i]]);
  const r = (fixed ? k.variance.d : sums(times(c, c), g).map(v => v / g.each))
    .map(v => 1 / Math.sqrt(v + k.eps));
  return {hat: map(c, (v, i) => v * r[g.of[i]]), of, g, r};
}
