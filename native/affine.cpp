// Affine layers: y = f(x W + b), and the gradients dx = (dy Wᵀ) f'(x), dW = xᵀ dy, db = Σ dy.
#include "shard_product.h"
#include "update.h"

namespace hg::HG_ISA {

namespace {

// -- product: C = epilogue(A B) --------------------------------------------------------------
//
// A (M, K) and B (K, N): words from row to row, from column to column; indexed: A's rows are the batch's.
#define HG_FACTORS                                                                          \
  (M, size()), (N, size(1)), (K, size(1)), (A, reads()), (A_row, size()), (A_column, size()), \
  (indexed, flag()), (B, reads()), (B_row, size()), (B_column, size())
HG_ARGS(Factors, HG_FACTORS)
HG_ARGS(ProductArgs, HG_FACTORS, (C, updates()), (C_row, size()), (bias, read(N).maybe()), (op, option<Activation>()),
        (derivative_at, reads().maybe()),  // y, shaped like C, whose derivative multiplies C
        (add, flag()), HG_OP_OPTIONS)

// Units are blocks of C. Where tiles read B in place, or B's columns of a block are few, so that each
// thread packs them once and holds them for all its units, units take few rows; otherwise each unit
// packs its own columns, so it takes many.
struct Grid {
  int64_t rows, columns, row_blocks, column_blocks;
  bool holds;
};

constexpr int64_t kMany = 128;      // rows that make packing cheap
constexpr int64_t kManyTransposed = 512;  // ... where it transposes B, whose rows are far apart
constexpr int64_t kLarge = 1 << 18;  // elements of an A, or a C, of which little is left in a cache
constexpr int64_t kUnit = 1 << 17;  // multiplications of a unit, some microseconds
constexpr int64_t kHeld = W == 16 ? 1 << 16 : 1 << 15;  // words of B that a thread holds, a part of the L2 cache

int64_t blocks(int64_t n, int64_t each) { return each > 0 ? (n + each - 1) / each : 0; }
int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

Grid grid(const Job& j, const Product& p) {
  int64_t m = j.i(Factors::M), n = j.i(Factors::N), high = 2 * MR;
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
    high = most(4 * MR, least(p.b_k == 1 && p.b_j > 1 ? kManyTransposed : kMany, m / blocks(j.threads, columns)));
  }
  int64_t rows = most(1, least(blocks(units, columns), m / high));
  if (rows > j.threads) rows -= rows % j.threads;  // alike for all threads
  Grid g{blocks(m, rows), wide(columns), 0, 0, holds};
  g.row_blocks = blocks(m, g.rows);
  g.column_blocks = most(1, blocks(n - W, g.columns));  // a single vector joins the block before it
  return g;
}

// The units of a product: each(p, part of C), with the columns of B in panels if the thread holds them.
template <class Each>
void by_units(const Job& j, Product p, int64_t begin, int64_t end, Scratch scratch, Each each) {
  using A = Factors;
  Grid g = grid(j, p);
  for (int64_t u = begin; u < end; u++) {
    int64_t block = u / g.row_blocks, m0 = u % g.row_blocks * g.rows, n0 = block * g.columns;
    int64_t m1 = least(m0 + g.rows, j.i(A::M)), n1 = block + 1 == g.column_blocks ? j.i(A::N) : n0 + g.columns;
    if (g.holds) {
      float* panels = scratch.memory + kPackWords;
      int64_t number = scratch.round * (1 << 16) + block;
      if (*scratch.held != number) pack(p.b + n0 * p.b_j, p.b_k, p.b_j, p.K, least(n1, p.whole) - n0, panels);
      *scratch.held = number, p.panels = panels;
    }
    each(p, Patch{m0, m1, n0, n1});
  }
}

template <class Epilogue>
void multiply_units(const Job& j, const Product& p, int64_t begin, int64_t end, Scratch scratch, Epilogue epilogue) {
  by_units(j, p, begin, end, scratch, [&](const Product& p, const Patch& c) {
    multiply(p, c.m0, c.m1, c.n0, c.n1, scratch.memory, epilogue);
  });
}

int64_t product_scratch(const Job&) { return kPackWords + 2 * kHeld; }

int64_t reach(Check& c, int64_t a, int64_t a_step, int64_t b, int64_t b_step) {  // last word + 1
  if (!a || !b) return 0;
  return c.plus(c.plus(c.times(a - 1, a_step), c.times(b - 1, b_step)), 1);
}

void check_factors(Check& c) {
  using F = Factors;
  int64_t m = c.size(F::M), n = c.size(F::N), k = c.size(F::K), row = c.size(F::A_row), column = c.size(F::A_column);
  if (c.size(F::indexed)) {
    c.require(c.plus(c.times(k - 1, column), 1) <= row, "a row of data is longer than the step between rows");
    c.data(F::A, row);
    c.per_sample(F::M);
  } else {
    c.holds(F::A, reach(c, m, row, k, column));
  }
  c.holds(F::B, reach(c, k, c.size(F::B_row), n, c.size(F::B_column)));
}

void check_product(Check& c) {
  using A = ProductArgs;
  check_factors(c);
  int64_t n = c.size(A::N), ldc = c.size(A::C_row), words = reach(c, c.size(A::M), ldc, n, 1);
  c.require(ldc >= n, "rows of C overlap");
  c.holds(A::C, words);
  c.holds(A::derivative_at, words);
}

Product factors_of(const Job& j) {
  using A = Factors;
  Product p{};
  p.a.base = j.f(A::A);
  p.a.row_table = j.i(A::indexed) ? j.batch->rows : nullptr;
  bool large = j.i(A::K) > kBlock && j.i(A::M) * j.i(A::K) > kLarge;
  p.a.far = j.i(A::A_column) == 1 && (j.i(A::indexed) || large);
  p.a.row_step = j.i(A::A_row), p.a.run = j.i(A::K), p.a.step = j.i(A::A_column);
  p.b = j.f(A::B), p.b_k = j.i(A::B_row), p.b_j = j.i(A::B_column);
  p.K = j.i(A::K), p.far = j.i(A::M) * j.i(A::N) > kLarge;
  if (!p.side()) p.spare_remainder(j.i(A::N));
  return p;
}

Product product_of(const Job& j) {
  using A = ProductArgs;
  Product p = factors_of(j);
  p.c = j.f(A::C), p.ldc = j.i(A::C_row), p.add = j.i(A::add);
  return p;
}

int64_t units_of(const Job& j, const Product& p) {
  Grid g = grid(j, p);
  return g.row_blocks * g.column_blocks;
}

int64_t product_units(const Job& j) { return units_of(j, product_of(j)); }

// What becomes of a piece of C when its sums are done: bias, activation, derivative.
auto epilogue_of(const Job& j, const Product& p) {
  using A = ProductArgs;
  return [op = j.i(A::op), c = p.c, ldc = p.ldc, bias = j.f(A::bias), saved = j.f(A::derivative_at),
          options = Options(j, A::op_a)](int64_t i, int rows, int64_t at, int64_t columns, const float* sums) {
    int64_t from = i * ldc + at;
    epilogue(op, options, sums, kSumsStep, c + from, ldc, rows, columns, bias ? bias + at : nullptr,
           saved ? saved + from : nullptr);
  };
}

void run_product(const Job& j, int64_t begin, int64_t end, Scratch scratch) {
  Product p = product_of(j);
  multiply_units(j, p, begin, end, scratch, epilogue_of(j, p));
}

void product_samples(const Job& j, int64_t first, int64_t last, Scratch scratch) {
  Product p = product_of(j);
  multiply(p, first, last, 0, j.i(Factors::N), scratch.memory, epilogue_of(j, p));
}

Cost product_cost(const Job& j) {
  using A = Factors;
  double m = double(j.i(A::M)), n = double(j.i(A::N)), k = double(j.i(A::K));
  return {2 * m * n * k, 4 * (m * k + k * n + m * n)};
}

// -- partial, sum_parts: a product whose k is shared out ----------------------------------------
//
// A part of k is a part of A's columns and of B's rows: a thread finds those that it had in the last
// step in its own caches, where they stay when it also makes the gradient of the same rows of B.

HG_ARGS(Partial, HG_FACTORS, (parts, fixed(1, 64)), (sums, write(parts, M, N)))
HG_ARGS(SumParts, (M, size()), (N, size(1)), (parts, fixed(1, 64)), (sums, read(parts, M, N)), (C, write(M, N)),
        (bias, read(N).maybe()), (op, option<Activation>()), HG_OP_OPTIONS)

constexpr int64_t kPart = 8;  // steps of k that are not divided

int64_t row_blocks(const Job& j, int64_t parts) {
  using A = Factors;
  bool large = double(j.i(A::M)) * double(j.i(A::N)) * double(j.i(A::K)) > double(4 * kUnit * j.threads);
  int64_t wanted = j.threads == 1 ? 1 : blocks(large ? 2 * j.threads : j.threads, parts);
  return most(1, least(wanted, j.i(A::M) / (4 * MR)));
}

// The blocks of a part: of rows, or of columns where B is packed, which should not be done twice.
constexpr int64_t kWide = 128;  // columns from which on it is packed

struct Cut {
  int64_t n, rows, columns, panels;

