// Affine layers: y = f(x W + b), and the gradients dx = (dy Wᵀ) f'(x), dW = xᵀ dy, db = Σ dy.
#include "product.h"
#include "update.h"

namespace hg::HG_ISA {

namespace {

// -- product: C = finish(A B) --------------------------------------------------------------
//
// args: 0 M, 1 N, 2 K; A: 3 place, 4 step of i, 5 step of k, 6 whether i goes through the batch's
// rows; B: 7 place, 8 step of k, 9 step of j; C: 10 place, 11 step of i; 12 bias (N) or none;
// 13 activation; 14 or none: y, shaped like C, whose slope multiplies C; 15 whether to add to C.

enum { M = 0, N, K, A, AI, AK, INDEXED, B, BK, BJ, C, LDC, BIAS, ACT, SLOPE, ADD };

// Units are blocks of C. Where tiles read B in place, or B's columns of a block are few, so that each
// thread packs them once and holds them for all its units, units take few rows; otherwise each unit
// packs its own columns, so it takes many.
struct Grid {
  int64_t rows, columns, row_blocks, column_blocks;
  bool holds;
};

constexpr int64_t kMany = 128;      // rows that make packing cheap
constexpr int64_t kManyTurned = 512;  // ... where it turns B, whose rows are far apart
constexpr int64_t kLarge = 1 << 18;  // numbers of an A, or a C, of which little is left in a cache
constexpr int64_t kUnit = 1 << 17;  // multiplications of a unit, some microseconds
constexpr int64_t kHeld = W == 16 ? 1 << 16 : 1 << 15;  // words of B that a thread holds, a part of the second cache

int64_t blocks(int64_t n, int64_t each) { return each > 0 ? (n + each - 1) / each : 0; }
int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

Grid grid(const Job& j, const Product& p) {
  int64_t m = j.i(M), n = j.i(N), high = 2 * MR;
  bool direct = in_place(p, m, n);
  if (j.threads == 1 || !m || !n)
    return {m, n, m > 0, n > 0, !direct && m >= high && panel_words(p.K, n) <= kHeld};
  double each = double(m) * double(n) * double(p.K) / double(kUnit * j.threads);
  // So many units that a slow thread leaves little to wait for.
  int64_t units = j.threads * int64_t(each < 1 ? 1 : each > 4 ? 4 : each);
  auto wide = [&](int64_t columns) { return blocks(blocks(n, columns), NR) * NR; };
  int64_t columns = direct || panel_words(p.K, n) <= 2 * kHeld ? 1 : blocks(panel_words(p.K, n), kHeld);
  bool holds = !direct && m >= high && columns <= units && panel_words(p.K, wide(columns) + W) <= 2 * kHeld;
  if (!p.side() && n / kColumns >= units) holds = false;  // each packs its own, while it needs it
  // What is packed serves the rows of one unit: many of them, but then one unit for each thread at least.
  if (!holds && !direct) {
    columns = most(1, n / kColumns);
    high = most(4 * MR, least(p.b_k == 1 && p.b_j > 1 ? kManyTurned : kMany, m / blocks(j.threads, columns)));
  }
  int64_t rows = most(1, least(blocks(units, columns), m / high));
  if (rows > j.threads) rows -= rows % j.threads;  // alike for all threads
  Grid g{blocks(m, rows), wide(columns), 0, 0, holds};
  g.row_blocks = blocks(m, g.rows);
  g.column_blocks = most(1, blocks(n - W, g.columns));  // a single vector joins the block before it
  return g;
}

// The units of a product.
template <class Finish>
void multiply_units(const Job& j, Product p, int64_t begin, int64_t end, Scratch scratch, Finish finish) {
  Grid g = grid(j, p);
  for (int64_t u = begin; u < end; u++) {
    int64_t block = u / g.row_blocks, m0 = u % g.row_blocks * g.rows, n0 = block * g.columns;
    int64_t m1 = least(m0 + g.rows, j.i(M)), n1 = block + 1 == g.column_blocks ? j.i(N) : n0 + g.columns;
    if (g.holds) {
      float* panels = scratch.memory + kPackWords;
      int64_t number = scratch.round * (1 << 16) + block;
      if (*scratch.held != number) pack(p.b + n0 * p.b_j, p.b_k, p.b_j, p.K, least(n1, p.whole) - n0, panels);
      *scratch.held = number, p.panels = panels;
    }
    multiply(p, m0, m1, n0, n1, scratch.memory, finish);
  }
}

int64_t product_scratch(const Job&) { return kPackWords + 2 * kHeld; }

int64_t reach(Check& c, int64_t a, int64_t a_step, int64_t b, int64_t b_step) {  // last word + 1
  if (!a || !b) return 0;
  return c.plus(c.plus(c.times(a - 1, a_step), c.times(b - 1, b_step)), 1);
}

void check_factors(Check& c, int64_t m, int64_t n, int64_t k) {  // A and B
  int64_t indexed = c.size(INDEXED, 0, 1), ai = c.size(AI), ak = c.size(AK);
  if (indexed) {
    c.require(c.plus(c.times(k - 1, ak), 1) <= ai, "a row of data is longer than the step between rows");
    c.data(A, ai);
    c.per_sample(M);
  } else {
    c.reads(A, reach(c, m, ai, k, ak));
  }
  c.reads(B, reach(c, k, c.size(BK), n, c.size(BJ)));
}

void check_product(Check& c) {
  int64_t m = c.size(M), n = c.size(N, 1), ldc = c.size(LDC);
  check_factors(c, m, n, c.size(K, 1));
  c.require(ldc >= n, "rows of C overlap");
  c.writes(C, reach(c, m, ldc, n, 1));
  c.may_read(BIAS, n);
  c.size(ACT, 0, kActivations - 1);
  c.may_read(SLOPE, reach(c, m, ldc, n, 1));
  c.size(ADD, 0, 1);
}

Product product_of(const Job& j) {
  Product p{};
  p.a.base = j.f(A);
  p.a.row_table = j.i(INDEXED) ? j.batch->rows : nullptr;
  bool large = j.i(K) > kBlock && j.i(M) * j.i(K) > kLarge;
  p.a.far = j.i(AK) == 1 && (j.i(INDEXED) || large);
  p.a.row_step = j.i(AI), p.a.run = j.i(K), p.a.step = j.i(AK);
  p.b = j.f(B), p.b_k = j.i(BK), p.b_j = j.i(BJ);
  p.c = j.f(C), p.ldc = j.i(LDC), p.K = j.i(K), p.add = j.i(ADD);
  p.far = j.i(M) * j.i(N) > kLarge;
  if (!p.side()) p.spare_few(j.i(N));
  return p;
}

int64_t units_of(const Job& j, const Product& p) {
  Grid g = grid(j, p);
  return g.row_blocks * g.column_blocks;
}

int64_t product_units(const Job& j) { return units_of(j, product_of(j)); }

// What becomes of a piece of C when its sums are done: bias, activation, slope.
auto finishing(const Job& j, const Product& p) {
  return [act = j.i(ACT), c = p.c, ldc = p.ldc, bias = j.f(BIAS), saved = j.f(SLOPE),
          options = Options(j.reals)](int64_t i, int rows, int64_t at, int64_t columns, const float* sums) {
    int64_t from = i * ldc + at;
    finish(act, options, sums, kSumsStep, c + from, ldc, rows, columns, bias ? bias + at : nullptr,
           saved ? saved + from : nullptr);
  };
}

void run_product(const Job& j, int64_t begin, int64_t end, Scratch scratch) {
  Product p = product_of(j);
  multiply_units(j, p, begin, end, scratch, finishing(j, p));
}

void product_samples(const Job& j, int64_t first, int64_t last, Scratch scratch) {
  Product p = product_of(j);
  multiply(p, first, last, 0, j.i(N), scratch.memory, finishing(j, p));
}

Cost product_cost(const Job& j) {
  double m = double(j.i(M)), n = double(j.i(N)), k = double(j.i(K));
  return {2 * m * n * k, 4 * (m * k + k * n + m * n)};
}

// -- partial, sum_parts: a product whose k is shared out ----------------------------------------
//
// A part of k is a part of A's columns and of B's rows: a thread finds those that it had in the last
// step in its own caches, where they stay when it also makes the gradient of the same rows of B.
//
// args of partial: as of product up to 9; 10 sums of each part (parts, M, N), 11 number of parts.
// Of sum_parts: 0 M, 1 N, 2 parts, 3 their sums, 4 C (M, N), 12 bias or none, 13 activation.

enum { SUMMED = 2, SUMS, WHOLE, PARTS = 11 };

constexpr int64_t kPart = 8;  // numbers of k that are not divided

void check_partial(Check& c) {
  int64_t m = c.size(M), n = c.size(N, 1);
  check_factors(c, m, n, c.size(K, 1));
  c.writes(C, c.times(c.fixed(PARTS, 1, 64), c.times(m, n)));
}

int64_t row_blocks(const Job& j, int64_t parts) {
  bool large = double(j.i(M)) * double(j.i(N)) * double(j.i(K)) > double(4 * kUnit * j.threads);
  int64_t wanted = j.threads == 1 ? 1 : blocks(large ? 2 * j.threads : j.threads, parts);
  return most(1, least(wanted, j.i(M) / (4 * MR)));
}

// The blocks of a part: of rows, or of columns where B is packed, which nobody should do twice.
constexpr int64_t kWide = 128;  // columns from which on it is packed

struct Cut {
  int64_t n, rows, columns, panels;

