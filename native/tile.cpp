// Tiles of every size, compiled once for all kernels that make products.
#include "tile.h"

// Loops without a loop, so that arrays with such indices live in registers; `unrolled` takes the compiler three
// times as long.
#define HG_UNROLL _Pragma("GCC unroll 8")

namespace hg::HG_ISA {

namespace {

// One tile: acc[i][v] = Σ over the block's stretches. SIDE: A's rows lie side by side, from a[0] on.
// `ahead`, or null: rows that the next tile will read, fetched stretch by stretch. Of the last vector
// `last` columns are in B, if it is masked, and `kept` go to C.
template <int R, int V, bool MASK, bool SIDE>
inline void tile(const float* const* a, const float* const* ahead, int64_t step, const Stretch* s, int64_t count,
                 const float* b, int64_t ldb, int64_t last, float* c, int64_t ldc, int64_t kept, bool add) {
  vec acc[R * V];
  const float* p[R];
  HG_UNROLL for (int i = 0; i < R; i++)
    HG_UNROLL for (int v = 0; v < V; v++) {
      acc[i * V + v] = set1(0);
      __builtin_prefetch(c + i * ldc + v * W);
    }
  HG_UNROLL for (int i = 0; i < (SIDE ? 1 : R); i++) p[i] = a[i];
  auto at_k = [&](int64_t at) __attribute__((always_inline)) {
    vec row[V];
    HG_UNROLL for (int v = 0; v < V; v++) row[v] = MASK && v == V - 1 ? load(b + v * W, last) : load(b + v * W);
    HG_UNROLL for (int i = 0; i < R; i++) {
      vec x = set1(SIDE ? p[0][at + i] : p[i][at]);
      HG_UNROLL for (int v = 0; v < V; v++) acc[i * V + v] = fma(x, row[v], acc[i * V + v]);
    }
    b += ldb;
  };
  for (; SIDE && step == kNoStep && count > 0; count--, s++) at_k(s->offset);
  for (; count > 0; count--, s++) {
    if (ahead) for (int i = 0; i < R; i++) __builtin_prefetch(ahead[i] + s->offset);
    int64_t at = s->offset;
    for (int64_t k = s->length; k > 0; k--, at += step) at_k(at);
  }
  HG_UNROLL for (int i = 0; i < R; i++)
    HG_UNROLL for (int v = 0; v < V; v++) {
      vec y = acc[i * V + v];
      float* to = c + i * ldc + v * W;
      if (v == V - 1 && kept < W) store(to, add ? load(to, kept) + y : y, kept);
      else store(to, add ? load(to) + y : y);
    }
}

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

}  // namespace

Tile choose_tile(int rows, int vectors, bool mask, bool side) {
  switch (vectors) {
    case 1: return tile_of<1>(rows, mask, side);
    case 2: return tile_of<2>(rows, mask, side);
    case 3: return tile_of<3>(rows, mask, side);
    case 4: return tile_of<NV < 3 ? 3 : 4>(rows, mask, side);
    default: return tile_of<NV + 1>(rows, mask, side);
  }
}

}  // namespace hg::HG_ISA
