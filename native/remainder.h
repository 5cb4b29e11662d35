// The remainder: the last columns of a product, N mod 16 behind whole vectors, where that is 4 at most. As a vector
// of a tile they would cost as much as 16.
#pragma once
#include "tile.h"

namespace hg::HG_ISA {

constexpr int kRemainder = 4;
// Steps of k that make dot products pay, and that make them pay though B must be transposed.
constexpr int64_t kDotLength = 64, kTransposedLength = 256;

// The columns in whole vectors; behind them is a remainder, or nothing.
inline int64_t whole_columns(int64_t n) { return n > 16 && n % 16 <= kRemainder ? n - n % 16 : n; }

// -- where A's rows are straight in memory: dot products -----------------------------------------
//
// Inside a block, number k belongs to lane k mod 16, and lanes are added by the tree of Lanes::sum, so
// that these elements, too, have the same bits everywhere.

struct Lines { int64_t count, length; const float* at[kRemainder]; };  // the remainder of B, in one block

// Rows a[0], a[1], … of C's remainder, which begins at `to`.
void dot_rows(const float* const* a, int64_t offset, int64_t rows, const Lines& b, float* to, int64_t step,
              bool add);

// -- where A's rows lie side by side: tiles transposed, with rows of A as lanes ---------------------------
//
// The order of a sum is that of a tile, and so are its bits.

// `remainder` columns of C from c on, B's from b on; rows of A from a on. `leaves`, or null.
void transposed_tiles(int64_t remainder, const float* a, int64_t rows, int64_t step, const Stretch* s,
                      int64_t count, const float* b, int64_t b_k, float* c, int64_t ldc, bool add, Leaves* leaves);

}  // namespace hg::HG_ISA
