// Where the shards of a batch lie among elements of which every sample has as many; and sums over them in registers.
#pragma once
#include "blocks.h"
#include "shards.h"

namespace hg::HG_ISA {

// `length` elements that count per sample are those of each shard here, one after the other; where the batch is not
// in shards, they are one stretch.
struct Cuts {
  const Batch& batch;
  int64_t length, each;  // elements of a sample

  Cuts(const Job& j, int64_t length) : batch(*j.batch), length(length), each(batch.n ? length / batch.n : 0) {}
  int64_t count() const { return batch.all_shards ? batch.shards : 1; }  // of the parts
  int64_t begin(int64_t s) const { return batch.all_shards ? batch.borders[s] * each : 0; }
  int64_t end(int64_t s) const { return s + 1 == count() ? length : begin(s + 1); }
  int64_t most() const {  // elements of a part
    if (!batch.all_shards) return length;
    return batch.shards ? (batch.n + batch.shards - 1) / batch.shards * each : 0;
  }
};

// The elements of every shard in parts of so many, of which the last may be shorter. Parts are numbered as if all
// shards had as many, `slots`: some are empty.
struct Parts : Cuts {
  int64_t size, slots;

  Parts(const Job& j, int64_t length, int64_t size)
      : Cuts(j, length), size(size), slots((most() + size - 1) / size) {}
  int64_t numbers() const { return count() * slots; }
  int64_t first(int64_t s) const { return s * slots; }
  int64_t stop(int64_t s) const { return first(s) + (end(s) - begin(s) + size - 1) / size; }
  Block part(int64_t number) const {
    int64_t s = number / slots, from = begin(s) + number % slots * size, to = end(s);
    return {from < to ? from : to, from + size < to ? from + size : to};
  }
};

// leaf(s, sum) makes V vectors of sums of shard s; each(words, sum) is told those of every block, and how far behind
// row 0 its row of sums begins.
template <int V, class Leaf, class Each>
inline void add_shards(const Batch& batch, Leaf leaf, Each each) {
  vec sum[V] = {};
  if (!batch.all_shards) return leaf(int64_t(0), sum), each(int64_t(0), sum);
  for (int64_t b = 0; b < batch.block_count; b++) {
    TreeSum<V> tree;
    for (int64_t i = 0; i < batch.blocks[b].count; i++) leaf(batch.blocks[b].first + i, sum), tree.add(i, sum);
    each(b * batch.sums_step, sum);
  }
}

}  // namespace hg::HG_ISA
