// Losses of one term for each element: [term(y, t, k), its derivative with respect to y, in words].
const elementwise = {};
elementwise.MeanSquaredError = [(y, t) => (y - t) ** 2, (y, t) => 2 * (y - t), "2·(y − t)"];
elementwise.SumSquaredError = [(y, t) => (y - t) ** 2 / 2, (y, t) => y - t, "y − t"];
elementwise.MeanAbsoluteError = [
  (y, t) => Math.abs(y - t), (y, t) => Math.sign(y - t), "sign(y − t)"];
elementwise.Huber = [
  (y, t, k) => { const c = clip(y - t, -k.delta, k.delta); return c * (y - t - c / 2); },
  (y, t, k) => clip(y - t, -k.delta, k.delta), "y − t, cut to ±δ"];
elementwise.SigmoidCrossEntropy = [
  (y, t) => softplus(y) - y * t, (y, t) => sigmoid(y) - t, "σ(y) − t"];
elementwise.BinaryCrossEntropy = [
  (y, t) => { const p = cut(y); return -t * Math.log(p) - (1 - t) * Math.log1p(-p); },
  (y, t) => { const p = cut(y); return (p - t) / (p * (1 - p)); }, "(y − t) / (y·(1 − y))"];
elementwise.Hinge = [
  (y, t) => Math.max(1 - t * y, 0), (y, t) => t * y < 1 ? -t : 0, "−t where t·y < 1, else 0"];
const cut = y => clip(y, Number.EPSILON, 1 - Number.EPSILON);

const divisor = (k, sum, count) => k.normalizer === null ? sum : count * k.normalizer;
for (const [name, [term, derivative, text]] of Object.entries(elementwise)) {
  const shares = (k, y, weights) => {
    const N = y.s.length ? y.s[0] : 1, each = y.d.length / N, w = weights ? total(weights) : N;
    const D = name === "SumSquaredError" ? 1 : divisor(k, w * each, y.d.length);
    return i => (weights ? weights.d[Math.floor(i / each)] : 1) / D;
  };
  ops[name] = {
    forward(k, y, t, weights) {
      const share = shares(k, y, weights);
      return make([], Float64Array.of(total(map(y, (v, i) => term(v, t.d[i], k) * share(i)))));
    },
    backward(k, dloss, loss, y, t, weights) {
      const share = shares(k, y, weights);
      return [map(y, (v, i) => derivative(v, t.d[i], k) * share(i) * dloss.d[0]), null, null];
    },
    terms(_, k, y, t, weights) {
      const share = shares(k, y, weights);
      return {text: "term · share", pairs: [...y.d].map((v, i) => [term(v, t.d[i], k), share(i), i, i])};
    },
    local: (i, k, y, t, weights) => `(${text}) · ${say(shares(k, y, weights)(i))} with y = ` +
      `${say(y.d[i])}, t = ${say(t.d[i])}`,
  };
}

/** The shares m of samples and classes, and p and ln p of scores y (N, …, C). */
function classShares(k, y, t, weights) {
  const C = y.s[y.s.length - 1], N = y.d.length / C, labels = t.s.length < y.s.length;
  const m = make(y.s), each = N / y.s[0], eps = k.label_smoothing || 0;
  let sum = 0, counted = 0;
  for (let n = 0; n < N; n++) {
    const w = weights ? weights.d[Math.floor(n / each)] : 1;
    if (labels && t.d[n] === k.ignore_index) continue;
    counted++;
    for (let c = 0; c < C; c++) {
      const q = labels ? +(t.d[n] === c) : t.d[n * C + c], v = w * (k.v ? k.v.d[c] : 1);
      sum += v * q;
      m.d[n * C + c] = v * ((1 - eps) * q + eps / C);
    }
  }
  return scaled(m, 1 / divisor(k, sum, counted));
}
ops.SoftmaxCrossEntropy = {
  forward(k, y, t, weights) {
    const m = classShares(k, y, t, weights), logs = ops.LogSoftmax.forward({axes: [y.s.length - 1]}, y);
    return make([], Float64Array.of(total(map(m, (v, i) => v === 0 ? 0 : -v * logs.d[i]))));
  },
  backward(k, dloss, loss, y, t, weights) {
    const m = classShares(k, y, t, weights), axes = [y.s.length - 1], g = groups(y.s, axes);
    const p = ops.Softmax.forward({axes}, y), sum = sums(m, g);
    return [map(p, (v, i) => dloss.d[0] * (v * sum[g.of[i]] - m.d[i])), null, null];
  },
  terms(_, k, y, t, weights) {
    const m = classShares(k, y, t, weights), C = y.s[y.s.length - 1];
    const logs = ops.LogSoftmax.forward({axes: [y.s.length - 1]}, y), pairs = [];
    const label = i => t.s.length < y.s.length ? Math.floor(i / C) : i;
    m.d.forEach((v, i) => { if (v) pairs.push([v, -logs.d[i], i, label(i)]); });
    return {text: "m · (−ln p)", pairs};
  },
  local(i, k, y, t, weights) {
    const m = classShares(k, y, t, weights), axes = [y.s.length - 1], g = groups(y.s, axes);
    const p = ops.Softmax.forward({axes}, y), sum = sums(m, g)[g.of[i]];
    return `p · ${say(sum)} − m = ${say(p.d[i])} · ${say(sum)} − ${say(m.d[i])}, ` +
      "p the softmax, m the share of the right class";
  },
};
ops.NegativeLogLikelihood = {
  forward: (k, y, t, w) => make([], Float64Array.of(-total(times(classShares(k, y, t, w), y)))),
  backward: (k, dloss, loss, y, t, w) => [scaled(classShares(k, y, t, w), -dloss.d[0]), null, null],
};
