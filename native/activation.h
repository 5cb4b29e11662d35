// Activations whose slope is a function of the output y: what makes x can apply them at once, and
// what needs the slope later asks y. Their options are the first numbers of the row's `reals`.
#pragma once
#include "math.h"

namespace hg::HG_ISA {

enum Activation {
  kIdentity = 0,
  kReLU,      // max(x, 0)
  kLeakyReLU, // x, and a x where x ≤ 0; a ≥ 0
  kELU,       // a x, and b (e^(c x) − 1) where x ≤ 0; a, b, c > 0: ELU, CELU, SELU
  kSigmoid,
  kTanh,
  kSoftplus,  // ln(1 + eˣ)
  kClip,      // a x + b, cut to [0, c]: ReLU6, HardSigmoid
  kSoftsign,  // x / (1 + |x|)
};
constexpr int kActivations = 9;

struct Options {
  vec a, b, c;
  explicit Options(const double* reals)
      : a(set1(float(reals[0]))), b(set1(float(reals[1]))), c(set1(float(reals[2]))) {}
};

inline vec positive(vec x) { return max(set1(0), x); }  // NaN stays: it is the second

template <int code>
inline vec activate(vec x, const Options& o) {
  if constexpr (code == kReLU) return positive(x);
  if constexpr (code == kLeakyReLU) return lt(set1(0), x, x, o.a * x);
  if constexpr (code == kELU) return lt(set1(0), x, o.a * x, o.b * expm1(o.c * x));
  if constexpr (code == kSigmoid) return sigmoid(x);
  if constexpr (code == kTanh) return tanh(x);
  if constexpr (code == kSoftplus) return softplus(x);
  if constexpr (code == kClip) return min(o.c, max(set1(0), fma(o.a, x, o.b)));
  if constexpr (code == kSoftsign) return x / (set1(1) + abs(x));
  return x;
}

template <int code>
inline vec slope(vec y, const Options& o) {
  vec one = set1(1), none = set1(0);
  if constexpr (code == kReLU) return lt(none, y, one, none);
  if constexpr (code == kLeakyReLU) return lt(none, y, one, o.a);
  if constexpr (code == kELU) return lt(none, y, o.a, o.c * (y + o.b));
  if constexpr (code == kSigmoid) return y * (one - y);
  if constexpr (code == kTanh) return fnma(y, y, one);
  if constexpr (code == kSoftplus) return negative(expm1(negative(y)));
  if constexpr (code == kClip) return lt(none, y, lt(y, o.c, o.a, none), none);
  if constexpr (code == kSoftsign) return (one - abs(y)) * (one - abs(y));
  return one;
}

// What follows a product: C = f(sums + bias), or (sums + bias) times the slope at `saved`, on a piece of
// C. `bias` and `saved` begin where the piece does, or are null; rows of sums are `step` apart.
inline void finish(int64_t code, const Options& o, const float* sums, int64_t step, float* c, int64_t ldc, int rows,
                   int64_t columns, const float* bias, const float* saved) {
  with_code<kActivations>(code, [&](auto code) {
    by_vectors(columns, [&](int64_t q, int64_t count) {
      vec offset = bias ? part(bias + q, count) : set1(0);
      for (int64_t r = 0, at = q; r < rows; r++, at += ldc) {
        vec v = part(sums + r * step + q, count) + offset;
        if (saved) v = v * slope<code()>(part(saved + at, count), o);
        else v = activate<code()>(v, o);
        put(c + at, v, count);
      }
    });
  });
}

// ... where the sums are C itself.
inline void finish(int64_t code, const Options& o, float* c, int64_t ldc, int rows, int64_t columns,
                   const float* bias, const float* saved) {
  if (bias || saved || code != kIdentity) finish(code, o, c, ldc, c, ldc, rows, columns, bias, saved);
}

}  // namespace hg::HG_ISA
