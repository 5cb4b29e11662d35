// An array is {s: its shape, d: its elements, a Float64Array in C order}.
const size = s => s.reduce((a, b) => a * b, 1);
const make = (s, d) => ({s, d: d || new Float64Array(size(s))});

function map(a, f) {
  const y = make(a.s);
  for (let i = 0; i < y.d.length; i++) y.d[i] = f(a.d[i], i);
  return y;
}
const copy = a => make(a.s, a.d.slice());
const plus = (a, b) => map(a, (v, i) => v + b.d[i]);
const times = (a, b) => map(a, (v, i) => v * b.d[i]);
const scaled = (a, c) => map(a, v => v * c);
const total = a => a.d.reduce((sum, v) => sum + v, 0);

/** The index of each axis, of element i of an array of shape s. */
function indexOf(i, s) {
  const index = new Array(s.length);
  for (let a = s.length - 1; a >= 0; a--) { index[a] = i % s[a]; i = Math.floor(i / s[a]); }
  return index;
}
const flatOf = (index, s) => index.reduce((i, v, a) => i * s[a] + v, 0);

/** For each element the group that it is in, all that differ along `axes` alone being one. */
function groups(s, axes) {
  const kept = s.map((n, a) => axes.includes(a) ? 1 : n), count = size(kept);
  const of = new Int32Array(size(s)), index = new Array(s.length).fill(0);
  for (let i = 0; i < of.length; i++) {
    let g = 0;
    for (let a = 0; a < s.length; a++) g = g * kept[a] + (kept[a] > 1 ? index[a] : 0);
    of[i] = g;
    for (let a = s.length - 1; a >= 0 && ++index[a] === s[a]; a--) index[a] = 0;
  }
  return {of, count, each: of.length / Math.max(count, 1)};
}
function sums(a, g) {
  const y = new Float64Array(g.count);
  for (let i = 0; i < a.d.length; i++) y[g.of[i]] += a.d[i];
  return y;
}

/** y += a @ b for n×k and k×m blocks that begin at these elements; `ta`, `tb`: transposed. */
function multiply(y, a, b, n, k, m, y0 = 0, a0 = 0, b0 = 0, ta = false, tb = false) {
  for (let i = 0; i < n; i++)
    for (let j = 0; j < k; j++) {
      const v = a[a0 + (ta ? j * n + i : i * k + j)];
      if (v === 0 && !tb) { // 0 · inf is NaN, as in NumPy
        for (let c = 0; c < m; c++) y[y0 + i * m + c] += 0 * b[b0 + j * m + c];
      } else
        for (let c = 0; c < m; c++) y[y0 + i * m + c] += v * b[b0 + (tb ? c * k + j : j * m + c)];
    }
  return y;
}
/** x (…, D) @ W (D, M). */
function product(x, W, transposed = false) {
  const [D, M] = transposed ? [W.s[1], W.s[0]] : W.s, y = make([...x.s.slice(0, -1), M]);
  multiply(y.d, x.d, W.d, y.d.length / M, D, M, 0, 0, 0, false, transposed);
  return y;
}
/** xᵀ @ dy, all axes but the last made one. */
function outer(x, dy) {
  const D = x.s[x.s.length - 1], M = dy.s[dy.s.length - 1], y = make([D, M]);
  multiply(y.d, x.d, dy.d, D, x.d.length / D, M, 0, 0, 0, true);
  return y;
}
/** Sums over all axes but the last. */
function columns(dy) {
  const M = dy.s[dy.s.length - 1], y = make([M]);
  for (let i = 0; i < dy.d.length; i++) y.d[i % M] += dy.d[i];
  return y;
}
/** y + b, b one number for each element of the last axis. */
const withRow = (y, b) => b ? map(y, (v, i) => v + b.d[i % b.d.length]) : y;
