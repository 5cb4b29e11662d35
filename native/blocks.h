// Rows in blocks: sums over rows go block by block; each block's are stored, then added in order.
// How many rows make a block depends on their length alone, so the bits do, too.
#pragma once
#include "row.h"
#include "simd.h"

namespace hg::HG_ISA {

constexpr int64_t kBlockWords = 8192;  // also in compile/lowering/normalization.py

inline int64_t block_rows(int64_t length) { return length < kBlockWords ? kBlockWords / length : 1; }
inline int64_t block_count(int64_t rows, int64_t length) {
  return (rows + block_rows(length) - 1) / block_rows(length);
}

struct Block { int64_t begin, end; };
inline Block block_of(int64_t b, int64_t rows, int64_t length) {
  int64_t each = block_rows(length), begin = b * each;
  return {begin, rows - begin < each ? rows : begin + each};
}

}  // namespace hg::HG_ISA
