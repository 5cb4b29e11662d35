// Products that are sums over the batch, by shards: C = Σ over the shards of A(i, k) B(k, j) for the k of each. A's
// rows lie side by side; every sample of the batch has as many k.
//
// A tile makes the sums of several shards one after the other, and adds them where they are in registers: those
// of a node of the tree that has up to two blocks of k. Sums of larger nodes are kept in memory, each like C.
#pragma once
#include "product.h"
#include "shards.h"

namespace hg::HG_ISA {

// Shards of one pass over C, if each has up to so many k.
inline int64_t shards_at_once(int64_t k) {
  int64_t many = kMostLeaves;
  while (many > 1 && many * k > kMost) many /= 2;
  return many;
}

// How many sums must be kept, with so many shards.
inline int64_t kept_sums(int64_t shards, int64_t k) {
  int64_t count = 0;
  for (int64_t passes = shards / shards_at_once(k); passes > 1; passes /= 2) count++;
  return count;
}

// The stretches of A's k from `from` to `to`; how many.
inline int64_t stretch(const Operand& a, int64_t from, int64_t to, Stretch* out) {
  if (from == to) return 0;
  if (!a.run_table) return *out = {from * a.step, to - from}, 1;
  for (int64_t k = from; k < to; k++) out[k - from] = {a.begin(k), 1};
  return to - from;
}

// The sum of the shards [first, first + many) of the batch, for a part of C.
template <class Epilogue>
inline void multiply_node(const Product& p, const Patch& c, const Batch& batch, int64_t each, int64_t first,
                          int64_t many, Leaves& leaves, float* scratch, Epilogue epilogue) {
  Stretch stretches[kMost];
  auto border = [&](int64_t i) { return batch.borders[first + i] * each; };
  int64_t at = border(0), stop = border(many);
  if (many > 1) {
    leaves.count = many;
    for (int64_t i = 0; i < many; i++) leaves.lengths[i] = border(i + 1) - border(i);
    Left left(p, stretches, stretch(p.a, at, stop, stretches), stop - at);
    return multiply_block(p, c, left, at, false, true, &leaves, scratch, epilogue);
  }
  do {
    int64_t next = stop - at > kBlock ? at + kBlock : stop, count = stretch(p.a, at, next, stretches);
    Left left(p, stretches, count, next - at);
    multiply_block(p, c, left, at, at > border(0), next == stop, nullptr, scratch, epilogue);
    at = next;
  } while (at < stop);
}

// A part of C of every block of the batch. kept: memory for kept_sums, `apart` words from one to the next.
inline void multiply_shards(Product p, const Patch& c, const Batch& batch, int64_t each, float* kept, int64_t apart,
                            float* scratch) {
  Leaves leaves;
  float* out = p.c;
  int64_t most = shards_at_once((batch.whole + batch.all_shards - 1) / batch.all_shards * each);
  for (int64_t b = 0; b < batch.block_count; b++, out += batch.sums_step) {
    ShardBlock block = batch.blocks[b];
    int64_t many = most < block.count ? most : block.count;
    for (int64_t i = 0; i < block.count; i += many) {
      int level = carries(i / many);
      float* sum = p.c = i + many < block.count ? kept + level * apart : out;
      multiply_node(p, c, batch, each, block.first + i, many, leaves, scratch,
                    [&](int64_t row, int rows, int64_t at, int64_t columns) {
                      for (int k = 0; k < level; k++)
                        for (int64_t r = row; r < row + rows; r++) {
                          float *to = sum + r * p.ldc + at, *node = kept + k * apart + r * p.ldc + at;
                          by_vectors(columns, [&](int64_t q, int64_t n) {
                            put(to + q, part(node + q, n) + part(to + q, n), n);
                          });
                        }
                    });
    }
  }
}

}  // namespace hg::HG_ISA
