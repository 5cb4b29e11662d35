// Activations whose derivative is a function of the output y: what makes x can apply them at once, and
// what needs the derivative later asks y.
#pragma once
#include "math.h"
#include "row.h"

namespace hg::HG_ISA {

// relu         max(x, 0)
// leaky_relu   x, and a x where x ≤ 0; a ≥ 0
// elu          a x, and b (e^(c x) − 1) where x ≤ 0; a, b, c > 0: ELU, CELU, SELU
// softplus     ln(1 + eˣ)
// clip         a x + b, cut to [0, c]: ReLU6, HardSigmoid
// softsign     x / (1 + |x|)
#define HG_ACTIVATIONS identity, relu, leaky_relu, elu, sigmoid, tanh, softplus, clip, softsign
HG_ENUM(Activation, HG_ACTIVATIONS)

// Their options a, b, c, which every kernel that applies one has among its arguments.
#define HG_OP_OPTIONS (op_a, real()), (op_b, real()), (op_c, real())

struct Options {
  vec a, b, c;
  Options(const Job& j, int op_a)
      : a(set1(float(j.r(op_a)))), b(set1(float(j.r(op_a + 1)))), c(set1(float(j.r(op_a + 2)))) {}
};

inline vec positive(vec x) { return max(set1(0), x); }  // NaN stays: it is the second

template <int code>
inline vec activate(vec x, const Options& o) {
  if constexpr (code == Activation::relu) return positive(x);
  if constexpr (code == Activation::leaky_relu) return lt(set1(0), x, x, o.a * x);
  if constexpr (code == Activation::elu) return lt(set1(0), x, o.a * x, o.b * expm1(o.c * x));
  if constexpr (code == Activation::sigmoid) return sigmoid(x);
  if constexpr (code == Activation::tanh) return tanh(x);
  if constexpr (code == Activation::softplus) return softplus(x);
  if constexpr (code == Activation::clip) return min(o.c, max(set1(0), fma(o.a, x, o.b)));
  if constexpr (code == Activation::softsign) return x / (set1(1) + abs(x));
  return x;
}

template <int code>
inline vec derivative(vec y, const Options& o) {
  vec one = set1(1), none = set1(0);
  if constexpr (code == Activation::relu) return lt(none, y, one, none);
  if constexpr (code == Activation::leaky_relu) return lt(none, y, one, o.a);
  if constexpr (code == Activation::elu) return lt(none, y, o.a, o.c * (y + o.b));
  if constexpr (code == Activation::sigmoid) return y * (one - y);
  if constexpr (code == Activation::tanh) return fnma(y, y, one);
  if constexpr (code == Activation::softplus) return negative(expm1(negative(y)));
  if constexpr (code == Activation::clip) return lt(none, y, lt(y, o.c, o.a, none), none);
  if constexpr (code == Activation::softsign) return (one - abs(y)) * (one - abs(y));
  return one;
}

// What follows a product: C = f(sums + bias), or (sums + bias) times the derivative at `saved`, on a piece of
// C. `bias` and `saved` begin where the piece does, or are null; rows of sums are `step` apart.
inline void epilogue(int64_t code, const Options& o, const float* sums, int64_t step, float* c, int64_t ldc, int rows,
                   int64_t columns, const float* bias, const float* saved) {
  with_code<Activation::kCount>(code, [&](auto code) {
    by_vectors(columns, [&](int64_t q, int64_t count) {
      vec offset = bias ? part(bias + q, count) : set1(0);
      for (int64_t r = 0, at = q; r < rows; r++, at += ldc) {
        vec v = part(sums + r * step + q, count) + offset;
        if (saved) v = v * derivative<code()>(part(saved + at, count), o);
        else v = activate<code()>(v, o);
        put(c + at, v, count);
      }
    });
  });
}

// ... where the sums are C itself.
inline void epilogue(int64_t code, const Options& o, float* c, int64_t ldc, int rows, int64_t columns,
                   const float* bias, const float* saved) {
  if (bias || saved || code != Activation::identity) epilogue(code, o, c, ldc, c, ldc, rows, columns, bias, saved);
}

}  // namespace hg::HG_ISA
