// Recurrent layers over time: x (N, T, D) → y (N, T, H), from a state of zeros.
// cell(a, before, k): the gates a become [state after…, kept]; back(da, a, kept, before, d, k).
function overTime(cell, back) {
  const at = (x, t) => { // step t of (N, T, D), as (N, D)
    const [N, T, D] = x.s, y = make([N, D]);
    for (let n = 0; n < N; n++) y.d.set(x.d.subarray((n * T + t) * D, (n * T + t + 1) * D), n * D);
    return y;
  };
  const put = (y, t, v) => {
    const [N, T, D] = y.s;
    for (let n = 0; n < N; n++) y.d.set(v.d.subarray(n * D, n * D + D), (n * T + t) * D);
  };
  function run(k, x, Wx, Wh, b) {
    const [N, T] = x.s, H = Wh.s[0], steps = [];
    let state = Array.from({length: k.states}, () => make([N, H]));
    for (let t = 0; t < T; t++) {
      const a = plus(withRow(product(at(x, t), Wx), b), product(state[0], Wh));
      const before = state, {after, gates, kept} = cell(a, before, H);
      steps.push({before, gates, kept});
      state = after;
    }
    return {steps, state};
  }
  return {
    forward(k, x, Wx, Wh, b) {
      const {steps, state} = run(k, x, Wx, Wh, b), y = make([x.s[0], x.s[1], Wh.s[0]]);
      steps.forEach((s, t) => put(y, t, t + 1 < steps.length ? steps[t + 1].before[0] : state[0]));
      return y;
    },
    backward(k, dy, y, x, Wx, Wh, b) {
      const {steps} = run(k, x, Wx, Wh, b), N = x.s[0], H = Wh.s[0], dx = make(x.s);
      let d = Array.from({length: k.states}, () => make([N, H]));
      let dWx = make(Wx.s), dWh = make(Wh.s), db = make(b.s);
      for (let t = steps.length - 1; t >= 0; t--) {
        const {before, gates, kept} = steps[t];
        const {da, others} = back([plus(d[0], at(dy, t)), ...d.slice(1)], gates, kept, before, H);
        d = [product(da, Wh, true), ...others];
        dWx = plus(dWx, outer(at(x, t), da));
        dWh = plus(dWh, outer(before[0], da));
        db = plus(db, columns(da));
        put(dx, t, product(da, Wx, true));
      }
      return [dx, dWx, dWh, db];
    },
  };
}
ops.RNN = overTime(a => { const h = map(a, Math.tanh); return {after: [h], gates: h}; },
  ([dh], h) => ({da: map(dh, (v, i) => v * (1 - h.d[i] ** 2)), others: []}));

// The columns of LSTM: f, g, i, o.
const block = (a, j, H) => make([a.s[0], H], Float64Array.from({length: a.s[0] * H},
  (_, i) => a.d[Math.floor(i / H) * a.s[1] + j * H + i % H]));
ops.LSTM = overTime((a, [, c], H) => {
  const gates = map(a, (v, i) => Math.floor(i % (4 * H) / H) === 1 ? Math.tanh(v) : sigmoid(v));
  const [f, g, i, o] = [0, 1, 2, 3].map(j => block(gates, j, H));
  const next = plus(times(f, c), times(i, g)), s = map(next, Math.tanh);
  return {after: [times(o, s), next], gates, kept: s};
}, ([dh, dc], gates, s, [, c], H) => {
  const [f, g, i, o] = [0, 1, 2, 3].map(j => block(gates, j, H));
  const ds = map(dc, (v, n) => v + dh.d[n] * o.d[n] * (1 - s.d[n] ** 2));
  const parts = [
    map(ds, (v, n) => v * c.d[n] * f.d[n] * (1 - f.d[n])),
    map(ds, (v, n) => v * i.d[n] * (1 - g.d[n] ** 2)),
    map(ds, (v, n) => v * g.d[n] * i.d[n] * (1 - i.d[n])),
    map(dh, (v, n) => v * s.d[n] * o.d[n] * (1 - o.d[n]))];
  const da = map(gates, (v, n) => {
    const column = n % (4 * H);
    return parts[Math.floor(column / H)].d[Math.floor(n / (4 * H)) * H + column % H];
  });
  return {da, others: [times(ds, f)]};
});
