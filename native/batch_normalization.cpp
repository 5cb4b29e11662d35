// Batch normalization: each column of x brought to mean 0 and variance 1 over the rows of the batch, or over those
// of each of its shards apart.
#include "activation.h"
#include "cuts.h"

namespace hg::HG_ISA {

namespace {

// x has so many rows and columns; stats (2, columns) are mean and 1 / √(variance + eps), of each shard here where
// they are apart; blocks (B, 2, columns) are two sums over blocks of rows, no block being of two shards; shards
// (count, 2, columns) are these sums over every shard of the batch, wherever it is computed.

#define HG_COLUMNS (rows, size()), (columns, fixed(1, 1 << 24)), (apart, flag())
#define HG_ALL (count, fixed(0, kMostShards).maybe()), (each, fixed(0).maybe())  // shards of the batch; rows of a sample
HG_ARGS(Columns, HG_COLUMNS)

int64_t block_words(Check& c) {
  int64_t columns = c.size(Columns::columns);
  return c.fault ? 0 : c.times(c.parts(Columns::rows, block_rows(columns)), 2 * columns);
}

void check_apart(Check& c, int stats) {
  bool apart = c.size(Columns::apart);
  c.require(!apart || c.in_shards(), "a batch that is not in shards has none apart");
  if (apart) c.parts(Columns::rows, 1);
  c.holds(stats, c.times(apart ? c.shards() : 1, 2 * c.size(Columns::columns)));
}

void check_count(Check& c, int count, int shards) {
  if (c.has(shards)) c.require(c.size(count) == c.all_shards(), "the batch falls into another number of shards", count);
}

Parts blocks_of(const Job& j) { return Parts(j, j.i(Columns::rows), block_rows(j.i(Columns::columns))); }
int64_t sum_units(const Job& j) { return blocks_of(j).numbers(); }
int64_t row_blocks(const Job& j) { return block_count(j.i(Columns::rows), j.i(Columns::columns)); }
int64_t column_vectors(const Job& j) { return (j.i(Columns::columns) + 15) / 16; }

// each(first, count) for the columns of some units.
template <class Each>
void by_columns(const Job& j, int64_t begin, int64_t end, Each each) {
  int64_t columns = j.i(Columns::columns), from = begin * 16, to = end * 16 < columns ? end * 16 : columns;
  by_vectors(to - from, [&](int64_t q, int64_t n) { each(from + q, n); });
}

// each(rows, statistics) for the rows of some units, and the words before the statistics of these.
template <class Each>
void by_statistics(const Job& j, int64_t begin, int64_t end, Each each) {
  int64_t rows = j.i(Columns::rows), columns = j.i(Columns::columns);
  Block all{block_of(begin, rows, columns).begin, block_of(end - 1, rows, columns).end};
  if (!j.i(Columns::apart)) return each(all, int64_t(0));
  Cuts cuts(j, rows);
  for (int64_t s = 0; s < cuts.count(); s++) {
    Block here{cuts.begin(s) > all.begin ? cuts.begin(s) : all.begin, cuts.end(s) < all.end ? cuts.end(s) : all.end};
    if (here.begin < here.end) each(here, s * 2 * columns);
  }
}

// Four sums, of the rows 0, 4, 8 …, of 1, 5, 9 … and so on, added at the end: no long chain.
template <class Term>
vec four_sums(Block rows, Term term) {
  vec s[4] = {set1(0), set1(0), set1(0), set1(0)};
  for (int64_t k = rows.begin; k < rows.end; k++) s[(k - rows.begin) & 3] = s[(k - rows.begin) & 3] + term(k);
  return (s[0] + s[2]) + (s[1] + s[3]);
}

// column_moments: of each block the mean, and the sum of squares about it.

HG_ARGS(Moments, HG_COLUMNS, (x, read(rows, columns)), (blocks, writes()))

void check_moments(Check& c) { c.holds(Moments::blocks, block_words(c)); }

void run_moments(const Job& j, int64_t begin, int64_t end, Scratch) {
  int64_t columns = j.i(Columns::columns);
  Parts blocks = blocks_of(j);
  for (int64_t b = begin; b < end; b++) {
    Block rows = blocks.part(b);
    if (rows.begin == rows.end) continue;
    float* out = j.f(Moments::blocks) + b * 2 * columns;
    by_vectors(columns, [&](int64_t q, int64_t n) {
      const float* x = j.f(Moments::x) + q;
      vec mean = four_sums(rows, [&](int64_t k) { return part(x + k * columns, n); });
      mean = mean / set1(float(rows.end - rows.begin));
      put(out + q, mean, n);
      put(out + columns + q, four_sums(rows, [&](int64_t k) {
        vec d = part(x + k * columns, n) - mean;
        return d * d;
      }), n);
    });
  }
}

// Two sums over some rows: Σ a and Σ b; or their mean, and the sum of squares about it.
struct Pair { int64_t rows; vec a, b; };

Pair add(const Pair& p, const Pair& q) { return {p.rows + q.rows, p.a + q.a, p.b + q.b}; }

Pair add_moments(const Pair& p, const Pair& q) {
  if (p.rows == 0 || q.rows == 0) return q.rows ? q : p;
  float count = float(q.rows), all = float(p.rows) + count;
  vec delta = q.a - p.a;
  return {p.rows + q.rows, fma(delta, set1(count / all), p.a),
          p.b + fma(delta * delta, set1(float(p.rows) * count / all), q.b)};
}

// The two sums of every shard: from its blocks, one after the other, or as they were gathered from everywhere.
struct Sources {
  const float* sums;
  int64_t columns, each;
  bool gathered;
  Parts blocks;
  const Batch& batch;

