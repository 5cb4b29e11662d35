// Tiles: the sums of some rows and vectors of columns of C = A · B, in registers, over one block of k.
//
//   A(i, k) = base[row(i) + column(k)]
#pragma once
#include "simd.h"

namespace hg::HG_ISA {

constexpr int MR = 6;                          // rows of a tile
constexpr int kMostRows = W == 16 ? 8 : MR;    // ... of three vectors or fewer
constexpr int NV = W == 8 ? 2 : 4;             // vectors of columns in a tile: registers decide
constexpr int NR = NV * W;
constexpr int64_t kLine = 16;                  // elements in a line of the cache

// B is read in panels of NR columns. A single vector that is left joins the last panel, for alone
// it would be too few sums at a time; six make two equal panels. Tiles have as many rows as registers
// hold the sums of.
inline int panel_vectors(int64_t columns) {
  int64_t vectors = (columns + W - 1) / W;
  if (NV == 4 && vectors == 6) return 3;
  return vectors <= NV + 1 ? int(vectors) : NV;
}
inline int64_t panel_width(int64_t columns) { return panel_vectors(columns) * W; }  // of the first of `columns`
constexpr int tile_rows(int vectors) { return vectors > NV ? 4 : vectors <= 3 ? kMostRows : MR; }

struct Operand {
  const float* base;
  const int32_t* row_table = nullptr;  // row(i) = row_table[i] · row_step, or i · row_step
  bool far = false;                    // rows are somewhere in memory: the next tile's are fetched meanwhile
  int64_t row_step = 0;
  // k runs over `runs` stretches of `run` elements that lie `step` apart
  int64_t runs = 1, run = 0, step = 1;
  const int32_t* run_table = nullptr;  // stretch s begins at run_table[s] · run_step, or s · run_step
  int64_t run_step = 0;

  const float* row(int64_t i) const { return base + (row_table ? row_table[i] : i) * row_step; }
  int64_t begin(int64_t s) const { return (run_table ? run_table[s] : s) * run_step; }
};

struct Stretch { int64_t offset, length; };  // of one block: where it begins, how long it is
constexpr int64_t kNoStep = INT64_MIN;       // the step where all stretches are one element: none has this one

// One tile: acc[i][v] = Σ over the block's stretches. SIDE: A's rows lie side by side, from a[0] on.
// `ahead`, or null: rows that the next tile will read, fetched stretch by stretch. Of the last vector
// `last` columns are in B, if it is masked, and `kept` go to C.
template <int R, int V, bool MASK, bool SIDE>
inline void tile(const float* const* a, const float* const* ahead, int64_t step, const Stretch* s, int64_t count,
                 const float* b, int64_t ldb, int64_t last, float* c, int64_t ldc, int64_t kept, bool add) {
  vec acc[R * V];
  const float* p[R];
  auto each = [&](auto one) __attribute__((always_inline)) {
    unrolled<R>([&](auto i) __attribute__((always_inline)) {
      unrolled<V>([&](auto v) __attribute__((always_inline)) { one(i, v); });
    });
  };
  each([&](auto i, auto v) __attribute__((always_inline)) {
    acc[i * V + v] = set1(0);
    __builtin_prefetch(c + i * ldc + v * W);
  });
  auto multiply_add = [&](auto number) __attribute__((always_inline)) {
    vec row[V];
    unrolled<V>([&](auto v) __attribute__((always_inline)) {
      row[v] = MASK && v == V - 1 ? load(b + v * W, last) : load(b + v * W);
    });
    unrolled<R>([&](auto i) __attribute__((always_inline)) {
      vec x = set1(number(i));
      unrolled<V>([&](auto v) __attribute__((always_inline)) { acc[i * V + v] = fma(x, row[v], acc[i * V + v]); });
    });
    b += ldb;
  };
  unrolled<SIDE ? 1 : R>([&](auto i) __attribute__((always_inline)) { p[i] = a[i]; });
  auto at_k = [&](int64_t at) __attribute__((always_inline)) {
    multiply_add([&](auto i) __attribute__((always_inline)) { return SIDE ? p[0][at + i] : p[i][at]; });
  };
  for (; SIDE && step == kNoStep && count > 0; count--, s++) at_k(s->offset);
  for (; count > 0; count--, s++) {
    if (ahead) for (int i = 0; i < R; i++) __builtin_prefetch(ahead[i] + s->offset);
    int64_t at = s->offset;
    for (int64_t k = s->length; k > 0; k--, at += step) at_k(at);
  }
  each([&](auto i, auto v) __attribute__((always_inline)) {
    vec y = acc[i * V + v];
    float* to = c + i * ldc + v * W;
    if (v == V - 1 && kept < W) store(to, add ? load(to, kept) + y : y, kept);
    else store(to, add ? load(to) + y : y);
  });
}

typedef void (*Tile)(const float* const*, const float* const*, int64_t, const Stretch*, int64_t, const float*, int64_t,
                     int64_t, float*, int64_t, int64_t, bool);

template <int V, bool MASK, bool SIDE>
inline Tile tile_of_rows(int rows) {
  constexpr int most = tile_rows(V);
  switch (rows) {
    case 1: return tile<1, V, MASK, SIDE>;
    case 2: return tile<2, V, MASK, SIDE>;
    case 3: return tile<3, V, MASK, SIDE>;
    case 4: return tile<4, V, MASK, SIDE>;
    case 5: return tile<most < 5 ? most : 5, V, MASK, SIDE>;
    case 6: return tile<most < 6 ? most : 6, V, MASK, SIDE>;
    case 7: return tile<most < 7 ? most : 7, V, MASK, SIDE>;
    default: return tile<most, V, MASK, SIDE>;
  }
}

template <int V>
inline Tile tile_of(int rows, bool mask, bool side) {
  if (side) return mask ? tile_of_rows<V, true, true>(rows) : tile_of_rows<V, false, true>(rows);
  return mask ? tile_of_rows<V, true, false>(rows) : tile_of_rows<V, false, false>(rows);
}

inline Tile choose_tile(int rows, int vectors, bool mask, bool side) {
  switch (vectors) {
    case 1: return tile_of<1>(rows, mask, side);
    case 2: return tile_of<2>(rows, mask, side);
    case 3: return tile_of<3>(rows, mask, side);
    case 4: return tile_of<NV < 3 ? 3 : 4>(rows, mask, side);
    default: return tile_of<NV + 1>(rows, mask, side);
  }
}

}  // namespace hg::HG_ISA