  Cut(const Job& j, int64_t parts)
      : n(j.i(Factors::N)), rows(row_blocks(j, parts)), columns(1), panels(blocks(n - W, kColumns)) {
    if (n > kWide) columns = least(blocks(2 * j.threads, parts), panels), rows = 1;
  }

  int64_t units() const { return rows * columns; }
  int64_t first(int64_t column) const { return column == columns ? n : panels * column / columns * kColumns; }
};

int64_t partial_units(const Job& j) {
  return j.i(Factors::M) ? j.i(Partial::parts) * Cut(j, j.i(Partial::parts)).units() : 0;
}

void run_partial(const Job& j, int64_t begin, int64_t end, Scratch scratch) {
  using A = Factors;
  int64_t parts = j.i(Partial::parts), m = j.i(A::M), n = j.i(A::N), steps = blocks(j.i(A::K), kPart);
  Cut cut(j, parts);
  for (int64_t u = begin; u < end; u++) {
    Product p = factors_of(j);
    int64_t part = u / cut.units(), row = u % cut.rows, column = u % cut.units() / cut.rows;
    int64_t from = steps * part / parts * kPart, to = least(steps * (part + 1) / parts * kPart, p.K);
    p.a.base += from * p.a.step, p.b += from * p.b_k, p.c = j.f(Partial::sums) + part * m * n;
    p.ldc = n, p.add = false, p.K = p.a.run = to - from;
    if (!p.side()) p.spare_remainder(n);
    multiply(p, m * row / cut.rows, m * (row + 1) / cut.rows, cut.first(column), cut.first(column + 1),
             scratch.memory, nothing);
  }
}

void sum_parts_rows(const Job& j, int64_t from, int64_t to, Scratch) {
  using A = SumParts;
  int64_t n = j.i(A::N), size = j.i(A::M) * n, parts = j.i(A::parts);
  const float *sums = j.f(A::sums), *bias = j.f(A::bias);
  float* c = j.f(A::C);
  Options options(j, A::op_a);
  with_code<Activation::kCount>(j.i(A::op), [&](auto code) {
    for (int64_t at = from * n; at < to * n; at += n)
      by_vectors(n, [&](int64_t q, int64_t count) {
        vec sum = part(sums + at + q, count);
        for (int64_t k = 1; k < parts; k++) sum = sum + part(sums + k * size + at + q, count);
        if (bias) sum = sum + part(bias + q, count);
        put(c + at + q, activate<code()>(sum, options), count);
      });
  });
}

int64_t sum_parts_units(const Job& j) { return blocks(j.i(SumParts::M), kLine); }

void run_sum_parts(const Job& j, int64_t begin, int64_t end, Scratch scratch) {
  sum_parts_rows(j, begin * kLine, least(end * kLine, j.i(SumParts::M)), scratch);
}

Cost sum_parts_cost(const Job& j) {
  using A = SumParts;
  double size = double(j.i(A::M)) * double(j.i(A::N)), parts = double(j.i(A::parts));
  return {size * parts, 4 * size * (parts + 1)};
}

// -- weights: dW = Aᵀ dy, db = Σ dy -------------------------------------------------------
//
// dW (M, N) from x (K, M) and dy (K, N); words from row to row. Where nothing reads W and b after this row,
// they may be updated at once, while dW is in the cache: then there is a rule, and what `update` takes for it.
// Or the rows are shared out: `half` gets the sums of their second half, dW and then db, and `update` adds
// them. A thread then reads the rows that it made.

HG_ENUM(OwnRule, none, HG_RULES)
HG_ARGS(Weights, (M, size(1)), (N, size(1)), (K, size()), (x, reads()), (x_row, size()),
        (indexed, flag()),  // whether x's rows are the batch's
        (dy, reads()), (dy_row, size()), (dW, updates()), (dW_row, size()), (db, update(N).maybe()), (add, flag()),
        (rule, option<OwnRule>()),
        (W, update(M, N).maybe()), (W_first, update(M, N).maybe()), (W_second, update(M, N).maybe()),
        (W_third, update(M, N).maybe()), (b, update(N).maybe()), (b_first, update(N).maybe()),
        (b_second, update(N).maybe()), (b_third, update(N).maybe()), (rate, hyper().maybe()),
        (root, hyper().maybe()), (rest, hyper().maybe()), (lead, hyper().maybe()), (clips, flag()),
        (half, writes().maybe()), HG_RULE_OPTIONS,
        (by_shards, flag()),       // whether the sum is one over a batch in shards; then without a rule, add and half
        (kept, writes().maybe()))  // see shard_product.h

void check_own_update(Check& c) {
  using A = Weights;
  int64_t rule = c.size(Weights::rule) - 1;
  if (rule < 0) return;
  c.require(c.size(Weights::add) == 0, "a part of a gradient must not update");
  check_state(c, A::W, rule);
  if (c.has(Weights::db)) check_state(c, A::b, rule);
  for (int k : {A::rate, A::root, A::rest, A::lead}) c.hyper(k);
}

void check_weights(Check& c) {
  using A = Weights;
  int64_t d = c.size(A::M), n = c.size(A::N), k = c.size(A::K), step = c.size(A::x_row), ldc = c.size(A::dW_row);
  if (c.size(Weights::indexed)) {
    c.require(d <= step, "a row of data is longer than the step between rows");
    c.data(Weights::x, step);
    c.per_sample(Weights::K);
  } else {
    c.holds(Weights::x, reach(c, k, step, d, 1));
  }
  c.holds(Weights::dy, reach(c, k, c.size(Weights::dy_row), n, 1));
  c.require(ldc >= n, "rows of dW overlap");
  c.holds(Weights::dW, reach(c, d, ldc, n, 1));
  check_own_update(c);
  if (c.size(A::by_shards)) {
    c.by_shards({A::dW, A::db});
    c.require(c.size(A::rule) == 0 && !c.has(A::half) && c.size(A::add) == 0, "shards make a sum of their own");
    int64_t kept = kept_sums(c.shards(), c.of_shard(A::K));
    if (kept) c.needs(A::kept);
    c.holds(A::kept, c.times(kept, c.times(d, ldc)));
  } else {
    c.require(!c.has(A::kept), "no sum is kept");
    c.holds(A::kept, 0);
  }
  if (!c.has(Weights::half)) return;
  bool alone = c.size(Weights::add) == 0 && c.size(Weights::rule) == OwnRule::none;
  c.require(alone, "half a gradient is neither added nor an update");
  c.require(ldc == n, "the halves of a gradient lie alike");
  c.holds(Weights::half, c.plus(c.times(d, n), c.has(Weights::db) ? n : 0));
}

// Adds rows of dy, V vectors wide, of which the last has `last` columns.
template <int V>
inline void sum_vectors(const float* dy, int64_t step, int64_t rows, int64_t last, vec (&total)[V]) {
  vec sum[V];
  auto of = [&](const float* p, int v) { return part(p + v * W, v == V - 1 ? last : W); };
  for (int64_t k0 = 0; k0 < rows; k0 += kBlock) {
    for (int v = 0; v < V; v++) sum[v] = set1(0);
    for (int64_t k = k0; k < least(k0 + kBlock, rows); k++)
      unrolled<V>([&](auto v) { sum[v] = sum[v] + of(dy + k * step, v); });
    for (int v = 0; v < V; v++) total[v] = total[v] + sum[v];
  }
}

// each(number of vectors − 1, first column, columns in the last vector) for the columns [j0, j1).
template <class Each>
void by_columns(int64_t j0, int64_t j1, Each each) {
  constexpr int most = 4;  // vectors: as many additions at a time as there must be
  for (int64_t j = j0, some; j < j1; j += some) {
    some = least(j1 - j, most * W);
    with_code<most>(blocks(some, W) - 1, [&](auto v) { each(v, j, some - v * W); });
  }
}

void sum_rows(const float* dy, int64_t step, int64_t rows, int64_t j0, int64_t j1, float* db, bool add) {
  by_columns(j0, j1, [&](auto v, int64_t j, int64_t last) {
    vec total[v + 1];
    for (int i = 0; i <= v; i++) total[i] = add ? part(db + j + i * W, i == v ? last : W) : set1(0);
    sum_vectors(dy + j, step, rows, last, total);
    for (int i = 0; i <= v; i++) put(db + j + i * W, total[i], i == v ? last : W);
  });
}

// The same by shards, each of whose samples has so many rows.
void sum_rows_of_shards(const float* dy, int64_t step, const Batch& batch, int64_t each, int64_t j0, int64_t j1,
                        float* db) {
  by_columns(j0, j1, [&](auto v, int64_t j, int64_t last) {
    TreeSum<v + 1> tree;
    vec total[v + 1] = {};
    for (int64_t b = 0; b < batch.block_count; b++) {
      for (int64_t i = 0; i < batch.blocks[b].count; i++) {
        const int64_t* border = batch.borders + batch.blocks[b].first + i;
        for (int k = 0; k <= v; k++) total[k] = set1(0);
        sum_vectors(dy + j + border[0] * each * step, step, (border[1] - border[0]) * each, last, total);
        tree.add(i, total);
      }
      for (int k = 0; k <= v; k++) put(db + b * batch.sums_step + j + k * W, total[k], k == v ? last : W);
    }
  });
}

Product weights_of(const Job& j) {
  using A = Weights;
  Product p{};
  p.a.base = j.f(A::x), p.a.row_step = 1;
  if (j.i(A::indexed)) p.a.run_table = j.batch->rows, p.a.runs = j.i(A::K), p.a.run = 1, p.a.run_step = j.i(A::x_row);
  else p.a.run = j.i(A::K), p.a.step = j.i(A::x_row);
  p.b = j.f(A::dy), p.b_k = j.i(A::dy_row), p.b_j = 1;
  p.c = j.f(A::dW), p.ldc = j.i(A::dW_row), p.K = j.i(A::K), p.add = j.i(A::add);
  p.spare_remainder(j.i(A::N));
  return p;
}

int64_t weights_units(const Job& j) {
  return j.has(Weights::half) ? 2 * row_blocks(j, 2) : units_of(j, weights_of(j));
}

void run_halves(const Job& j, int64_t begin, int64_t end, Scratch scratch) {
  using A = Weights;
  int64_t many = row_blocks(j, 2), d = j.i(A::M), n = j.i(A::N);
  for (int64_t u = begin; u < end; u++) {
    Product p = weights_of(j);
    int64_t half = u / many, block = u % many, from = p.K * half / 2;
    p.K = p.K * (half + 1) / 2 - from, p.b += from * p.b_k;
    if (p.a.run_table) p.a.run_table += from, p.a.runs = p.K;
    else p.a.base += from * p.a.step, p.a.run = p.K;
    if (half) p.c = j.f(A::half);
    if (j.has(A::db) && !block) sum_rows(p.b, p.b_k, p.K, 0, n, half ? p.c + d * n : j.f(A::db), false);
    multiply(p, d * block / many, d * (block + 1) / many, 0, n, scratch.memory, nothing);
  }
}

void run_weights_of_shards(const Job& j, int64_t begin, int64_t end, Scratch scratch) {
  using A = Weights;
  const Batch& batch = *j.batch;
  int64_t each = batch.n ? j.i(A::K) / batch.n : 0, step = j.i(A::dy_row);
  by_units(j, weights_of(j), begin, end, scratch, [&](const Product& p, const Patch& c) {
    multiply_shards(p, c, batch, each, j.f(A::kept), j.i(A::M) * j.i(A::dW_row), scratch.memory);
    if (j.has(A::db) && c.m0 == 0) sum_rows_of_shards(j.f(A::dy), step, batch, each, c.n0, c.n1, j.f(A::db));
  });
}

void run_weights(const Job& j, int64_t begin, int64_t end, Scratch scratch) {
  using A = Weights;
  if (j.i(A::by_shards)) return run_weights_of_shards(j, begin, end, scratch);
  if (j.has(A::half)) return run_halves(j, begin, end, scratch);
  Product p = weights_of(j);
  int64_t n = j.i(A::N), rule = j.i(A::rule) - 1;
  auto bias = [&](int64_t i, int64_t at, int64_t columns) {
    if (j.has(A::db) && i == 0) sum_rows(p.b, p.b_k, p.K, at, at + columns, j.f(A::db), p.add);
  };
  if (rule < 0)
    return multiply_units(j, p, begin, end, scratch,
                          [&](int64_t i, int, int64_t at, int64_t columns) { bias(i, at, columns); });
  Update update(j, rule, A::rate, A::beta1, j.i(A::clips));
  State of_w = state_of(j, A::W, rule), of_b = state_of(j, A::b, rule);
  multiply_units(j, p, begin, end, scratch, [&](int64_t i, int rows, int64_t at, int64_t columns) {
    bias(i, at, columns);
    if (j.has(A::db) && i == 0) update(of_b, at, j.f(A::db) + at, columns);
    if (columns == n && p.ldc == n) {  // whole rows: one stretch
      update(of_w, i * n, p.c + i * n, rows * n);
      return;
    }
    for (int64_t r = i; r < i + rows; r++) update(of_w, r * n + at, p.c + r * p.ldc + at, columns);
  });
  if (!update.finite()) j.fail(kNotFinite);
}

const Kernel kernels[] = {
    {.name = "product", .args = ProductArgs::all, .check = check_product, .units = product_units, .run = run_product,
     .cost = product_cost, .scratch = product_scratch, .samples = product_samples},
    {.name = "partial", .args = Partial::all, .check = check_factors, .units = partial_units, .run = run_partial,
     .cost = product_cost, .scratch = product_scratch},
    {.name = "sum_parts", .args = SumParts::all, .units = sum_parts_units, .run = run_sum_parts,
     .cost = sum_parts_cost, .samples = sum_parts_rows},
    {.name = "weights", .args = Weights::all, .check = check_weights, .units = weights_units, .run = run_weights,
     .cost = product_cost, .scratch = product_scratch, .concurrent = true, .shards = true},
};

}  // namespace

Family affine_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
