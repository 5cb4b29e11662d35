// Embedding: y = W[ids], and the sum of dy over the positions of each id.
#include "cuts.h"

namespace hg::HG_ISA {

namespace {

// A table (vocabulary, width), and `each` ids of a sample; indexed: these are data, reached through the
// batch's rows.
#define HG_TABLE (width, fixed(1, 1 << 24)), (vocabulary, fixed(1))
#define HG_IDS                                                                             \
  HG_TABLE, (samples, size()), (each, fixed(0, 1 << 24)),                                  \
  (ids, read(samples, each).ints().picked_by(indexed)), (indexed, flag())
HG_ARGS(Table, HG_TABLE)
HG_ARGS(Indices, HG_IDS)

constexpr int64_t kRows = 64;      // rows in a unit of what goes by rows
constexpr int64_t kColumns = 32;   // columns in a unit of sums, so that each has one order

struct Ids {  // the ids of the batch in order
  const Job& j;
  int64_t each = j.i(Indices::each), count = j.i(Indices::samples) * each;
  int64_t operator[](int64_t k) const {
    const int32_t* ids = j.n(Indices::ids);
    return j.i(Indices::indexed) ? ids[j.batch->rows[k / each] * each + k % each] : ids[k];
  }
};

bool known(const Job& j, int64_t id) { return id >= 0 && id < j.i(Table::vocabulary); }

// -- embedding: y[k] = W[ids[k]] -----------------------------------------------------------

HG_ARGS(Embedding, HG_IDS, (W, read(vocabulary, width)), (y, write(samples, each, width)))

int64_t row_units(const Job& j) { return (j.i(Indices::samples) * j.i(Indices::each) + kRows - 1) / kRows; }

void run_embedding(const Job& j, int64_t begin, int64_t end, Scratch) {
  Ids ids{j};
  int64_t d = j.i(Table::width), stop = end * kRows < ids.count ? end * kRows : ids.count;
  for (int64_t k = begin * kRows; k < stop; k++) {
    int64_t id = ids[k];
    if (!known(j, id)) return j.fail(kBadIndex);
    std::memcpy(j.f(Embedding::y) + k * d, j.f(Embedding::W) + id * d, size_t(d) * 4);
  }
}

Cost cost(const Job& j) {
  return {0, 12.0 * double(j.i(Indices::samples)) * double(j.i(Indices::each)) * double(j.i(Table::width))};
}

// -- codes: ids[n, c] = x[n, columns[c]] rounded + starts[c], below starts[c] + sizes[c] ------

HG_ARGS(Codes, (width, fixed(1, 1 << 24)), (each, fixed(1, 1 << 24)), (samples, size()), (x, read(samples, width)),
        (columns, read(each).ints()), (starts, read(each).ints()), (sizes, read(each).ints()),
        (ids, write(samples, each).ints()))

int64_t code_units(const Job& j) { return (j.i(Codes::samples) + kRows - 1) / kRows; }

void run_codes(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = Codes;
  int64_t each = j.i(A::each), last = end * kRows < j.i(A::samples) ? end * kRows : j.i(A::samples);
  for (int64_t n = begin * kRows; n < last; n++)
    for (int64_t c = 0; c < each; c++) {
      int64_t column = j.n(A::columns)[c];
      if (column < 0 || column >= j.i(A::width)) return j.fail(kBadIndex);
      float code = __builtin_rintf(j.f(A::x)[n * j.i(A::width) + column]);
      if (!(code >= 0 && code < float(j.n(A::sizes)[c]))) return j.fail(kBadIndex);
      j.n(A::ids)[n * each + c] = int32_t(code) + j.n(A::starts)[c];
    }
}

Cost code_cost(const Job& j) { return {0, 8.0 * double(j.i(Codes::samples)) * double(j.i(Codes::each))}; }

// -- embedding_sums: dW[ids[k]] += dy[k], in the order of k; touched[k] = ids[k] ------------

HG_ARGS(Sums, HG_IDS, (dW, update(vocabulary, width)), (dy, read(samples, each, width)),
        (touched, write(samples, each).ints().maybe()))

int64_t column_units(const Job& j) { return (j.i(Table::width) + kColumns - 1) / kColumns; }

void run_sums(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = Sums;
  Ids ids{j};
  int64_t d = j.i(Table::width), at = begin * kColumns, columns = (end * kColumns < d ? end * kColumns : d) - at;
  for (int64_t k = 0; k < ids.count; k++) {
    int64_t id = ids[k];
    if (!known(j, id)) return j.fail(kBadIndex);
    if (begin == 0 && j.has(A::touched)) j.n(A::touched)[k] = int32_t(id);
    float* sum = j.f(A::dW) + id * d + at;
    const float* dy = j.f(A::dy) + k * d + at;
    by_vectors(columns, [&](int64_t q, int64_t n) { put(sum + q, part(sum + q, n) + part(dy + q, n), n); });
  }
}

// -- embedding_clear: dW = 0 ---------------------------------------------------------------
//
// Only the touched rows, whose ids the step before left, for the others are still zero: but all rows in
// the first step of a run, since nothing says what was written between two runs.

HG_ARGS(Clear, HG_TABLE, (samples, size()), (dW, write(vocabulary, width)), (touched, read(most).ints().maybe()),
        (most, fixed().maybe()))

void check_clear(Check& c) {
  if (c.in_shards()) c.by_shards({Clear::dW});
}

bool clears_all(const Job& j) { return !j.has(Clear::touched) || j.batch->step == 0; }

int64_t clear_units(const Job& j) {
  return clears_all(j) ? (j.i(Table::vocabulary) + kRows - 1) / kRows : column_units(j);
}

void clear_rows(const Job& j, int64_t begin, int64_t end, float* dW) {
  using A = Clear;
  int64_t d = j.i(Table::width), v = j.i(Table::vocabulary);
  if (clears_all(j)) {
    int64_t from = begin * kRows, to = end * kRows < v ? end * kRows : v;
    std::memset(dW + from * d, 0, size_t((to - from) * d) * 4);
    return;
  }
  int64_t at = begin * kColumns, columns = (end * kColumns < d ? end * kColumns : d) - at;
  for (int64_t k = 0; k < j.i(A::most); k++)
    if (known(j, j.n(A::touched)[k])) std::memset(dW + j.n(A::touched)[k] * d + at, 0, size_t(columns) * 4);
}

void run_clear(const Job& j, int64_t begin, int64_t end, Scratch) {
  int64_t blocks = j.batch->all_shards ? j.batch->block_count : 1;
  for (int64_t b = 0; b < blocks; b++) clear_rows(j, begin, end, j.f(Clear::dW) + b * j.batch->sums_step);
}

Cost clear_cost(const Job& j) {
  double rows = double(clears_all(j) ? j.i(Table::vocabulary) : j.i(Clear::most));
  return {0, 4 * rows * double(j.i(Table::width))};
}

// -- embedding_chains: heads: the positions of ids that are there for the first time, in order, then −1s; next[k]: the
// next position of the id of k, or −1
//
// last[id]: its last position, or whatever was left there by a step before.

HG_ARGS(Chains, HG_IDS, (last, update(vocabulary).ints()), (next, write(samples, each).ints()),
        (heads, write(samples, each).ints()), (touched, write(samples, each).ints().maybe()))

int64_t chain_units(const Job& j) { return j.i(Indices::samples) * j.i(Indices::each) > 0; }

void run_chains(const Job& j, int64_t, int64_t, Scratch) {
  using A = Chains;
  Ids ids{j};
  int32_t *last = j.n(A::last), *next = j.n(A::next), *heads = j.n(A::heads);
  int64_t count = 0;
  for (int32_t k = 0; k < ids.count; k++) {
    int64_t id = ids[k];
    if (!known(j, id)) return j.fail(kBadIndex);
    if (j.has(A::touched)) j.n(A::touched)[k] = int32_t(id);
    int32_t before = last[id];
    if (before >= 0 && before < k && ids[before] == id) next[before] = k;
    else heads[count++] = k;
    next[k] = -1, last[id] = k;
  }
  for (; count < ids.count; count++) heads[count] = -1;
}

Cost chain_cost(const Job& j) { return {0, 32.0 * double(j.i(Indices::samples)) * double(j.i(Indices::each))}; }

// -- embedding_shard_sums: dW[id] = Σ dy over its positions, in the tree of the shards --------------------
//
// A shard that does not have the id would add 0, and is left out: sums begin with 0, so that none is −0.

HG_ARGS(ShardSums, HG_IDS, (dW, write(vocabulary, width)), (dy, read(samples, each, width)),
        (next, read(samples, each).ints()), (heads, read(samples, each).ints()))

void check_shard_sums(Check& c) {
  if (c.in_shards()) c.of_shard(Indices::samples), c.by_shards({ShardSums::dW});
}

constexpr int64_t kHeads = 64;  // in a unit

int64_t head_units(const Job& j) {
  return (j.i(Indices::samples) * j.i(Indices::each) + kHeads - 1) / kHeads * column_units(j);
}

// Sums of the shards of a block in some columns: nodes of the tree whose parent is not there yet, from left to right.
struct Nodes {
  int64_t columns, count;
  int64_t shards[kLevels + 1];  // the last of each
  float sums[kLevels + 1][kColumns];

