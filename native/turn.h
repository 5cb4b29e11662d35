// Matrices turned: rows become columns.
#pragma once
#include <cstdint>
#include <cstring>

namespace hg::HG_ISA {

typedef float quad __attribute__((vector_size(16), aligned(4)));

inline void turn_quads(const float* from, int64_t from_step, float* to, int64_t to_step) {  // 4 rows of 4
  quad r[4];
  for (int i = 0; i < 4; i++) std::memcpy(&r[i], from + i * from_step, 16);
  quad a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5), b = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
  quad c = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7), d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
  quad t[4] = {__builtin_shufflevector(a, b, 0, 1, 4, 5), __builtin_shufflevector(a, b, 2, 3, 6, 7),
               __builtin_shufflevector(c, d, 0, 1, 4, 5), __builtin_shufflevector(c, d, 2, 3, 6, 7)};
  for (int k = 0; k < 4; k++) std::memcpy(to + k * to_step, &t[k], 16);
}

// to[k · to_step + i] = from[i · from_step + k] for i < rows, k < columns.
inline void turn(const float* from, int64_t from_step, int64_t rows, int64_t columns, float* to, int64_t to_step) {
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    int64_t k = 0;
    for (; k + 4 <= columns; k += 4) turn_quads(from + i * from_step + k, from_step, to + k * to_step + i, to_step);
    for (; k < columns; k++)
      for (int s = 0; s < 4; s++) to[k * to_step + i + s] = from[(i + s) * from_step + k];
  }
  for (; i < rows; i++)
    for (int64_t k = 0; k < columns; k++) to[k * to_step + i] = from[i * from_step + k];
}

}  // namespace hg::HG_ISA
