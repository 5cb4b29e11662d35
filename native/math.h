// Elementary functions of vectors: no tables, no branches, the same bits on every processor.
//
// The error is stated in units of the last place (ulp) and holds for every normal float32 and for
// infinities; NaN stays NaN. Numbers below the least normal one are 0 in a program, see subnormal.h.
// The polynomials are minimax fits (Remez) of the functions on the interval left after the argument
// is reduced.
// Source for the reductions: Muller, "Elementary functions", 3rd edition, 2016, chapter 11.
#pragma once
#include "simd.h"

namespace hg::HG_ISA {

constexpr float kInfinity = __builtin_inff();
constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;  // products with integers are exact

template <int count>
inline vec polynomial(vec x, const float (&highest_first)[count]) {
  vec y = set1(highest_first[0]);
  for (int i = 1; i < count; i++) y = fma(y, x, set1(highest_first[i]));
  return y;
}

inline vec negative(vec x) { return as_float(iadd(as_int(x), iset1(INT32_MIN))); }
inline vec with_sign(vec size, vec sign) { return as_float(ior(as_int(size), iand(as_int(sign), iset1(INT32_MIN)))); }
inline vec two_to(ivec n) { return as_float(shl<23>(iadd(n, iset1(127)))); }  // for −127 < n < 128

// e^r − 1 for |r| ≤ ½ ln 2.
inline vec expm1_near_0(vec r) {
  constexpr float c[] = {1.99075846e-4f, 1.39485928e-3f, 8.33328627e-3f, 4.16662395e-2f, 1.66666672e-1f, 0.5f};
  return fma(r * r, polynomial(r, c), r);
}

struct Reduced { vec n, r; };  // x = n ln 2 + r
inline Reduced by_ln2(vec x) {
  vec n = round(x * set1(1.44269504f));
  return {n, fnma(n, set1(kLn2Low), fnma(n, set1(kLn2High), x))};
}

inline vec clamp(vec x, float low, float high) { return min(set1(high), max(set1(low), x)); }

// x 2ⁿ for an integer n: in two factors, where it takes a factor, since 2¹²⁸ and 2⁻¹⁴⁰ are not normal numbers.
inline vec times_two_to(vec x, vec n) {
#if defined(__AVX512F__)
  return _mm512_scalef_ps(x, n);
#else
  ivec whole = to_int(n), half = shr<1>(whole);
  return x * two_to(half) * two_to(isub(whole, half));
#endif
}

// eˣ, 1 ulp.
inline vec exp(vec x) {
  Reduced a = by_ln2(clamp(x, -104, 89));
  return times_two_to(set1(1) + expm1_near_0(a.r), a.n);
}

// eˣ − 1, 2 ulp: 2ⁿ (e^r − 1) + (2ⁿ − 1), computed in halves, for 2¹²⁸ is too large.
inline vec expm1(vec x) {
  Reduced a = by_ln2(clamp(x, -20, 89));
  vec p = expm1_near_0(a.r), half = two_to(isub(to_int(a.n), iset1(1)));
  vec y = fma(p, half, half - set1(0.5f));
  return eq(a.n, set1(0), p, y + y);
}

// ln(2ᵉ (1 + f)) for √½ ≤ 1 + f < √2.
inline vec log_near_1(vec f, vec e) {
  constexpr float c[] = {6.93729818e-2f, -1.18471630e-1f, 1.18890166e-1f, -1.23774320e-1f, 1.42170832e-1f,
                         -1.66694850e-1f, 2.00021893e-1f, -2.49999836e-1f, 3.33333135e-1f};
  vec square = f * f;
  vec y = fma(square * f, polynomial(f, c), e * set1(kLn2Low));
  return fma(e, set1(kLn2High), f + fma(set1(-0.5f), square, y));
}

constexpr int32_t kRootHalf = 0x3f3504f3;  // the bits of √½

// ln x, 1 ulp.
inline vec log(vec x) {
  ivec e = shr<23>(isub(as_int(x), iset1(kRootHalf)));
  vec f = as_float(isub(as_int(x), shl<23>(e))) - set1(1);
  vec y = log_near_1(f, to_float(e));
  y = lt(x, set1(kInfinity), y, x);
  return lt(set1(0), x, y, eq(x, set1(0), set1(-kInfinity), set1(__builtin_nanf(""))));
}

// ln(1 + x) for −1 < x < ∞, 2 ulp: what 1 + x loses by rounding is added to f.
inline vec log1p_inside(vec x) {
  vec u = set1(1) + x, back = u - set1(1);
  vec lost = (set1(1) - (u - back)) + (x - back);
  ivec e = shr<23>(isub(as_int(u), iset1(kRootHalf)));
  vec f = as_float(isub(as_int(u), shl<23>(e))) - set1(1), ef = to_float(e);
  vec scale = two_to(to_int(max(set1(-100), negative(ef))));
  return log_near_1(fma(lost, scale, f), ef);
}

// ln(1 + x), 2 ulp.
inline vec log1p(vec x) {
  vec y = lt(x, set1(kInfinity), log1p_inside(x), x);
  return lt(set1(-1), x, y, eq(x, set1(-1), set1(-kInfinity), set1(__builtin_nanf(""))));
}

// 1 / (1 + e⁻ˣ), 2 ulp. With e = e^−|x|, which cannot overflow, and t = e / (1 + e) it is 1 − t, or
// t itself, which e − e t has with less rounding.
inline vec sigmoid(vec x) {
  vec e = exp(negative(abs(x))), t = e / (set1(1) + e);
  return lt(x, set1(0), fnma(e, t, e), set1(1) - t);
}

// tanh x, 2 ulp. With m = e^2|x| − 1 and t = m / (m + 2) its size is t, which ½ m (1 − t) has with
// less rounding; from m = 2 on it is 1 − 2 / (m + 2).
inline vec tanh(vec x) {
  vec m = expm1(abs(x) * set1(2)), half = m * set1(0.5f), two = set1(2);
  vec t = min(two, m) / (m + two);
  return with_sign(lt(m, two, fnma(half, t, half), set1(1) - t), x);
}

// ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|), 2 ulp.
inline vec softplus(vec x) {
  return max(set1(0), x) + log1p_inside(exp(negative(abs(x))));
}

// The normal distribution: Φ(x), 2 ulp for x > −1 and 4 in the tail, and its density φ(x).
struct Normal { vec below, density; };
inline Normal normal(vec x) {
  // (z + 5) Φ(−z) exp(z²/2) for z ≥ 0, by t = (z − 5) / (z + 5)
  constexpr float c[] = {9.61914702e-5f, 6.31625415e-4f, -8.62567802e-4f, -3.05520557e-3f,
                         2.08016466e-2f, -6.91052750e-2f, 1.65020496e-1f, -3.13534260e-1f,
                         4.95305598e-1f, -6.65382504e-1f, 7.69193053e-1f};
  vec z = min(set1(15), abs(x)), square = z * z, lost = fma(z, z, negative(square));
  vec bell = exp(square * set1(-0.5f));
  bell = fma(bell, lost * set1(-0.5f), bell);
  vec u = set1(1) / (z + set1(5));
  vec tail = bell * (u * polynomial((z - set1(5)) * u, c));
  return {lt(set1(0), x, set1(1) - tail, tail), bell * set1(0.398942280f)};
}

// erf x, 2 ulp: a series near 0, else 1 − 2 Φ(−√2 |x|).
inline vec erf(vec x) {
  constexpr float c[] = {7.85385782e-5f, -8.01019196e-4f, 5.18832728e-3f, -2.68538110e-2f,
                         1.12835854e-1f, -3.76126260e-1f, 1.28379166e-1f};
  vec size = abs(x);
  vec near = min(set1(1), size), y = fma(near, polynomial(near * near, c), near);
  vec far = fnma(set1(2), normal(size * set1(-1.41421356f)).below, set1(1));
  return with_sign(lt(set1(1), size, far, y), x);
}

}  // namespace hg::HG_ISA