  Sources(const Job& j, int blocks_arg, int shards_arg, int each_arg)
      : sums(j.f(blocks_arg)), columns(j.i(Columns::columns)), each(0), gathered(shards_arg && j.has(shards_arg)),
        blocks(blocks_of(j)), batch(*j.batch) {
    if (gathered) sums = j.f(shards_arg), each = j.i(each_arg);
  }
  int64_t count() const { return gathered ? batch.all_shards : blocks.count(); }
  int64_t border(int64_t s) const { return s * batch.whole / batch.all_shards * each; }

  template <class Join>
  Pair of(int64_t s, int64_t q, int64_t n, Join join) const {
    Pair sum{0, set1(0), set1(0)};
    const float* from = sums + (gathered ? s : blocks.first(s)) * 2 * columns + q;
    int64_t left = gathered ? border(s + 1) - border(s) : blocks.end(s) - blocks.begin(s);
    for (int64_t size = gathered ? left : blocks.size, rows; left > 0; left -= rows, from += 2 * columns) {
      rows = left < size ? left : size;
      sum = join(sum, Pair{rows, part(from, n), part(from + columns, n)});
    }
    return sum;
  }

  template <class Join>
  Pair all(int64_t q, int64_t n, Join join) const {  // in the tree
    Pair kept[kLevels + 1], sum{0, set1(0), set1(0)};
    for (int64_t s = 0; s < count(); s++) {
      sum = of(s, q, n, join);
      for (int k = 0; k < carries(s); k++) sum = join(kept[k], sum);
      kept[carries(s)] = sum;
    }
    return sum;
  }
};

// shard_sums: the two sums of the shards here among those of all, to be gathered.

HG_ARGS(ShardSums, HG_COLUMNS, (moments, flag()), (blocks, reads()), (count, fixed(0, kMostShards)),
        (shards, write(count, columns).each(2)))

void check_shard_sums(Check& c) {
  c.holds(ShardSums::blocks, block_words(c));
  check_count(c, ShardSums::count, ShardSums::shards);
}

void run_shard_sums(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = ShardSums;
  Sources from(j, A::blocks, 0, 0);
  int64_t columns = j.i(A::columns);
  by_columns(j, begin, end, [&](int64_t q, int64_t n) {
    for (int64_t s = 0; s < j.batch->shards; s++) {
      Pair sum = from.of(s, q, n, j.i(A::moments) ? add_moments : add);
      float* to = j.f(A::shards) + (j.batch->first_shard + s) * 2 * columns + q;
      put(to, sum.a, n), put(to + columns, sum.b, n);
    }
  });
}

// batch_statistics: stats from all blocks, or from the shards; the running mean and variance follow by the momentum.
// Without either the running ones become the stats. Where stats are apart, `moved` (2, columns) gets, as sums of
// shards, how far the running ones would move after each of them, times its samples.

HG_ARGS(Statistics, HG_COLUMNS, HG_ALL, (blocks, reads().maybe()), (shards, read(count, columns).each(2).maybe()),
        (stats, writes()), (running_mean, update(columns)), (running_var, update(columns)),
        (moved, write(columns).each(2).maybe()), (eps, real()), (momentum, real()))

void check_statistics(Check& c) {
  using A = Statistics;
  c.holds(A::blocks, block_words(c));
  check_apart(c, A::stats);
  check_count(c, A::count, A::shards);
  if (c.size(A::apart)) c.needs(A::blocks), c.needs(A::moved), c.by_shards({A::moved});
}

vec variance_of(const Pair& p) { return p.b / set1(float(p.rows > 1 ? p.rows : 1)); }

void put_stats(const Job& j, int64_t s, int64_t q, int64_t n, vec mean, vec variance) {
  float* to = j.f(Statistics::stats) + s * 2 * j.i(Columns::columns) + q;
  put(to, mean, n);
  put(to + j.i(Columns::columns), set1(1) / sqrt(variance + set1(float(j.r(Statistics::eps)))), n);
}

vec follow(const Job& j, const float* running, vec batch, int64_t n) {
  double momentum = j.r(Statistics::momentum);
  return fma(set1(float(momentum)), part(running, n), set1(float(1 - momentum)) * batch);
}

void apart_statistics(const Job& j, const Sources& from, int64_t q, int64_t n) {
  using A = Statistics;
  const float *mean = j.f(A::running_mean) + q, *variance = j.f(A::running_var) + q;
  add_shards<2>(*j.batch, [&](int64_t s, vec (&sum)[2]) {
    Pair p = from.of(s, q, n, add_moments);
    put_stats(j, s, q, n, p.a, variance_of(p));
    vec samples = set1(p.rows > 1 ? float(j.batch->borders[s + 1] - j.batch->borders[s]) : 0);
    sum[0] = samples * (follow(j, mean, p.a, n) - part(mean, n));
    sum[1] = samples * (follow(j, variance, variance_of(p), n) - part(variance, n));
  }, [&](int64_t row, vec (&sum)[2]) {
    put(j.f(A::moved) + row + q, sum[0], n);
    put(j.f(A::moved) + row + j.i(A::columns) + q, sum[1], n);
  });
}

void run_statistics(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = Statistics;
  Sources from(j, A::blocks, A::shards, A::each);
  by_columns(j, begin, end, [&](int64_t q, int64_t n) {
    if (j.i(A::apart)) return apart_statistics(j, from, q, n);
    float *mean = j.f(A::running_mean) + q, *variance = j.f(A::running_var) + q;
    if (!from.sums) return put_stats(j, 0, q, n, part(mean, n), part(variance, n));
    Pair p = from.all(q, n, add_moments);
    put_stats(j, 0, q, n, p.a, variance_of(p));
    if (p.rows > 1) put(mean, follow(j, mean, p.a, n), n), put(variance, follow(j, variance, variance_of(p), n), n);
  });
}

// running_statistics: moved as the shards of the batch say, by the mean over its samples.

HG_ARGS(Running, (columns, fixed(1, 1 << 24)), (moved, read(columns).each(2)), (running_mean, update(columns)),
        (running_var, update(columns)))

int64_t running_units(const Job& j) { return j.batch->whole > 0; }

void run_running(const Job& j, int64_t, int64_t, Scratch) {
  using A = Running;
  int64_t columns = j.i(A::columns);
  vec samples = set1(float(j.batch->whole));
  by_vectors(columns, [&](int64_t q, int64_t n) {
    const float* moved = j.f(A::moved) + q;
    for (float* running : {j.f(A::running_mean) + q, j.f(A::running_var) + q}) {
      put(running, part(running, n) + part(moved, n) / samples, n);
      moved += columns;
    }
  });
}

Cost running_cost(const Job& j) { return {0, 16.0 * double(j.i(Running::columns))}; }

// column_scale: y = f(γ (x − mean) r + β).

HG_ARGS(Scale, HG_COLUMNS, (x, read(rows, columns)), (y, write(rows, columns)), (stats, reads()),
        (gamma, read(columns)), (beta, read(columns)), (op, option<Activation>()), HG_OP_OPTIONS)

void check_scale(Check& c) { check_apart(c, Scale::stats); }

void run_scale(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = Scale;
  int64_t columns = j.i(Columns::columns);
  const float *gamma = j.f(A::gamma), *beta = j.f(A::beta);
  Options options(j, A::op_a);
  by_statistics(j, begin, end, [&](Block rows, int64_t statistics) {
    const float *mean = j.f(A::stats) + statistics, *r = mean + columns;
    with_code<Activation::kCount>(j.i(A::op), [&](auto code) {
      for (int64_t k = rows.begin; k < rows.end; k++)
        by_vectors(columns, [&](int64_t q, int64_t n) {
          vec d = part(j.f(A::x) + k * columns + q, n) - part(mean + q, n);
          vec y = fma(d, part(r + q, n) * part(gamma + q, n), part(beta + q, n));
          put(j.f(A::y) + k * columns + q, activate<code()>(y, options), n);
        });
    });
  });
}

// column_gradients: of each block Σ dy and Σ dy (x − mean).

HG_ARGS(ColumnGradients, HG_COLUMNS, (x, read(rows, columns)), (dy, read(rows, columns)), (stats, reads()),
        (blocks, writes()))

void check_column_gradients(Check& c) {
  check_apart(c, ColumnGradients::stats);
  c.holds(ColumnGradients::blocks, block_words(c));
}

void run_column_gradients(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = ColumnGradients;
  int64_t columns = j.i(Columns::columns);
  Parts blocks = blocks_of(j);
  for (int64_t b = begin; b < end; b++) {
    Block rows = blocks.part(b);
    const float* stats = j.f(A::stats) + (j.i(A::apart) ? b / blocks.slots * 2 * columns : 0);
    float* out = j.f(A::blocks) + b * 2 * columns;
    by_vectors(columns, [&](int64_t q, int64_t n) {
      const float *x = j.f(A::x) + q, *dy = j.f(A::dy) + q;
      vec mean = part(stats + q, n);
      put(out + q, four_sums(rows, [&](int64_t k) { return part(dy + k * columns, n); }), n);
      put(out + columns + q, four_sums(rows, [&](int64_t k) {
        return part(dy + k * columns, n) * (part(x + k * columns, n) - mean);
      }), n);
    });
  }
}

// batch_gradients: dγ, dβ, and the means of dy, and of dy x̂ times r, which is what column_dx needs: of each shard
// here where the statistics are apart.

HG_ARGS(BatchGradients, HG_COLUMNS, HG_ALL, (blocks, reads()), (shards, read(count, columns).each(2).maybe()),
        (stats, reads()), (dgamma, update(columns).maybe()), (dbeta, update(columns).maybe()), (add, flag()),
        (means, writes()))

void check_batch_gradients(Check& c) {
  using A = BatchGradients;
  c.holds(A::blocks, block_words(c));
  check_apart(c, A::stats);
  check_apart(c, A::means);
  check_count(c, A::count, A::shards);
  if (c.in_shards()) c.by_shards({A::dgamma, A::dbeta});
}

void put_means(const Job& j, int64_t statistics, int64_t q, int64_t n, const Pair& p, vec r) {
  float* to = j.f(BatchGradients::means) + statistics + q;
  vec count = set1(float(p.rows > 1 ? p.rows : 1));
  put(to, p.a / count, n);
  put(to + j.i(Columns::columns), p.b * r * r / count, n);
}

void run_batch_gradients(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = BatchGradients;
  int64_t columns = j.i(A::columns);
  bool apart = j.i(A::apart);
  Sources here(j, A::blocks, 0, 0), everywhere(j, A::blocks, A::shards, A::each);
  by_columns(j, begin, end, [&](int64_t q, int64_t n) {
    const float* r = j.f(A::stats) + columns + q;
    if (everywhere.gathered) put_means(j, 0, q, n, everywhere.all(q, n, add), part(r, n));
    add_shards<3>(*j.batch, [&](int64_t s, vec (&sum)[3]) {
      Pair p = here.of(s, q, n, add);
      int64_t statistics = apart ? s * 2 * columns : 0;
      vec scale = part(r + statistics, n);
      if (apart) put_means(j, statistics, q, n, p, scale);
      sum[0] = p.b * scale, sum[1] = p.a, sum[2] = p.b;
    }, [&](int64_t row, vec (&sum)[3]) {
      if (!apart && !everywhere.gathered) put_means(j, 0, q, n, {j.i(A::rows), sum[1], sum[2]}, part(r, n));
      for (int k = 0; k < 2; k++)
        if (int arg = k ? A::dbeta : A::dgamma; j.has(arg)) {
          float* to = j.f(arg) + row + q;
          put(to, j.i(A::add) ? sum[k] + part(to, n) : sum[k], n);
        }
    });
  });
}

// column_dx: dx = γ r (dy − mean(dy) − x̂ mean(dy x̂)).

HG_ARGS(ColumnDx, HG_COLUMNS, (x, read(rows, columns)), (dx, write(rows, columns)), (stats, reads()),
        (dy, read(rows, columns)), (gamma, read(columns)), (means, reads()))

void check_column_dx(Check& c) {
  for (int k : {ColumnDx::stats, ColumnDx::means}) check_apart(c, k);
}

void run_column_dx(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = ColumnDx;
  int64_t columns = j.i(Columns::columns);
  const float* gamma = j.f(A::gamma);
  by_statistics(j, begin, end, [&](Block rows, int64_t statistics) {
    const float *mean = j.f(A::stats) + statistics, *r = mean + columns;
    const float *mean_dy = j.f(A::means) + statistics, *moment = mean_dy + columns;
    for (int64_t k = rows.begin; k < rows.end; k++)
      by_vectors(columns, [&](int64_t q, int64_t n) {
        vec d = part(j.f(A::x) + k * columns + q, n) - part(mean + q, n);
        vec g = fnma(d, part(moment + q, n), part(j.f(A::dy) + k * columns + q, n) - part(mean_dy + q, n));
        put(j.f(A::dx) + k * columns + q, g * (part(r + q, n) * part(gamma + q, n)), n);
      });
  });
}

template <int passes>
Cost cost(const Job& j) {
  double words = double(j.i(Columns::rows)) * double(j.i(Columns::columns));
  return {0, passes * 4 * words};
}

Cost small_cost(const Job& j) { return {0, 16.0 * double(sum_units(j)) * double(j.i(Columns::columns))}; }

const Kernel kernels[] = {
    {.name = "column_moments", .args = Moments::all, .check = check_moments, .units = sum_units, .run = run_moments,
     .cost = cost<2>, .shards = true},
    {.name = "shard_sums", .args = ShardSums::all, .check = check_shard_sums, .units = column_vectors,
     .run = run_shard_sums, .cost = small_cost, .shards = true},
    {.name = "batch_statistics", .args = Statistics::all, .check = check_statistics, .units = column_vectors,
     .run = run_statistics, .cost = small_cost, .shards = true},
    {.name = "running_statistics", .args = Running::all, .units = running_units, .run = run_running,
     .cost = running_cost, .shards = true},
    {.name = "column_scale", .args = Scale::all, .check = check_scale, .units = row_blocks, .run = run_scale,
     .cost = cost<2>, .shards = true},
    {.name = "column_gradients", .args = ColumnGradients::all, .check = check_column_gradients, .units = sum_units,
     .run = run_column_gradients, .cost = cost<2>, .shards = true},
    {.name = "batch_gradients", .args = BatchGradients::all, .check = check_batch_gradients, .units = column_vectors,
     .run = run_batch_gradients, .cost = small_cost, .shards = true},
    {.name = "column_dx", .args = ColumnDx::all, .check = check_column_dx, .units = row_blocks, .run = run_column_dx,
     .cost = cost<3>, .shards = true},
};

}  // namespace

Family batch_normalization_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
