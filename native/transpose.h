// Matrices transposed: rows become columns.
#pragma once
#include "simd.h"

namespace hg::HG_ISA {

// Four columns of W rows: every fourth row goes to one vector, then each quad of four vectors is transposed.
inline void transpose_four(const float* from, int64_t from_step, float* to, int64_t to_step) {
  vec r[4];
  for (int i = 0; i < 4; i++) r[i] = quads(from + i * from_step, 4 * from_step);
  vec a = zip_low(r[0], r[1]), b = zip_low(r[2], r[3]), c = zip_high(r[0], r[1]), d = zip_high(r[2], r[3]);
  store(to, low_pairs(a, b)), store(to + to_step, high_pairs(a, b));
  store(to + 2 * to_step, low_pairs(c, d)), store(to + 3 * to_step, high_pairs(c, d));
}

// Four columns of four rows, where there are fewer than W.
inline void transpose_quad(const float* from, int64_t from_step, float* to, int64_t to_step) {
  quad r[4];
  for (int i = 0; i < 4; i++) std::memcpy(&r[i], from + i * from_step, 16);
  quad a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5), b = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
  quad c = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7), d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
  quad t[4] = {__builtin_shufflevector(a, b, 0, 1, 4, 5), __builtin_shufflevector(a, b, 2, 3, 6, 7),
               __builtin_shufflevector(c, d, 0, 1, 4, 5), __builtin_shufflevector(c, d, 2, 3, 6, 7)};
  for (int k = 0; k < 4; k++) std::memcpy(to + k * to_step, &t[k], 16);
}

// each(k) for every fourth of the columns, the last ones once more where they are no four.
template <class Each>
inline void by_fours(int64_t columns, Each each) {
  int64_t k = 0;
  for (; k + 4 <= columns; k += 4) each(k);
  if (k < columns) each(columns - 4);
}

constexpr int64_t kApart = 1024, kSoon = 64;  // elements between rows that are fetched ahead, and how far

// Fetches what W rows hold `kSoon` columns after k; at their end, what the next W rows begin with.
inline void fetch_rows(const float* from, int64_t from_step, int64_t columns, int64_t k) {
  const float* soon = k + kSoon < columns ? from + k + kSoon : from + W * from_step + (k + kSoon - columns);
  for (int r = 0; r < W; r++) __builtin_prefetch(soon + r * from_step);
}

// to[k · to_step + i] = from[i · from_step + k] for i < rows, k < columns.
inline void transpose(const float* from, int64_t from_step, int64_t rows, int64_t columns, float* to, int64_t to_step) {
  int64_t i = 0;
  auto here = [&](auto transpose_some) {
    by_fours(columns, [&](int64_t k) {
      bool fetches = from_step >= kApart && k % 16 == 0 && columns > kSoon;
      if (fetches) fetch_rows(from + i * from_step, from_step, columns, k);
      transpose_some(from + i * from_step + k, from_step, to + k * to_step + i, to_step);
    });
  };
  for (; columns >= 4 && i + W <= rows; i += W) here(transpose_four);
  for (; columns >= 4 && i + 4 <= rows; i += 4) here(transpose_quad);
  for (; i < rows; i++)
    for (int64_t k = 0; k < columns; k++) to[k * to_step + i] = from[i * from_step + k];
}

}  // namespace hg::HG_ISA
