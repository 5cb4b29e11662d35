// Windows on images: k = {sizes, outputs, kernel, stride, dilation, pad (before)} for each axis.
function windows(k) {
  if (k.cells) return k.cells;
  const image = size(k.sizes), count = size(k.outputs);
  k.cells = [];
  for (let cell = 0; cell < size(k.kernel); cell++) {
    const at = indexOf(cell, k.kernel), pixels = [], outputs = [];
    for (let o = 0; o < count; o++) {
      const p = indexOf(o, k.outputs).map((v, a) => v * k.stride[a] + at[a] * k.dilation[a] - k.pad[a]);
      if (p.every((v, a) => v >= 0 && v < k.sizes[a])) {
        pixels.push(flatOf(p, k.sizes));
        outputs.push(o);
      }
    }
    k.cells.push({pixels, outputs});
  }
  Object.assign(k, {image, count});
  return k.cells;
}
/** visit(weight, pixel, output, count): each use of a weight, first numbers, steps by k's cells. */
function uses(k, N, C, F, visit) {
  const cells = windows(k), G = k.groups, c = C / G, f = F / G;
  for (let n = 0; n < N; n++)
    for (let o = 0; o < F; o++)
      for (let i = 0; i < c; i++)
        for (let cell = 0; cell < cells.length; cell++)
          visit((o * c + i) * cells.length + cell, (n * C + Math.floor(o / f) * c + i) * k.image,
            (n * F + o) * k.count, cells[cell]);
}
function correlate(k, x, W, F) {
  const y = make([x.s[0], F, ...k.outputs]);
  uses(k, x.s[0], x.s[1], F, (w, p, o, cell) => {
    for (let j = 0; j < cell.pixels.length; j++)
      y.d[o + cell.outputs[j]] += W.d[w] * x.d[p + cell.pixels[j]];
  });
  return y;
}
function toImage(k, dy, W, C) {
  const dx = make([dy.s[0], C, ...k.sizes]);
  uses(k, dy.s[0], C, dy.s[1], (w, p, o, cell) => {
    for (let j = 0; j < cell.pixels.length; j++)
      dx.d[p + cell.pixels[j]] += W.d[w] * dy.d[o + cell.outputs[j]];
  });
  return dx;
}
function toWeights(k, x, dy, W) {
  const dW = make(W.s);
  uses(k, x.s[0], x.s[1], dy.s[1], (w, p, o, cell) => {
    let sum = 0;
    for (let j = 0; j < cell.pixels.length; j++)
      sum += x.d[p + cell.pixels[j]] * dy.d[o + cell.outputs[j]];
    dW.d[w] += sum;
  });
  return dW;
}
const channel = (a, i) => Math.floor(i / size(a.s.slice(2))) % a.s[1];
const withChannel = (y, b) => b ? map(y, (v, i) => v + b.d[channel(y, i)]) : y;
function channelSum(dy) {
  const db = make([dy.s[1]]);
  dy.d.forEach((v, i) => { db.d[channel(dy, i)] += v; });
  return db;
}
ops.Convolution = {
  forward: (k, x, W, b) => withChannel(correlate(k, x, W, W.s[0]), b),
  backward: (k, dy, y, x, W, b) =>
    [toImage(k, dy, W, x.s[1]), toWeights(k, x, dy, W), ...(b ? [channelSum(dy)] : [])],
  terms(i, k, x, W, b) { // pairs of numbers, and where each stands
    const [n, f, ...o] = indexOf(i, [x.s[0], W.s[0], ...k.outputs]), at = flatOf(o, k.outputs);
    const pairs = [], c = W.s[1], from = Math.floor(f / (W.s[0] / k.groups)) * c;
    windows(k).forEach((cell, j) => {
      const found = cell.outputs.indexOf(at);
      for (let q = 0; found >= 0 && q < c; q++) {
        const p = (n * x.s[1] + from + q) * k.image + cell.pixels[found];
        const w = (f * c + q) * k.cells.length + j;
        pairs.push([x.d[p], W.d[w], p, w]);
      }
    });
    return {text: `W[${f}] · the window of x at ${o.join(", ")}`, pairs, more: b && b.d[f]};
  },
};
ops.TransposedConvolution = {
  forward: (k, x, W, b) => withChannel(toImage(k, x, W, W.s[1] * k.groups), b),
  backward: (k, dy, y, x, W, b) =>
    [correlate(k, dy, W, x.s[1]), toWeights(k, dy, x, W), ...(b ? [channelSum(dy)] : [])],
};
/** Where the first maximum of each window stands. */
function maxima(k, x) {
  const cells = windows(k), planes = x.s[0] * x.s[1], y = make([x.s[0], x.s[1], ...k.outputs]);
  const where = new Int32Array(y.d.length).fill(-1);
  for (let n = 0; n < planes; n++)
    for (const cell of cells)
      for (let j = 0; j < cell.pixels.length; j++) {
        const o = n * k.count + cell.outputs[j], p = n * k.image + cell.pixels[j];
        if (where[o] < 0 || x.d[p] > y.d[o]) { where[o] = p; y.d[o] = x.d[p]; }
        else if (x.d[p] !== x.d[p] && y.d[o] === y.d[o]) { where[o] = p; y.d[o] = NaN; }
      }
  return {y, where};
}
ops.MaxPooling = {
  forward: (k, x) => maxima(k, x).y,
  backward(k, dy, y, x) {
    const dx = make(x.s);
    maxima(k, x).where.forEach((p, o) => { dx.d[p] += dy.d[o]; });
    return [dx];
  },
};
ops.AveragePooling = {
  forward(k, x) {
    const y = make([x.s[0], x.s[1], ...k.outputs]);
    pooled(k, x, (p, o, j) => { y.d[o] += x.d[p] * k.share.d[j]; });
    return y;
  },
  backward(k, dy, y, x) {
    const dx = make(x.s);
    pooled(k, x, (p, o, j) => { dx.d[p] += dy.d[o] * k.share.d[j]; });
    return [dx];
  },
};
function pooled(k, x, visit) {
  const cells = windows(k);
  for (let n = 0; n < x.s[0] * x.s[1]; n++)
    for (const cell of cells)
      for (let j = 0; j < cell.pixels.length; j++)
        visit(n * k.image + cell.pixels[j], n * k.count + cell.outputs[j], cell.outputs[j]);
}
