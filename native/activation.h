// Activations as functions of a vector, and their slopes as functions of the output y.
#pragma once
#include "simd.h"

namespace hg::HG_ISA {

enum Activation { kIdentity = 0, kReLU = 1 };
constexpr int kActivations = 2;

template <int code>
inline vec activate(vec x) {
  if constexpr (code == kReLU) return lt(set1(0), x, x, eq(x, x, set1(0), x));  // NaN stays NaN
  return x;
}

template <int code>
inline vec slope(vec y) {
  if constexpr (code == kReLU) return lt(set1(0), y, set1(1), set1(0));
  return set1(1);
}

// Calls each(constant<code>) for the code that is only known when the program runs.
template <class Each>
inline void with_activation(int64_t code, Each each) {
  switch (code) {
    case kReLU: return each(std::integral_constant<int, kReLU>());
    default: return each(std::integral_constant<int, kIdentity>());
  }
}

}  // namespace hg::HG_ISA
