// Recurrent layers. A cell is one step: step(a, state, p, k) → {after: the state that follows, …},
// with a = x @ Wx + b and p = {Wh, bh}; back(d, state, step, p, k) → {da, before, dWh, dbh}, where
// d is the gradient of `after` and `before` that of `state`.
const block = (a, j, H) => make([a.s[0], H], Float64Array.from({length: a.s[0] * H},
  (_, i) => a.d[Math.floor(i / H) * a.s[1] + j * H + i % H]));
function beside(parts) {
  const [N, H] = parts[0].s, y = make([N, parts.length * H]);
  parts.forEach((part, j) => part.d.forEach((v, i) => {
    y.d[Math.floor(i / H) * y.s[1] + j * H + i % H] = v;
  }));
  return y;
}
const falls = y => map(y, v => v * (1 - v)); // the sigmoid's derivative, of what it gave
const cells = {
  RNN: {
    step: (a, [h], {Wh}) => ({after: [map(plus(a, product(h, Wh)), Math.tanh)]}),
    back(d, [h], {after}, {Wh}) {
      const da = map(d[0], (v, i) => v * (1 - after[0].d[i] ** 2));
      return {da, before: [product(da, Wh, true)], dWh: outer(h, da)};
    },
  },
  LSTM: { // the blocks f, g, i, o
    step(a, [h, c], {Wh}) {
      const H = h.s[1], all = plus(a, product(h, Wh));
      const [f, g, i, o] = [0, 1, 2, 3].map(j => map(block(all, j, H), j === 1 ? Math.tanh : sigmoid));
      const next = plus(times(f, c), times(i, g)), s = map(next, Math.tanh);
      return {after: [times(o, s), next], f, g, i, o, s};
    },
    back([dh, dc], [h, c], {f, g, i, o, s}, {Wh}) {
      const ds = map(dc, (v, n) => v + dh.d[n] * o.d[n] * (1 - s.d[n] ** 2));
      const da = beside([times(times(ds, c), falls(f)),
        map(ds, (v, n) => v * i.d[n] * (1 - g.d[n] ** 2)),
        times(times(ds, g), falls(i)), times(times(dh, s), falls(o))]);
      return {da, before: [product(da, Wh, true), times(ds, f)], dWh: outer(h, da)};
    },
  },
  GRU: { // the blocks z, r, n; the third block of Wh after the reset, or before it
    step(a, [h], {Wh, bh}, k) {
      const H = h.s[1], [Wz, Wr, Wn] = [0, 1, 2].map(j => block(Wh, j, H));
      const [z, r] = [Wz, Wr].map((W, j) => map(plus(block(a, j, H), product(h, W)), sigmoid));
      const late = k.reset === "after", q = late ? withRow(product(h, Wn), bh) : times(r, h);
      const n = map(plus(block(a, 2, H), late ? times(r, q) : product(q, Wn)), Math.tanh);
      return {after: [map(n, (v, i) => v + z.d[i] * (h.d[i] - v))], z, r, n, q, Wz, Wr, Wn};
    },
    back([dh], [h], {z, r, n, q, Wz, Wr, Wn}, p, k) {
      const dn = map(dh, (v, i) => v * (1 - z.d[i]) * (1 - n.d[i] ** 2)), late = k.reset === "after";
      const dq = late ? times(dn, r) : product(dn, Wn, true);
      const dr = late ? times(dn, q) : times(dq, h), u = late ? product(dq, Wn, true) : times(dq, r);
      const az = times(map(dh, (v, i) => v * (h.d[i] - n.d[i])), falls(z)), ar = times(dr, falls(r));
      const back = [product(az, Wz, true), product(ar, Wr, true), times(dh, z)].reduce(plus, u);
      const dWn = late ? outer(h, dq) : outer(q, dn);
      return {da: beside([az, ar, dn]), before: [back],
        dWh: beside([outer(h, az), outer(h, ar), dWn]), dbh: late ? columns(dq) : undefined};
    },
  },
};

