// Sums over a batch that falls into shards. Each shard is added up alone, and shards are added in one binary
// tree over their numbers, left half + right half; so the bits of a sum do not depend on where a shard is
// computed. What is computed here are some nodes of the tree, `blocks` of the Batch; the sum of each goes to a row
// of its own of the segment of sums: `sums_step` words behind that of the block before it, row 0 being where the
// arguments of a kernel say.
//
// A shard may be empty: its sum is 0, and is added as any other. A rank without shards has no blocks.
#pragma once
#include "row.h"
#include "simd.h"

namespace hg::HG_ISA {

constexpr int kLevels = 12;  // of the tree of kMostShards shards

// Of the shards of a block, added one after the other, how many sums that are kept must be added to that of number
// i, the lowest level first, before it is kept at the level after them.
inline int carries(int64_t i) { return __builtin_ctzll(~uint64_t(i)); }

inline int levels_of(const Batch& batch) { return batch.all_shards ? carries(batch.all_shards - 1) : 0; }

// Sums in registers, V vectors of them.
template <int V>
struct TreeSum {
  vec kept[kLevels][V];

  // Makes of the sum of shard i of a block that of the largest node that ends with it: after the last
  // shard, that of the block.
  void add(int64_t i, vec (&sum)[V]) {
    int level = carries(i);
    for (int k = 0; k < level; k++)
      for (int v = 0; v < V; v++) sum[v] = kept[k][v] + sum[v];
    for (int v = 0; v < V && level < kLevels; v++) kept[level][v] = sum[v];
  }
};

// The same for `words` in memory, at `out`; leaf(begin, end, sum) puts the sum of the samples [begin, end) of the
// batch there. levels: memory for levels_of(batch) · words.
template <class Leaf>
inline void add_block(const Batch& batch, const ShardBlock& block, int64_t words, float* levels, float* out,
                      Leaf leaf) {
  for (int64_t i = 0; i < block.count; i++) {
    int level = carries(i);
    float* sum = i + 1 < block.count ? levels + level * words : out;
    leaf(batch.borders[block.first + i], batch.borders[block.first + i + 1], sum);
    for (int k = 0; k < level; k++)
      by_vectors(words, [&](int64_t q, int64_t n) {
        put(sum + q, part(levels + k * words + q, n) + part(sum + q, n), n);
      });
  }
}

// Σ over the batch of some words at `out`: one sum, or those of the blocks here.
template <class Leaf>
inline void by_shards(const Batch& batch, int64_t words, float* levels, float* out, Leaf leaf) {
  if (!batch.all_shards) return leaf(int64_t(0), batch.n, out);
  for (int64_t b = 0; b < batch.block_count; b++)
    add_block(batch, batch.blocks[b], words, levels, out + b * batch.sums_step, leaf);
}

}  // namespace hg::HG_ISA