  Cut(const Job& j, int64_t parts)
      : n(j.i(N)), rows(row_blocks(j, parts)), columns(1), panels(blocks(n - W, kColumns)) {
    if (n > kWide) columns = least(blocks(2 * j.threads, parts), panels), rows = 1;
  }

  int64_t units() const { return rows * columns; }
  int64_t first(int64_t column) const { return column == columns ? n : panels * column / columns * kColumns; }
};

int64_t partial_units(const Job& j) { return j.i(M) ? j.i(PARTS) * Cut(j, j.i(PARTS)).units() : 0; }

void run_partial(const Job& j, int64_t begin, int64_t end, Scratch scratch) {
  int64_t parts = j.i(PARTS), m = j.i(M), n = j.i(N), steps = blocks(j.i(K), kPart);
  Cut cut(j, parts);
  for (int64_t u = begin; u < end; u++) {
    Product p = product_of(j);
    int64_t part = u / cut.units(), row = u % cut.rows, column = u % cut.units() / cut.rows;
    int64_t from = steps * part / parts * kPart, to = least(steps * (part + 1) / parts * kPart, p.K);
    p.a.base += from * p.a.step, p.b += from * p.b_k, p.c += part * m * n;
    p.ldc = n, p.add = false, p.K = p.a.run = to - from;
    if (!p.side()) p.spare_few(n);
    multiply(p, m * row / cut.rows, m * (row + 1) / cut.rows, cut.first(column), cut.first(column + 1),
             scratch.memory, nothing);
  }
}

void check_sum_parts(Check& c) {
  int64_t m = c.size(M), n = c.size(N, 1);
  c.reads(SUMS, c.times(c.fixed(SUMMED, 1, 64), c.times(m, n)));
  c.writes(WHOLE, c.times(m, n));
  c.may_read(BIAS, n);
  c.fixed(ACT, 0, kActivations - 1);
}

void sum_parts_rows(const Job& j, int64_t from, int64_t to, Scratch) {
  int64_t n = j.i(N), size = j.i(M) * n, parts = j.i(SUMMED);
  const float *sums = j.f(SUMS), *bias = j.f(BIAS);
  float* c = j.f(WHOLE);
  Options options(j.reals);
  with_code<kActivations>(j.i(ACT), [&](auto code) {
    for (int64_t at = from * n; at < to * n; at += n)
      by_vectors(n, [&](int64_t q, int64_t count) {
        vec sum = part(sums + at + q, count);
        for (int64_t k = 1; k < parts; k++) sum = sum + part(sums + k * size + at + q, count);
        if (bias) sum = sum + part(bias + q, count);
        put(c + at + q, activate<code()>(sum, options), count);
      });
  });
}

int64_t sum_parts_units(const Job& j) { return blocks(j.i(M), kLine); }

void run_sum_parts(const Job& j, int64_t begin, int64_t end, Scratch scratch) {
  sum_parts_rows(j, begin * kLine, least(end * kLine, j.i(M)), scratch);
}

Cost sum_parts_cost(const Job& j) {
  double size = double(j.i(M)) * double(j.i(N)), parts = double(j.i(SUMMED));
  return {size * parts, 4 * size * (parts + 1)};
}

// -- weights: dW = Aᵀ dy, db = Σ dy -------------------------------------------------------
//
// args: 0 D, 1 N, 2 rows K; A (K, D): 3 place, 4 step of rows, 6 whether rows go through the
// batch's; dy (K, N): 7 place, 8 step; dW (D, N): 10 place, 11 step; 12 db (N) or none; 15 add.
// Where nobody reads W and b after this row, they may be updated at once, while dW is in the cache:
// 16 one more than the rule, or 0; 17 W and 18, 19 its states; 20 b and 21, 22 its states; 23 to 25 and
// 26 as 6 to 8 and 10 of `update`; reals as there. Or the rows are shared out: 27 the sums of their second
// half, dW and then db, or none; `update` adds them. A thread then reads the rows that it made.

enum { UPDATES = 16, OWN_W, OWN_B = 20, RATES = 23, CLIPS = 26, SECOND };

void check_own_update(Check& c, int64_t d, int64_t n) {
  int64_t rule = c.fixed(UPDATES, 0, kAdam + 1) - 1;
  if (rule < 0) return;
  c.require(c.fixed(ADD, 0, 1) == 0, "a part of a gradient must not update");
  check_state(c, OWN_W, rule, c.times(d, n));
  if (c.has(BIAS)) check_state(c, OWN_B, rule, n);
  check_rates(c, RATES);
  c.fixed(CLIPS, 0, 1);
}

void check_weights(Check& c) {
  int64_t d = c.size(M, 1), n = c.size(N, 1), k = c.size(K), step = c.size(AK);
  if (c.size(INDEXED, 0, 1)) {
    c.require(d <= step, "a row of data is longer than the step between rows");
    c.data(A, step);
    c.per_sample(K);
  } else {
    c.reads(A, reach(c, k, step, d, 1));
  }
  c.reads(B, reach(c, k, c.size(BK), n, 1));
  int64_t ldc = c.size(LDC);
  c.require(ldc >= n, "rows of dW overlap");
  c.writes(C, reach(c, d, ldc, n, 1));
  c.may_write(BIAS, n);
  c.size(ADD, 0, 1);
  check_own_update(c, d, n);
  if (!c.has(SECOND)) return;
  bool alone = c.fixed(ADD, 0, 1) == 0 && c.fixed(UPDATES, 0, kAdam + 1) == 0;
  c.require(alone, "half a gradient is neither added nor an update");
  c.require(ldc == n, "the halves of a gradient lie alike");
  c.writes(SECOND, c.plus(c.times(d, n), c.has(BIAS) ? n : 0));
}

// Σ of rows of dy, V vectors wide, of which the last has `last` columns.
template <int V>
void sum_vectors(const float* dy, int64_t step, int64_t rows, int64_t last, float* db, bool add) {
  vec total[V], sum[V];
  auto of = [&](const float* p, int v) { return part(p + v * W, v == V - 1 ? last : W); };
  for (int v = 0; v < V; v++) total[v] = add ? of(db, v) : set1(0);
  for (int64_t k0 = 0; k0 < rows; k0 += kBlock) {
    for (int v = 0; v < V; v++) sum[v] = set1(0);
    for (int64_t k = k0; k < least(k0 + kBlock, rows); k++)
      unrolled<V>([&](auto v) { sum[v] = sum[v] + of(dy + k * step, v); });
    for (int v = 0; v < V; v++) total[v] = total[v] + sum[v];
  }
  for (int v = 0; v < V; v++) put(db + v * W, total[v], v == V - 1 ? last : W);
}

void sum_rows(const float* dy, int64_t step, int64_t rows, int64_t j0, int64_t j1, float* db, bool add) {
  constexpr int most = 4;  // vectors: as many additions at a time as there must be
  for (int64_t j = j0, some; j < j1; j += some) {
    some = least(j1 - j, most * W);
    with_code<most>(blocks(some, W) - 1, [&](auto v) {
      sum_vectors<v + 1>(dy + j, step, rows, some - v * W, db + j, add);
    });
  }
}

Product weights_of(const Job& j) {
  Product p{};
  p.a.base = j.f(A), p.a.row_step = 1;
  if (j.i(INDEXED)) p.a.run_table = j.batch->rows, p.a.runs = j.i(K), p.a.run = 1, p.a.run_step = j.i(AK);
  else p.a.run = j.i(K), p.a.step = j.i(AK);
  p.b = j.f(B), p.b_k = j.i(BK), p.b_j = 1;
  p.c = j.f(C), p.ldc = j.i(LDC), p.K = j.i(K), p.add = j.i(ADD);
  p.spare_few(j.i(N));
  return p;
}

int64_t weights_units(const Job& j) {
  return j.has(SECOND) ? 2 * row_blocks(j, 2) : units_of(j, weights_of(j));
}

void run_halves(const Job& j, int64_t begin, int64_t end, Scratch scratch) {
  int64_t many = row_blocks(j, 2), d = j.i(M), n = j.i(N);
  for (int64_t u = begin; u < end; u++) {
    Product p = weights_of(j);
    int64_t half = u / many, block = u % many, from = p.K * half / 2;
    p.K = p.K * (half + 1) / 2 - from, p.b += from * p.b_k;
    if (p.a.run_table) p.a.run_table += from, p.a.runs = p.K;
    else p.a.base += from * p.a.step, p.a.run = p.K;
    if (half) p.c = j.f(SECOND);
    if (j.has(BIAS) && !block) sum_rows(p.b, p.b_k, p.K, 0, n, half ? p.c + d * n : j.f(BIAS), false);
    multiply(p, d * block / many, d * (block + 1) / many, 0, n, scratch.memory, nothing);
  }
}

void run_weights(const Job& j, int64_t begin, int64_t end, Scratch scratch) {
  if (j.has(SECOND)) return run_halves(j, begin, end, scratch);
  Product p = weights_of(j);
  int64_t n = j.i(N), rule = j.i(UPDATES) - 1;
  auto bias = [&](int64_t i, int64_t at, int64_t columns) {
    if (j.has(BIAS) && i == 0) sum_rows(p.b, p.b_k, p.K, at, at + columns, j.f(BIAS), p.add);
  };
  if (rule < 0)
    return multiply_units(j, p, begin, end, scratch,
                          [&](int64_t i, int, int64_t at, int64_t columns) { bias(i, at, columns); });
  Update update(j, rule, RATES, j.i(CLIPS));
  State of_w = state_of(j, OWN_W, rule), of_b = state_of(j, OWN_B, rule);
  multiply_units(j, p, begin, end, scratch, [&](int64_t i, int rows, int64_t at, int64_t columns) {
    bias(i, at, columns);
    if (j.has(BIAS) && i == 0) update(of_b, at, j.f(BIAS) + at, columns);
    if (columns == n && p.ldc == n) {  // whole rows: one stretch
      update(of_w, i * n, p.c + i * n, rows * n);
      return;
    }
    for (int64_t r = i; r < i + rows; r++) update(of_w, r * n + at, p.c + r * p.ldc + at, columns);
  });
  if (!update.finite()) j.fail(kNotFinite);
}

const Kernel kernels[] = {
    {"product", check_product, product_units, run_product, product_cost, product_scratch,
     nullptr, product_samples},
    {"partial", check_partial, partial_units, run_partial, product_cost, product_scratch},
    {"sum_parts", check_sum_parts, sum_parts_units, run_sum_parts, sum_parts_cost, nullptr,
     nullptr, sum_parts_rows},
    {"weights", check_weights, weights_units, run_weights, product_cost, product_scratch,
     nullptr, nullptr, true},
};

}  // namespace

Family affine_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
