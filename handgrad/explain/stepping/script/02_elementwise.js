// Arithmetic of layers. ops.Name = {forward(k, …args) → y, backward(k, dy, y, …args) → gradients},
// args being the inputs and then the parameters, k the layer's options. Of one number each:
// unary.Name = [(x, k) → y, (x, y, k) → dy/dx, the derivative in words], binary.Name likewise.
const ops = {}, unary = {}, binary = {};

const sigmoid = x => x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
const softplus = x => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const clip = (x, low, high) => x < low ? low : x > high ? high : x;
const TAIL = [
  -3.815816262632953e-10, -2.8220772290629865e-10, 4.4011596227599254e-09, 3.627373163401201e-09,
  -3.095201755804207e-08, -2.6286205089898754e-08, 1.9627809920091187e-07, 1.27878221820937e-07,
  -1.3074486019237587e-06, -7.034644683537101e-08, 9.05982468125664e-06, -9.896097759279782e-06,
  -5.36075811148722e-05, 0.00018233414511643843, 7.791597409338999e-06, -0.00167607234455447,
  0.006522000667783896, -0.015170415402514863, 0.024536963243678652, -0.026401042966308307,
  0.010002352385229382, 0.031030368425963708, -0.09155228183400904, 0.46151582985003775,
]; // as cdf_and_pdf of handgrad/layers/elementwise/error_function.py
const density = x => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
function normal(x) {
  const z = Math.min(Math.abs(x), 40), t = (z - 5) / (z + 5);
  const tail = TAIL.reduce((sum, c) => sum * t + c, 0) * Math.exp(-0.5 * z * z) / (1 + z);
  return x > 0 ? 1 - tail : x <= 0 ? tail : NaN;
}
function erf(x) {
  if (!(Math.abs(x) < 0.5)) return 2 * normal(x * Math.SQRT2) - 1;
  let term = x, sum = 0;
  for (let n = 0; n < 20; n++) { sum += term / (2 * n + 1); term *= -x * x / (n + 1); }
  return 2 / Math.sqrt(Math.PI) * sum;
}
const gate = x => { // GELU's tanh form: [Φ, its derivative]
  const c = clip(x, -10, 10), k = Math.sqrt(2 / Math.PI), t = Math.tanh(k * (c + 0.044715 * c ** 3));
  return [0.5 * (1 + t), 0.5 * (1 - t * t) * k * (1 + 3 * 0.044715 * c * c)];
};

unary.Neg = [x => -x, () => -1, "−1"];
unary.Sqrt = [Math.sqrt, (x, y) => 1 / (2 * y), "1 / (2·y)"];
unary.Exp = [Math.exp, (x, y) => y, "y"];
unary.Expm1 = [Math.expm1, (x, y) => y + 1, "y + 1"];
unary.Log = [Math.log, x => 1 / x, "1 / x"];
unary.Log1p = [Math.log1p, x => 1 / (1 + x), "1 / (1 + x)"];
unary.Sin = [Math.sin, x => Math.cos(x), "cos x"];
unary.Cos = [Math.cos, x => -Math.sin(x), "−sin x"];
unary.Tan = [Math.tan, (x, y) => 1 + y * y, "1 + y²"];
unary.Arcsin = [Math.asin, x => 1 / Math.sqrt(1 - x * x), "1 / √(1 − x²)"];
unary.Arccos = [Math.acos, x => -1 / Math.sqrt(1 - x * x), "−1 / √(1 − x²)"];
unary.Arctan = [Math.atan, x => 1 / (1 + x * x), "1 / (1 + x²)"];
unary.Sinh = [Math.sinh, x => Math.cosh(x), "cosh x"];
unary.Cosh = [Math.cosh, x => Math.sinh(x), "sinh x"];
unary.Arcsinh = [Math.asinh, x => 1 / Math.hypot(1, x), "1 / √(1 + x²)"];
unary.Arccosh = [Math.acosh, x => 1 / Math.sqrt(x * x - 1), "1 / √(x² − 1)"];
unary.Arctanh = [Math.atanh, x => 1 / (1 - x * x), "1 / (1 − x²)"];
unary.Erf = [erf, x => 2 / Math.sqrt(Math.PI) * Math.exp(-x * x), "2/√π · exp(−x²)"];
unary.Abs = [Math.abs, x => Math.sign(x), "sign x"];
unary.Clip = [
  (x, k) => clip(x, k.low ?? -Infinity, k.high ?? Infinity),
  (x, y, k) => +(x >= (k.low ?? -Infinity) && x <= (k.high ?? Infinity)), "1 inside, else 0"];
unary.Step = [x => +(x > 0), () => 0, "0"];
unary.Sigmoid = [sigmoid, (x, y) => y * (1 - y), "y · (1 − y)"];
unary.Tanh = [Math.tanh, (x, y) => 1 - y * y, "1 − y²"];
unary.Softsign = [x => x / (1 + Math.abs(x)), x => (1 + Math.abs(x)) ** -2, "1 / (1 + |x|)²"];
unary.HardSigmoid = [
  x => clip(x / 6 + 0.5, 0, 1), (x, y) => y > 0 && y < 1 ? 1 / 6 : 0, "1/6 inside, else 0"];