  // Adds up what the tree adds up before a shard comes in, which all the others precede.
  void close(int64_t shard) {
    for (; count > 1 && (shards[count - 2] ^ shards[count - 1]) < (shards[count - 1] ^ shard); count--) {
      float *left = sums[count - 2], *right = sums[count - 1];
      by_vectors(columns, [&](int64_t q, int64_t n) { put(left + q, part(left + q, n) + part(right + q, n), n); });
      shards[count - 2] = shards[count - 1];
    }
  }

  float* open(int64_t shard) {
    close(shard);
    shards[count] = shard;
    std::memset(sums[count], 0, size_t(columns) * 4);
    return sums[count++];
  }

  void finish(float* to) {
    close(INT64_MAX);
    if (count) std::memcpy(to, sums[0], size_t(columns) * 4);
    count = 0;
  }
};

// The positions from k on, of which the first is in shard s; `to` is their row of dW, from a column on.
bool sum_chain(const Job& j, const Cuts& shards, int64_t k, int64_t s, const float* dy, float* to, Nodes& nodes) {
  const int32_t* next = j.n(ShardSums::next);
  int64_t d = j.i(Table::width), b = 0;
  for (int64_t last = -1; k >= 0;) {
    while (k >= shards.end(s)) s++;
    for (; b < j.batch->block_count && s >= j.batch->blocks[b].first + j.batch->blocks[b].count; b++)
      nodes.finish(to + b * j.batch->sums_step);
    float* sum = nodes.open(s);
    for (; k >= 0 && k < shards.end(s); last = k, k = next[k]) {
      if (k <= last) return false;
      const float* from = dy + k * d;
      by_vectors(nodes.columns, [&](int64_t q, int64_t n) { put(sum + q, part(sum + q, n) + part(from + q, n), n); });
    }
    if (k >= shards.length || (k >= 0 && k <= last)) return false;
  }
  return nodes.finish(to + b * j.batch->sums_step), true;
}

void run_shard_sums(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = ShardSums;
  Ids ids{j};
  Cuts shards(j, ids.count);
  int64_t d = j.i(Table::width), across = column_units(j);
  Nodes nodes;
  for (int64_t u = begin; u < end; u++) {
    int64_t at = u % across * kColumns, h = u / across * kHeads, stop = h + kHeads < ids.count ? h + kHeads : ids.count;
    nodes.columns = d - at < kColumns ? d - at : kColumns, nodes.count = 0;
    for (int64_t s = 0, k; h < stop && (k = j.n(A::heads)[h]) >= 0; h++) {
      if (k >= ids.count || k < shards.begin(s) || !known(j, ids[k])) return j.fail(kBadIndex);
      while (k >= shards.end(s)) s++;
      float* to = j.f(A::dW) + ids[k] * d + at;
      if (!sum_chain(j, shards, k, s, j.f(A::dy) + at, to, nodes)) return j.fail(kBadIndex);
    }
  }
}

const Kernel kernels[] = {
    {.name = "embedding", .args = Embedding::all, .units = row_units, .run = run_embedding, .cost = cost},
    {.name = "codes", .args = Codes::all, .units = code_units, .run = run_codes, .cost = code_cost},
    {.name = "embedding_sums", .args = Sums::all, .units = column_units, .run = run_sums, .cost = cost},
    {.name = "embedding_clear", .args = Clear::all, .check = check_clear, .units = clear_units, .run = run_clear, .cost = clear_cost,
     .shards = true},
    {.name = "embedding_chains", .args = Chains::all, .units = chain_units, .run = run_chains, .cost = chain_cost,
     .shards = true},
    {.name = "embedding_shard_sums", .args = ShardSums::all, .check = check_shard_sums, .units = head_units,
     .run = run_shard_sums, .cost = cost, .shards = true},
};

}  // namespace

Family embedding_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
