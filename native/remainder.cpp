// The remainder of a product, compiled once for all kernels that make products.
#include "remainder.h"

namespace hg::HG_ISA {

namespace {

// Rows that registers hold the lanes of.
constexpr int dot_rows_of(int columns) { return W < 16 ? 1 : columns < 4 ? 8 : 4; }

// The sums of four times 16 lanes.
inline quad sums_of(const quad (&lanes)[4][4]) {
  quad t[4];
  for (int c = 0; c < 4; c++) t[c] = (lanes[c][0] + lanes[c][2]) + (lanes[c][1] + lanes[c][3]);
  quad a = __builtin_shufflevector(t[0], t[1], 0, 4, 1, 5) + __builtin_shufflevector(t[0], t[1], 2, 6, 3, 7);
  quad b = __builtin_shufflevector(t[2], t[3], 0, 4, 1, 5) + __builtin_shufflevector(t[2], t[3], 2, 6, 3, 7);
  return __builtin_shufflevector(a, b, 0, 1, 4, 5) + __builtin_shufflevector(a, b, 2, 3, 6, 7);
}

template <int R, int C>
inline void dots(const float* const* a, int64_t offset, const Lines& b, float* to, int64_t step, bool add) {
  constexpr int V = 16 / W;
  vec acc[R * C * V];
  unrolled<R * C * V>([&](auto i) __attribute__((always_inline)) { acc[i] = set1(0); });
  auto sixteen = [&](int64_t k, auto get) __attribute__((always_inline)) {
    unrolled<V>([&](auto v) __attribute__((always_inline)) {
      vec y[C];
      unrolled<C>([&](auto c) __attribute__((always_inline)) { y[c] = get(b.at[c] + k + v * W, k + v * W); });
      unrolled<R>([&](auto r) __attribute__((always_inline)) {
        vec x = get(a[r] + offset + k + v * W, k + v * W);
        unrolled<C>([&](auto c) __attribute__((always_inline)) {
          constexpr int at = (r * C + c) * V + v;
          acc[at] = fma(x, y[c], acc[at]);
        });
      });
    });
  };
  int64_t k = 0, length = b.length;
  for (; k + 16 <= length; k += 16) sixteen(k, [](const float* p, int64_t) { return load(p); });
  if (k < length)
    sixteen(k, [&](const float* p, int64_t from) {
      int64_t left = length - from;
      return left <= 0 ? set1(0) : part(p, left < W ? left : W);
    });
  unrolled<R>([&](auto r) __attribute__((always_inline)) {
    quad lanes[4][4] = {}, sums;
    unrolled<C * V>([&](auto i) __attribute__((always_inline)) {
      store(reinterpret_cast<float*>(lanes) + i * W, acc[r * C * V + i]);
    });
    sums = sums_of(lanes);
    for (int c = 0; c < C; c++) to[r * step + c] = add ? to[r * step + c] + sums[c] : sums[c];
  });
}

template <int V, int C>
inline void transposed_tile(const float* a, int64_t rows, int64_t step, const Stretch* s, int64_t count, const float* b,
                        int64_t b_k, float* c, int64_t ldc, bool add, Leaves* leaves) {
  vec acc[C * V];
  int64_t last = rows - (V - 1) * W;
  auto multiply_add = [&](const float* p) __attribute__((always_inline)) {
    vec x[V];
    unrolled<V>([&](auto v) __attribute__((always_inline)) {
      x[v] = v == V - 1 ? part(p + v * W, last) : load(p + v * W);
    });
    unrolled<C>([&](auto c) __attribute__((always_inline)) {
      vec y = set1(b[c]);
      unrolled<V>([&](auto v) __attribute__((always_inline)) { acc[c * V + v] = fma(x[v], y, acc[c * V + v]); });
    });
    b += b_k;
  };
  const float* from = leaves && count ? a + s->offset : a;  // of leaves, which are one stretch
  for (int64_t leaf = 0;; leaf++) {
    unrolled<C * V>([&](auto i) __attribute__((always_inline)) { acc[i] = set1(0); });
    if (leaves) {
      for (int64_t k = leaves->lengths[leaf]; k > 0; k--, from += step) multiply_add(from);
    } else {
      for (; step == kNoStep && count > 0; count--, s++) multiply_add(a + s->offset);
      for (; count > 0; count--, s++) {
        const float* p = a + s->offset;
        for (int64_t k = s->length; k > 0; k--, p += step) multiply_add(p);
      }
      break;
    }
    float* node = leaves->kept;
    for (int64_t odd = leaf; odd & 1; odd >>= 1, node += C * V * W)
      unrolled<C * V>([&](auto i) __attribute__((always_inline)) { acc[i] = load(node + i * W) + acc[i]; });
    if (leaf + 1 == leaves->count) break;
    unrolled<C * V>([&](auto i) __attribute__((always_inline)) { store(node + i * W, acc[i]); });
  }
  float sums[C * V * W];
  unrolled<C * V>([&](auto i) __attribute__((always_inline)) { store(sums + i * W, acc[i]); });
  for (int64_t i = 0; i < rows; i++, c += ldc)
    for (int q = 0; q < C; q++) c[q] = add ? c[q] + sums[q * V * W + i] : sums[q * V * W + i];
}

}  // namespace

void dot_rows(const float* const* a, int64_t offset, int64_t rows, const Lines& b, float* to, int64_t step,
              bool add) {
  with_code<kRemainder>(b.count - 1, [&](auto c) {
    constexpr int most = dot_rows_of(c + 1);
    for (int64_t r = 0; r < rows; r += most)
      with_code<most>((rows - r < most ? rows - r : most) - 1, [&](auto some) {
        dots<some + 1, c + 1>(a + r, offset, b, to + r * step, step, add);
      });
  });
}

void transposed_tiles(int64_t remainder, const float* a, int64_t rows, int64_t step, const Stretch* s,
                      int64_t count, const float* b, int64_t b_k, float* c, int64_t ldc, bool add, Leaves* leaves) {
  constexpr int most = W == 16 ? 4 : 2;  // vectors of rows that registers hold the sums of
  with_code<kRemainder>(remainder - 1, [&](auto n) {
    for (int64_t i = 0, some; i < rows; i += some) {
      some = rows - i < most * W ? rows - i : most * W;
      with_code<most>((some - 1) / W, [&](auto v) {
        transposed_tile<v + 1, n + 1>(a + i, some, step, s, count, b, b_k, c + i * ldc, ldc, add, leaves);
      });
    }
  });
}

}  // namespace hg::HG_ISA