/** One step by itself: x (N, D) and the state → the state that follows. */
const single = cell => ({
  forward(k, x, ...rest) {
    const state = rest.slice(0, k.states), [Wx, Wh, b, bh] = rest.slice(k.states);
    const {after} = cell.step(withRow(product(x, Wx), b), state, {Wh, bh}, k);
    return after.length === 1 ? after[0] : after;
  },
  backward(k, dy, y, x, ...rest) {
    const state = rest.slice(0, k.states), [Wx, Wh, b, bh] = rest.slice(k.states);
    const step = cell.step(withRow(product(x, Wx), b), state, {Wh, bh}, k);
    const {da, before, dWh, dbh} = cell.back([dy].flat(), state, step, {Wh, bh}, k);
    return [product(da, Wx, true), ...before, outer(x, da), dWh, columns(da), ...(bh ? [dbh] : [])];
  },
});

/** All steps of x (N, T, D), with a mask (N, T) and a first state, if they are given. */
function overTime(cell) {
  const at = (x, t) => { // step t of (N, T, D), as (N, D)
    const [N, T, D] = x.s, y = make([N, D]);
    for (let n = 0; n < N; n++) y.d.set(x.d.subarray((n * T + t) * D, (n * T + t + 1) * D), n * D);
    return y;
  };
  const put = (y, t, v) => {
    const [N, T, D] = y.s;
    for (let n = 0; n < N; n++) y.d.set(v.d.subarray(n * D, n * D + D), (n * T + t) * D);
  };
  const where = (mask, t, a, b) => mask ? map(a, (v, i) =>
    mask.d[Math.floor(i / a.s[1]) * mask.s[1] + t] ? v : b ? b.d[i] : 0) : a;
  function run(k, args) {
    const [x, mask, ...given] = args.slice(0, k.inputs), [Wx, Wh, b, bh] = args.slice(k.inputs);
    const zeros = () => make([x.s[0], Wh.s[0]]), steps = [], y = make([x.s[0], x.s[1], Wh.s[0]]);
    let state = given.length ? given : Array.from({length: k.states}, zeros);
    for (let t = 0; t < x.s[1]; t++) {
      const step = cell.step(withRow(product(at(x, t), Wx), b), state, {Wh, bh}, k);
      steps.push({...step, state});
      state = step.after.map((v, j) => where(mask, t, v, state[j]));
      put(y, t, state[0]);
    }
    return {x, mask, given, Wx, Wh, b, bh, zeros, steps, y, state};
  }
  return {
    forward(k, ...args) {
      const {y, state} = run(k, args);
      return k.returns ? [y, ...state] : y;
    },
    backward(k, dy, y, ...args) {
      const {x, mask, given, Wx, Wh, b, bh, zeros, steps} = run(k, args), dx = make(x.s);
      const [dys, ...last] = [dy].flat(), sum = [make(Wx.s), make(Wh.s), make(b.s), bh && make(bh.s)];
      let d = last.length ? last : Array.from({length: k.states}, zeros);
      for (let t = steps.length - 1; t >= 0; t--) {
        const now = [plus(d[0], at(dys, t)), ...d.slice(1)];
        const through = now.map(v => where(mask, t, v)), {state} = steps[t];
        const {da, before, dWh, dbh} = cell.back(through, state, steps[t], {Wh, bh}, k);
        d = before.map((v, j) => where(mask, t, v, now[j]));
        [outer(at(x, t), da), dWh, columns(da), dbh].forEach((g, j) => {
          if (g) sum[j] = plus(sum[j], g);
        });
        put(dx, t, product(da, Wx, true));
      }
      return [dx, ...(k.inputs > 1 ? [null] : []), ...(given.length ? d : []), ...sum.filter(Boolean)];
    },
  };
}
ops.RNN = overTime(cells.RNN);
ops.LSTM = overTime(cells.LSTM);
ops.GRU = overTime(cells.GRU);
ops.RNNCell = single(cells.RNN);
ops.LSTMCell = single(cells.LSTM);
ops.GRUCell = single(cells.GRU);
