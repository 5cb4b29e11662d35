// Functions of one number with their derivatives: activations, and what needs x for its derivative.
#pragma once
#include "activation.h"

namespace hg::HG_ISA {

// line: a x + b
HG_ENUM(Op, HG_ACTIVATIONS, line, step, silu, gelu, gelu_tanh, hard_swish, mish, exp, expm1, log, log1p, sqrt, square,
        abs, erf)

struct Point { vec y, derivative; };

inline Point silu(vec x) {
  vec s = sigmoid(x), y = x * s;
  return {y, fma(y, set1(1) - s, s)};
}

inline Point gelu(vec x) {
  Normal n = normal(x);
  return {x * n.below, fma(x, n.density, n.below)};
}

// Φ ≈ ½ (1 + tanh u), u = √(2/π) (x + 0.044715 x³), constant beyond ±10.
inline Point gelu_tanh(vec x) {
  constexpr float k = 0.797884561f, c = 0.044715f;
  vec z = clamp(x, -10, 10), square = z * z;
  vec t = tanh(set1(k) * fma(set1(c) * square, z, z));
  vec below = fma(set1(0.5f), t, set1(0.5f));
  vec density = set1(0.5f * k) * fnma(t, t, set1(1)) * fma(set1(3 * c), square, set1(1));
  return {x * below, fma(x, density, below)};
}

inline Point hard_swish(vec x) {
  vec sixth = x / set1(6), h = clamp(sixth + set1(0.5f), 0, 1), none = set1(0);
  return {x * h, h + lt(none, h, lt(h, set1(1), sixth, none), none)};
}

// With w = eˣ and n = w (w + 2): tanh ln(1 + eˣ) = n / (n + 2), which is 1 from x = 20 on.
inline Point mish(vec x) {
  vec w = exp(min(set1(20), x)), n = w * (w + set1(2)), whole = set1(1) / (n + set1(2));
  vec t = n * whole;
  return {x * t, fma(x * set1(4) * w * whole, (set1(1) + w) * whole, t)};
}

template <int code>
inline Point elementwise(vec x, const Options& o) {
  vec one = set1(1), none = set1(0);
  if constexpr (code == Op::line) return {fma(o.a, x, o.b), o.a};
  if constexpr (code == Op::step) return {lt(none, x, one, none), none};
  if constexpr (code == Op::silu) return silu(x);
  if constexpr (code == Op::gelu) return gelu(x);
  if constexpr (code == Op::gelu_tanh) return gelu_tanh(x);
  if constexpr (code == Op::hard_swish) return hard_swish(x);
  if constexpr (code == Op::mish) return mish(x);
  if constexpr (code == Op::exp) { vec y = exp(x); return {y, y}; }
  if constexpr (code == Op::expm1) { vec y = expm1(x); return {y, y + one}; }
  if constexpr (code == Op::log) return {log(x), one / x};
  if constexpr (code == Op::log1p) return {log1p(x), one / (one + x)};
  if constexpr (code == Op::sqrt) { vec y = sqrt(x); return {y, set1(0.5f) / y}; }
  if constexpr (code == Op::square) return {x * x, x + x};
  if constexpr (code == Op::abs) return {abs(x), eq(x, none, none, with_sign(one, x))};
  if constexpr (code == Op::erf) return {erf(x), set1(1.12837917f) * exp(negative(x * x))};
  vec y = activate<code>(x, o);
  return {y, derivative<code>(y, o)};
}

}  // namespace hg::HG_ISA
