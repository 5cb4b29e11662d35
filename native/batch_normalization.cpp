// Batch normalization: each column of x brought to mean 0 and variance 1 over the rows.
#include "activation.h"
#include "blocks.h"

namespace hg::HG_ISA {

namespace {

// x has R rows of C columns; stats (2, C) are mean and 1 / √(variance + eps).
// args: 0 R, 1 C, 2 x, 3 y, or blocks (B, 2, C) for sums over rows, 4 stats; then as each kernel says.

enum { ROWS = 0, COLUMNS, X, Y, BLOCKS = 3, STATS };

int64_t check_columns(Check& c) {  // words of x
  int64_t rows = c.size(ROWS), columns = c.fixed(COLUMNS, 1, 1 << 24);
  return c.times(rows, columns);
}

int64_t block_words(Check& c) {
  int64_t rows = c.size(ROWS), columns = c.fixed(COLUMNS, 1, 1 << 24);
  return c.fault ? 0 : c.times(block_count(rows, columns), 2 * columns);
}

int64_t row_blocks(const Job& j) { return block_count(j.i(ROWS), j.i(COLUMNS)); }
int64_t column_vectors(const Job& j) { return (j.i(COLUMNS) + 15) / 16; }

// Four sums, of the rows 0, 4, 8 …, of 1, 5, 9 … and so on, added at the end: no long chain.
template <class Term>
vec four_sums(Block rows, Term term) {
  vec s[4] = {set1(0), set1(0), set1(0), set1(0)};
  for (int64_t k = rows.begin; k < rows.end; k++) s[(k - rows.begin) & 3] = s[(k - rows.begin) & 3] + term(k);
  return (s[0] + s[2]) + (s[1] + s[3]);
}

// column_moments: of each block the mean, and the sum of squares about it.

void check_moments(Check& c) {
  c.reads(X, check_columns(c));
  c.writes(BLOCKS, block_words(c));
}

void run_moments(const Job& j, int64_t begin, int64_t end, Scratch) {
  int64_t columns = j.i(COLUMNS);
  for (int64_t b = begin; b < end; b++) {
    Block rows = block_of(b, j.i(ROWS), columns);
    float* out = j.f(BLOCKS) + b * 2 * columns;
    by_vectors(columns, [&](int64_t q, int64_t n) {
      const float* x = j.f(X) + q;
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

// batch_statistics: stats from all blocks; 5, 6 running mean and variance or none, which follow by
// the momentum, reals[1]. Without blocks the running ones become the stats. reals[0]: eps.

void check_statistics(Check& c) {
  check_columns(c);
  int64_t columns = c.fixed(COLUMNS, 1, 1 << 24);
  c.may_read(BLOCKS, block_words(c));
  c.writes(STATS, 2 * columns);
  if (c.has(BLOCKS)) c.writes(5, columns), c.writes(6, columns);
  else c.reads(5, columns), c.reads(6, columns);
}

void follow(float* running, vec batch, double momentum, int64_t n) {
  vec old = part(running, n);
  put(running, fma(set1(float(momentum)), old, set1(float(1 - momentum)) * batch), n);
}

void run_statistics(const Job& j, int64_t begin, int64_t end, Scratch) {
  int64_t columns = j.i(COLUMNS), rows = j.i(ROWS), from = begin * 16, to = end * 16 < columns ? end * 16 : columns;
  by_vectors(to - from, [&](int64_t q, int64_t n) {
    q += from;
    vec mean = set1(0), squares = set1(0);
    int64_t done = 0, blocks = j.has(BLOCKS) ? block_count(rows, columns) : 0;
    for (int64_t b = 0; b < blocks; b++) {
      const float* block = j.f(BLOCKS) + b * 2 * columns + q;
      Block here = block_of(b, rows, columns);
      float count = float(here.end - here.begin), all = float(done) + count;
      vec delta = part(block, n) - mean;
      mean = fma(delta, set1(count / all), mean);
      squares = squares + fma(delta * delta, set1(float(done) * count / all), part(block + columns, n));
      done += here.end - here.begin;
    }
    vec variance = squares / set1(float(rows > 1 ? rows : 1));
    if (!j.has(BLOCKS)) mean = part(j.f(5) + q, n), variance = part(j.f(6) + q, n);
    else if (rows > 1) follow(j.f(5) + q, mean, j.reals[1], n), follow(j.f(6) + q, variance, j.reals[1], n);
    put(j.f(STATS) + q, mean, n);
    put(j.f(STATS) + columns + q, set1(1) / sqrt(variance + set1(float(j.reals[0]))), n);
  });
}

// column_scale: y = f(γ (x − mean) r + β); 3 y, 5 γ, 6 β, 7 activation f and its options in reals.

void check_scale(Check& c) {
  int64_t words = check_columns(c), columns = c.fixed(COLUMNS, 1, 1 << 24);
  c.reads(X, words);
  c.writes(Y, words);
  c.reads(STATS, 2 * columns);
  c.reads(5, columns);
  c.reads(6, columns);
  c.size(7, 0, kActivations - 1);
}

void run_scale(const Job& j, int64_t begin, int64_t end, Scratch) {
  int64_t columns = j.i(COLUMNS);
  const float *mean = j.f(STATS), *r = mean + columns, *gamma = j.f(5), *beta = j.f(6);
  Options options(j.reals);
  Block all{block_of(begin, j.i(ROWS), columns).begin, block_of(end - 1, j.i(ROWS), columns).end};
  with_code<kActivations>(j.i(7), [&](auto code) {
    for (int64_t k = all.begin; k < all.end; k++)
      by_vectors(columns, [&](int64_t q, int64_t n) {
        vec d = part(j.f(X) + k * columns + q, n) - part(mean + q, n);
        vec y = fma(d, part(r + q, n) * part(gamma + q, n), part(beta + q, n));
        put(j.f(Y) + k * columns + q, activate<code()>(y, options), n);
      });
  });
}

// column_gradients: of each block Σ dy and Σ dy (x − mean); 5 dy.

void check_column_gradients(Check& c) {
  int64_t words = check_columns(c);
  c.reads(X, words);
  c.writes(BLOCKS, block_words(c));
  c.reads(STATS, 2 * c.fixed(COLUMNS, 1, 1 << 24));
  c.reads(5, words);
}

void run_column_gradients(const Job& j, int64_t begin, int64_t end, Scratch) {
  int64_t columns = j.i(COLUMNS);
  for (int64_t b = begin; b < end; b++) {
    Block rows = block_of(b, j.i(ROWS), columns);
    float* out = j.f(BLOCKS) + b * 2 * columns;
    by_vectors(columns, [&](int64_t q, int64_t n) {
      const float *x = j.f(X) + q, *dy = j.f(5) + q;
      vec mean = part(j.f(STATS) + q, n);
      put(out + q, four_sums(rows, [&](int64_t k) { return part(dy + k * columns, n); }), n);
      put(out + columns + q, four_sums(rows, [&](int64_t k) {
        return part(dy + k * columns, n) * (part(x + k * columns, n) - mean);
      }), n);
    });
  }
}

// batch_gradients: 5 dγ or none, 6 dβ or none, 7 whether to add to them; 8 means (2, C): of dy, and
// of dy x̂ times r, which is what column_dx needs.

void check_batch_gradients(Check& c) {
  int64_t columns = c.fixed(COLUMNS, 1, 1 << 24);
  c.reads(BLOCKS, block_words(c));
  c.reads(STATS, 2 * columns);
  c.may_write(5, columns);
  c.may_write(6, columns);
  c.fixed(7, 0, 1);
  c.writes(8, 2 * columns);
}

void run_batch_gradients(const Job& j, int64_t begin, int64_t end, Scratch) {
  int64_t columns = j.i(COLUMNS), rows = j.i(ROWS), from = begin * 16, to = end * 16 < columns ? end * 16 : columns;
  vec count = set1(float(rows > 1 ? rows : 1));
  by_vectors(to - from, [&](int64_t q, int64_t n) {
    q += from;
    vec sum = set1(0), moment = set1(0), r = part(j.f(STATS) + columns + q, n);
    for (int64_t b = 0; b < block_count(rows, columns); b++) {
      sum = sum + part(j.f(BLOCKS) + b * 2 * columns + q, n);
      moment = moment + part(j.f(BLOCKS) + (b * 2 + 1) * columns + q, n);
    }
    put(j.f(8) + q, sum / count, n);
    put(j.f(8) + columns + q, moment * r * r / count, n);
    moment = moment * r;
    if (j.has(5)) put(j.f(5) + q, j.i(7) ? moment + part(j.f(5) + q, n) : moment, n);
    if (j.has(6)) put(j.f(6) + q, j.i(7) ? sum + part(j.f(6) + q, n) : sum, n);
  });
}

// column_dx: dx = γ r (dy − mean(dy) − x̂ mean(dy x̂)); 3 dx, 5 dy, 6 γ, 7 the means.

void check_column_dx(Check& c) {
  int64_t words = check_columns(c), columns = c.fixed(COLUMNS, 1, 1 << 24);
  c.reads(X, words);
  c.writes(Y, words);
  c.reads(STATS, 2 * columns);
  c.reads(5, words);
  c.reads(6, columns);
  c.reads(7, 2 * columns);
}

void run_column_dx(const Job& j, int64_t begin, int64_t end, Scratch) {
  int64_t columns = j.i(COLUMNS);
  const float *mean = j.f(STATS), *r = mean + columns, *gamma = j.f(6), *mean_dy = j.f(7), *moment = mean_dy + columns;
  Block all{block_of(begin, j.i(ROWS), columns).begin, block_of(end - 1, j.i(ROWS), columns).end};
  for (int64_t k = all.begin; k < all.end; k++)
    by_vectors(columns, [&](int64_t q, int64_t n) {
      vec d = part(j.f(X) + k * columns + q, n) - part(mean + q, n);
      vec g = fnma(d, part(moment + q, n), part(j.f(5) + k * columns + q, n) - part(mean_dy + q, n));
      put(j.f(Y) + k * columns + q, g * (part(r + q, n) * part(gamma + q, n)), n);
    });
}

template <int passes>
Cost cost(const Job& j) {
  double words = double(j.i(ROWS)) * double(j.i(COLUMNS));
  return {0, passes * 4 * words};
}

Cost small_cost(const Job& j) { return {0, 16.0 * double(row_blocks(j)) * double(j.i(COLUMNS))}; }

const Kernel kernels[] = {
    {"column_moments", check_moments, row_blocks, run_moments, cost<2>},
    {"batch_statistics", check_statistics, column_vectors, run_statistics, small_cost},
    {"column_scale", check_scale, row_blocks, run_scale, cost<2>},
    {"column_gradients", check_column_gradients, row_blocks, run_column_gradients, cost<2>},
    {"batch_gradients", check_batch_gradients, column_vectors, run_batch_gradients, small_cost},
    {"column_dx", check_column_dx, row_blocks, run_column_dx, cost<3>},
};

}  // namespace

Family batch_normalization_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