unary.ReLU = [x => Math.max(x, 0), (x, y) => +(y > 0), "1 where x > 0, else 0"];
unary.ReLU6 = [x => clip(x, 0, 6), (x, y) => +(y > 0 && y < 6), "1 where 0 < x < 6, else 0"];
unary.LeakyReLU = [
  (x, k) => x > 0 ? x : k.alpha * x, (x, y, k) => x > 0 ? 1 : k.alpha, "1 where x > 0, else alpha"];
unary.ELU = [
  (x, k) => x > 0 ? x : k.alpha * Math.expm1(x),
  (x, y, k) => x > 0 ? 1 : k.alpha * Math.exp(x), "1 where x > 0, else α·eˣ"];
unary.SELU = [
  (x, k) => k.scale * (x > 0 ? x : k.alpha * Math.expm1(x)),
  (x, y, k) => k.scale * (x > 0 ? 1 : k.alpha * Math.exp(x)), "λ where x > 0, else λ·α·eˣ"];
unary.CELU = [
  (x, k) => x > 0 ? x : k.alpha * Math.expm1(x / k.alpha),
  (x, y, k) => x > 0 ? 1 : Math.exp(x / k.alpha), "1 where x > 0, else exp(x / α)"];
unary.Softplus = [softplus, sigmoid, "σ(x)"];
unary.SiLU = [
  x => x * sigmoid(x), x => sigmoid(x) * (1 + x * (1 - sigmoid(x))), "s + x·s·(1 − s), s = σ(x)"];
unary.GELU = [
  (x, k) => x * (k.approximate === "tanh" ? gate(x)[0] : normal(x)),
  (x, y, k) => {
    const [p, d] = k.approximate === "tanh" ? gate(x) : [normal(x), density(x)];
    return p + x * d;
  }, "Φ + x·Φ′"];
unary.Mish = [
  x => x * Math.tanh(softplus(x)),
  x => { const t = Math.tanh(softplus(x)); return t + x * (1 - t * t) * sigmoid(x); },
  "t + x·(1 − t²)·σ(x)"];
unary.HardSwish = [
  x => x * clip(x / 6 + 0.5, 0, 1),
  x => { const h = clip(x / 6 + 0.5, 0, 1); return h + (h > 0 && h < 1 ? x / 6 : 0); },
  "h + x/6 inside, else h"];

binary.Add = [(a, b) => a + b, () => [1, 1], ["1", "1"]];
binary.Sub = [(a, b) => a - b, () => [1, -1], ["1", "−1"]];
binary.Mul = [(a, b) => a * b, (a, b) => [b, a], ["b", "a"]];
binary.Div = [(a, b) => a / b, (a, b, y) => [1 / b, -y / b], ["1 / b", "−y / b"]];
binary.Pow = [
  (a, b) => a ** b,
  (a, b, y) => [b * (b === 0 ? 1 : a) ** (b - 1), a > 0 ? y * Math.log(a) : 0],
  ["p · x^(p−1)", "y · ln x"]];
binary.Maximum = [
  (a, b) => a !== a || b !== b ? NaN : Math.max(a, b), (a, b) => a >= b ? [1, 0] : [0, 1],
  ["1 for the larger, else 0", "1 for the larger, else 0"]];
binary.Minimum = [
  (a, b) => a !== a || b !== b ? NaN : Math.min(a, b), (a, b) => a <= b ? [1, 0] : [0, 1],
  ["1 for the smaller, else 0", "1 for the smaller, else 0"]];

for (const [name, [f, d, text]] of Object.entries(unary))
  ops[name] = {
    forward: (k, x) => map(x, v => f(v, k)),
    backward: (k, dy, y, x) => [map(dy, (v, i) => v * d(x.d[i], y.d[i], k))],
    words: [text], each: true,
  };
for (const [name, [f, d, words]] of Object.entries(binary))
  ops[name] = {
    forward: (k, a, b) => map(a, (v, i) => f(v, b.d[i])),
    backward: (k, dy, y, a, b) =>
      [0, 1].map(j => map(dy, (v, i) => v * d(a.d[i], b.d[i], y.d[i])[j])),
    words, each: true,
  };

ops.Where = {
  forward: (k, c, a, b) => map(c, (v, i) => v ? a.d[i] : b.d[i]),
  backward: (k, dy, y, c) => [null, map(dy, (v, i) => c.d[i] ? v : 0), map(dy, (v, i) => c.d[i] ? 0 : v)],
  each: true,
};
ops.PReLU = {
  forward: (k, x, a) => map(x, (v, i) => v > 0 ? v : a.d[shared(k, x.s, i)] * v),
  backward(k, dy, y, x, a) {
    const da = make(a.s);
    x.d.forEach((v, i) => { if (!(v > 0)) da.d[shared(k, x.s, i)] += dy.d[i] * v; });
    return [map(dy, (v, i) => x.d[i] > 0 ? v : a.d[shared(k, x.s, i)] * v), da];
  },
};
const shared = (k, s, i) => k.per_channel ? Math.floor(i / size(s.slice(2))) % s[1] : 0;
