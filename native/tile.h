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

// A tile of R rows and V vectors, MASKed or not, A's rows on the SIDE or not: see tile.cpp.
typedef void (*Tile)(const float* const*, const float* const*, int64_t, const Stretch*, int64_t, const float*, int64_t,
                     int64_t, float*, int64_t, int64_t, bool);

// The tile of so many rows and vectors of columns. `mask`: memory ends where B's columns do; `side`: A's rows lie
// side by side.
Tile choose_tile(int rows, int vectors, bool mask, bool side);

// Of one block of k whose steps are those of several shards of the batch, one after the other: how many each has. Their
// sums are added as a node of the tree of shards, see shards.h.
constexpr int kNodeLevels = 8, kMostLeaves = 1 << kNodeLevels;
struct Leaves {
  int64_t count;  // a power of two
  int64_t lengths[kMostLeaves];
  alignas(64) float kept[kNodeLevels * kMostRows * (NV + 1) * W];  // for the tile
};

// A tile of such a node, A's rows side by side from `a` on, those of the next k `step` further: see leaves.cpp. Of the
// last vector of columns `kept` go to C.
typedef void (*LeafTile)(const float* a, int64_t step, const float* b, int64_t ldb, float* c, int64_t ldc, int64_t kept,
                         Leaves&);
LeafTile choose_leaf_tile(int rows, int vectors);

// Rows of such a tile, at most: many sums that are stored at once, after few steps, take more time than those of two
// tiles.
constexpr int leaf_rows(int vectors) { return W != 8 ? tile_rows(vectors) : vectors == 3 ? 3 : vectors == 2 ? 4 : MR; }

}  // namespace hg::HG_ISA
