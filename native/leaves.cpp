// Tiles that add several shards of the batch, compiled once for all kernels that make products.
#include "tile.h"

#define HG_UNROLL _Pragma("GCC unroll 8")

namespace hg::HG_ISA {

namespace {

// Each leaf's sum is made in registers, and then that of the largest node that ends with it.
template <int R, int V>
void leaf_tile(const float* a, int64_t step, const float* b, int64_t ldb, float* c, int64_t ldc, int64_t kept,
               Leaves& leaves) {
  vec acc[R * V];
  HG_UNROLL for (int i = 0; i < R; i++)
    HG_UNROLL for (int v = 0; v < V; v++) __builtin_prefetch(c + i * ldc + v * W);
  auto by_k = [&](auto term) __attribute__((always_inline)) {
    vec row[V];
    HG_UNROLL for (int v = 0; v < V; v++) row[v] = load(b + v * W);
    HG_UNROLL for (int i = 0; i < R; i++) {
      vec x = set1(a[i]);
      HG_UNROLL for (int v = 0; v < V; v++) acc[i * V + v] = term(x, row[v], acc[i * V + v]);
    }
    a += step, b += ldb;
  };
  int64_t count = leaves.count;
  const int64_t* length = leaves.lengths;
  for (int64_t leaf = 0;;) {
    int64_t k = *length++;
    if (k) {  // the first term is not added to 0: that would take time
      by_k([](vec x, vec y, vec) { return x * y; });
      while (--k) by_k([](vec x, vec y, vec z) { return fma(x, y, z); });
    } else {
      HG_UNROLL for (int i = 0; i < R; i++)
        HG_UNROLL for (int v = 0; v < V; v++) acc[i * V + v] = set1(0);
    }
    float* node = leaves.kept;
    for (int64_t odd = leaf; odd & 1; odd >>= 1, node += R * V * W)
      HG_UNROLL for (int i = 0; i < R; i++)
        HG_UNROLL for (int v = 0; v < V; v++) acc[i * V + v] = load(node + (i * V + v) * W) + acc[i * V + v];
    if (++leaf == count) break;
    HG_UNROLL for (int i = 0; i < R; i++)
      HG_UNROLL for (int v = 0; v < V; v++) store(node + (i * V + v) * W, acc[i * V + v]);
  }
  HG_UNROLL for (int i = 0; i < R; i++)
    HG_UNROLL for (int v = 0; v < V; v++) {
      float* to = c + i * ldc + v * W;
      if (v == V - 1 && kept < W) store(to, acc[i * V + v], kept);
      else store(to, acc[i * V + v]);
    }
}

template <int V>
LeafTile tile_of(int rows) {
  constexpr int most = leaf_rows(V);
  switch (rows) {
    case 1: return leaf_tile<1, V>;
    case 2: return leaf_tile<2, V>;
    case 3: return leaf_tile<3, V>;
    case 4: return leaf_tile<most < 4 ? most : 4, V>;
    case 5: return leaf_tile<most < 5 ? most : 5, V>;
    case 6: return leaf_tile<most < 6 ? most : 6, V>;
    case 7: return leaf_tile<most < 7 ? most : 7, V>;
    default: return leaf_tile<most, V>;
  }
}

}  // namespace

LeafTile choose_leaf_tile(int rows, int vectors) {
  switch (vectors) {
    case 1: return tile_of<1>(rows);
    case 2: return tile_of<2>(rows);
    case 3: return tile_of<3>(rows);
    case 4: return tile_of<NV < 3 ? 3 : 4>(rows);
    default: return tile_of<NV + 1>(rows);
  }
}

}  // namespace hg::HG_ISA
