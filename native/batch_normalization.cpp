// Batch normalization: each column of x brought to mean 0 and variance 1 over the rows.
#include "activation.h"
#include "blocks.h"

namespace hg::HG_ISA {

namespace {

// x has so many rows and columns; stats (2, columns) are mean and 1 / √(variance + eps); blocks
// (B, 2, columns) are sums over blocks of rows.

#define HG_COLUMNS (rows, size()), (columns, fixed(1, 1 << 24))
HG_ARGS(Columns, HG_COLUMNS)

int64_t block_words(Check& c) {
  int64_t columns = c.size(Columns::columns);
  return c.times(block_count(c.size(Columns::rows), columns), 2 * columns);
}

int64_t row_blocks(const Job& j) { return block_count(j.i(Columns::rows), j.i(Columns::columns)); }
int64_t column_vectors(const Job& j) { return (j.i(Columns::columns) + 15) / 16; }

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
  for (int64_t b = begin; b < end; b++) {
    Block rows = block_of(b, j.i(Columns::rows), columns);
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

// batch_statistics: stats from all blocks; the running mean and variance follow by the momentum. Without
// blocks the running ones become the stats.

HG_ARGS(Statistics, HG_COLUMNS, (blocks, reads().maybe()), (stats, write(columns).each(2)),
        (running_mean, update(columns)), (running_var, update(columns)), (eps, real()), (momentum, real()))

void check_statistics(Check& c) { c.holds(Statistics::blocks, block_words(c)); }

void follow(float* running, vec batch, double momentum, int64_t n) {
  vec old = part(running, n);
  put(running, fma(set1(float(momentum)), old, set1(float(1 - momentum)) * batch), n);
}

void run_statistics(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = Statistics;
  int64_t columns = j.i(A::columns), rows = j.i(A::rows);
  int64_t from = begin * 16, to = end * 16 < columns ? end * 16 : columns;
  double momentum = j.r(A::momentum);
  by_vectors(to - from, [&](int64_t q, int64_t n) {
    q += from;
    vec mean = set1(0), squares = set1(0);
    int64_t done = 0, blocks = j.has(A::blocks) ? block_count(rows, columns) : 0;
    for (int64_t b = 0; b < blocks; b++) {
      const float* block = j.f(A::blocks) + b * 2 * columns + q;
      Block here = block_of(b, rows, columns);
      float count = float(here.end - here.begin), all = float(done) + count;
      vec delta = part(block, n) - mean;
      mean = fma(delta, set1(count / all), mean);
      squares = squares + fma(delta * delta, set1(float(done) * count / all), part(block + columns, n));
      done += here.end - here.begin;
    }
    vec variance = squares / set1(float(rows > 1 ? rows : 1));
    if (!j.has(A::blocks)) mean = part(j.f(A::running_mean) + q, n), variance = part(j.f(A::running_var) + q, n);
    else if (rows > 1)
      follow(j.f(A::running_mean) + q, mean, momentum, n), follow(j.f(A::running_var) + q, variance, momentum, n);
    put(j.f(A::stats) + q, mean, n);
    put(j.f(A::stats) + columns + q, set1(1) / sqrt(variance + set1(float(j.r(A::eps)))), n);
  });
}

// column_scale: y = f(γ (x − mean) r + β).

HG_ARGS(Scale, HG_COLUMNS, (x, read(rows, columns)), (y, write(rows, columns)), (stats, read(columns).each(2)),
        (gamma, read(columns)), (beta, read(columns)), (op, option<Activation>()), HG_OP_OPTIONS)

void run_scale(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = Scale;
  int64_t columns = j.i(Columns::columns);
  const float *mean = j.f(A::stats), *r = mean + columns, *gamma = j.f(A::gamma), *beta = j.f(A::beta);
  Options options(j, A::op_a);
  Block all{block_of(begin, j.i(Columns::rows), columns).begin, block_of(end - 1, j.i(Columns::rows), columns).end};
  with_code<Activation::kCount>(j.i(A::op), [&](auto code) {
    for (int64_t k = all.begin; k < all.end; k++)
      by_vectors(columns, [&](int64_t q, int64_t n) {
        vec d = part(j.f(A::x) + k * columns + q, n) - part(mean + q, n);
        vec y = fma(d, part(r + q, n) * part(gamma + q, n), part(beta + q, n));
        put(j.f(A::y) + k * columns + q, activate<code()>(y, options), n);
      });
  });
}

// column_gradients: of each block Σ dy and Σ dy (x − mean).

HG_ARGS(ColumnGradients, HG_COLUMNS, (x, read(rows, columns)), (dy, read(rows, columns)),
        (stats, read(columns).each(2)), (blocks, writes()))

void check_column_gradients(Check& c) { c.holds(ColumnGradients::blocks, block_words(c)); }

void run_column_gradients(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = ColumnGradients;
  int64_t columns = j.i(Columns::columns);
  for (int64_t b = begin; b < end; b++) {
    Block rows = block_of(b, j.i(Columns::rows), columns);
    float* out = j.f(A::blocks) + b * 2 * columns;
    by_vectors(columns, [&](int64_t q, int64_t n) {
      const float *x = j.f(A::x) + q, *dy = j.f(A::dy) + q;
      vec mean = part(j.f(A::stats) + q, n);
      put(out + q, four_sums(rows, [&](int64_t k) { return part(dy + k * columns, n); }), n);
      put(out + columns + q, four_sums(rows, [&](int64_t k) {
        return part(dy + k * columns, n) * (part(x + k * columns, n) - mean);
      }), n);
    });
  }
}

// batch_gradients: dγ, dβ, and the means of dy, and of dy x̂ times r, which is what column_dx needs.

HG_ARGS(BatchGradients, HG_COLUMNS, (blocks, reads()), (stats, read(columns).each(2)),
        (dgamma, update(columns).maybe()), (dbeta, update(columns).maybe()), (add, flag()),
        (means, write(columns).each(2)))

void check_batch_gradients(Check& c) { c.holds(BatchGradients::blocks, block_words(c)); }

void run_batch_gradients(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = BatchGradients;
  int64_t columns = j.i(A::columns), rows = j.i(A::rows);
  int64_t from = begin * 16, to = end * 16 < columns ? end * 16 : columns;
  vec count = set1(float(rows > 1 ? rows : 1));
  by_vectors(to - from, [&](int64_t q, int64_t n) {
    q += from;
    vec sum = set1(0), moment = set1(0), r = part(j.f(A::stats) + columns + q, n);
    for (int64_t b = 0; b < block_count(rows, columns); b++) {
      sum = sum + part(j.f(A::blocks) + b * 2 * columns + q, n);
      moment = moment + part(j.f(A::blocks) + (b * 2 + 1) * columns + q, n);
    }
    put(j.f(A::means) + q, sum / count, n);
    put(j.f(A::means) + columns + q, moment * r * r / count, n);
    moment = moment * r;
    if (j.has(A::dgamma)) put(j.f(A::dgamma) + q, j.i(A::add) ? moment + part(j.f(A::dgamma) + q, n) : moment, n);
    if (j.has(A::dbeta)) put(j.f(A::dbeta) + q, j.i(A::add) ? sum + part(j.f(A::dbeta) + q, n) : sum, n);
  });
}

// column_dx: dx = γ r (dy − mean(dy) − x̂ mean(dy x̂)).

HG_ARGS(ColumnDx, HG_COLUMNS, (x, read(rows, columns)), (dx, write(rows, columns)), (stats, read(columns).each(2)),
        (dy, read(rows, columns)), (gamma, read(columns)), (means, read(columns).each(2)))

void run_column_dx(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = ColumnDx;
  int64_t columns = j.i(Columns::columns);
  const float *mean = j.f(A::stats), *r = mean + columns, *gamma = j.f(A::gamma);
  const float *mean_dy = j.f(A::means), *moment = mean_dy + columns;
  Block all{block_of(begin, j.i(Columns::rows), columns).begin, block_of(end - 1, j.i(Columns::rows), columns).end};
  for (int64_t k = all.begin; k < all.end; k++)
    by_vectors(columns, [&](int64_t q, int64_t n) {
      vec d = part(j.f(A::x) + k * columns + q, n) - part(mean + q, n);
      vec g = fnma(d, part(moment + q, n), part(j.f(A::dy) + k * columns + q, n) - part(mean_dy + q, n));
      put(j.f(A::dx) + k * columns + q, g * (part(r + q, n) * part(gamma + q, n)), n);
    });
}

template <int passes>
Cost cost(const Job& j) {
  double words = double(j.i(Columns::rows)) * double(j.i(Columns::columns));
  return {0, passes * 4 * words};
}

Cost small_cost(const Job& j) { return {0, 16.0 * double(row_blocks(j)) * double(j.i(Columns::columns))}; }

const Kernel kernels[] = {
    {.name = "column_moments", .args = Moments::all, .check = check_moments, .units = row_blocks, .run = run_moments,
     .cost = cost<2>},
    {.name = "batch_statistics", .args = Statistics::all, .check = check_statistics, .units = column_vectors,
     .run = run_statistics, .cost = small_cost},
    {.name = "column_scale", .args = Scale::all, .units = row_blocks, .run = run_scale, .cost = cost<2>},
    {.name = "column_gradients", .args = ColumnGradients::all, .check = check_column_gradients, .units = row_blocks,
     .run = run_column_gradients, .cost = cost<2>},
    {.name = "batch_gradients", .args = BatchGradients::all, .check = check_batch_gradients, .units = column_vectors,
     .run = run_batch_gradients, .cost = small_cost},
    {.name = "column_dx", .args = ColumnDx::all, .units = row_blocks, .run = run_column_dx, .cost = cost<3>},
};

}  // namespace

Family batch_normalization_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
