// Attention and what it is made of: products of many small matrices, softmax, tables added to all
// samples, and the comparison of additive attention.
#include "math.h"
#include "product.h"

namespace hg::HG_ISA {

namespace {

// -- batched_product: C(s, h) = A(s, h) B(s, h) for samples s and heads h --------------------
//
// After each matrix the words from sample to sample, from head to head, from row to row, from column to
// column; C's columns lie side by side.

HG_ARGS(Products, (samples, size()), (heads, fixed(1, 1 << 24)),
        (M, fixed(1, 1 << 30)), (N, fixed(1, 1 << 30)), (K, fixed(1, 1 << 30)),
        (A, reads()), (A_sample, fixed()), (A_head, fixed()), (A_row, fixed()), (A_column, fixed()),
        (B, reads()), (B_sample, fixed()), (B_head, fixed()), (B_row, fixed()), (B_column, fixed()),
        (C, writes()), (C_sample, fixed()), (C_head, fixed()), (C_row, fixed()))
constexpr int SAMPLE = 1, HEAD = 2, ROW = 3, COLUMN = 4;  // after a matrix

int64_t reach(Check& c, int at, int64_t rows, int64_t columns) {  // words from the first to the last
  int64_t samples = c.size(Products::samples), heads = c.size(Products::heads), far = 1;
  const int64_t counts[] = {samples, heads, rows, columns};
  for (int axis = 0; axis < 4; axis++) {
    int64_t step = at == Products::C && axis == 3 ? 1 : c.size(at + SAMPLE + axis);
    far = c.plus(far, c.times(counts[axis] > 0 ? counts[axis] - 1 : 0, step));
  }
  return samples ? far : 0;
}

void check_products(Check& c) {
  using P = Products;
  int64_t m = c.size(P::M), n = c.size(P::N), k = c.size(P::K), heads = c.size(P::heads);
  int64_t row = c.size(P::C_row), matrix = c.plus(c.times(m - 1, row), n), head = c.size(P::C_head);
  c.require(row >= n, "rows of C overlap");
  // Units write different elements: heads lie beside each other in a row, or one after the other.
  c.require(heads == 1 || head >= matrix || (head >= n && c.times(heads, head) <= row), "heads of C overlap");
  int64_t all = c.plus(c.times(heads - 1, head), matrix);
  c.require(c.size(P::C_sample) >= all, "samples of C overlap");
  c.holds(P::A, reach(c, P::A, m, k));
  c.holds(P::B, reach(c, P::B, k, n));
  c.holds(P::C, reach(c, P::C, m, n));
}

int64_t product_units(const Job& j) { return j.i(Products::samples) * j.i(Products::heads); }

void run_products(const Job& j, int64_t begin, int64_t end, Scratch scratch) {
  using A = Products;
  for (int64_t u = begin; u < end; u++) {
    int64_t s = u / j.i(A::heads), h = u % j.i(A::heads);
    auto matrix = [&](int at) { return j.f(at) + s * j.i(at + SAMPLE) + h * j.i(at + HEAD); };
    Product p{};
    p.a.base = matrix(A::A), p.a.row_step = j.i(A::A_row), p.a.run = j.i(A::K), p.a.step = j.i(A::A_column);
    p.b = matrix(A::B), p.b_k = j.i(A::B_row), p.b_j = j.i(A::B_column);
    p.c = matrix(A::C), p.ldc = j.i(A::C_row), p.K = j.i(A::K);
    multiply(p, 0, j.i(A::M), 0, j.i(A::N), scratch.memory, nothing);
  }
}

Cost product_cost(const Job& j) {
  using A = Products;
  double count = double(j.i(A::samples)) * double(j.i(A::heads));
  double m = double(j.i(A::M)), n = double(j.i(A::N)), k = double(j.i(A::K));
  return {2 * count * m * n * k, 4 * count * (m * k + k * n + m * n)};
}

int64_t product_scratch(const Job&) { return kPackWords; }

// -- softmax: y = softmax(a x) or its logarithm, along rows ---------------------------------

#define HG_ROWS (rows, size()), (length, fixed(1, 1 << 30))
HG_ARGS(Rows, HG_ROWS)
HG_ARGS(Softmax, HG_ROWS, (x, read(rows, length)), (y, write(rows, length)),
        (log, flag()),                 // whether the logarithm
        (queries, fixed(0, 1 << 30).maybe()),  // or 0; row r is query r mod queries, and sees the keys 0 … query alone
        (factor, real()))              // a

constexpr int64_t kUnitWords = 4096;

int64_t unit_rows(const Job& j) { return j.i(Rows::length) < kUnitWords ? kUnitWords / j.i(Rows::length) : 1; }
int64_t row_units(const Job& j) { return (j.i(Rows::rows) + unit_rows(j) - 1) / unit_rows(j); }

template <class Each>
void each_row(const Job& j, int64_t begin, int64_t end, Each each) {
  int64_t from = begin * unit_rows(j), to = end * unit_rows(j);
  for (int64_t r = from; r < to && r < j.i(Rows::rows); r++) each(r);
}

vec scaled(const float* x, int64_t n, vec factor) {  // −∞ behind the end
  vec v = part(x, n) * factor;
  return n == W ? v : lt(load(kIndex), set1(float(n)), v, set1(-kInfinity));
}

void softmax_row(const float* x, float* y, int64_t length, float factor, bool log_of) {
  vec f = set1(factor);
  Lanes most(-kInfinity), total(0);
  by_lanes(length, most, [&](vec& m, int64_t q, int64_t n) { m = max(scaled(x + q, n, f), m); });
  vec top = set1(most.top());
  by_lanes(length, total, [&](vec& sum, int64_t q, int64_t n) {
    vec v = scaled(x + q, n, f) - top, e = exp(v);
    sum = sum + e;
    put(y + q, log_of ? v : e, n);
  });
  vec sum = set1(total.sum()), lost = log_of ? log(sum) : set1(1) / sum;
  by_vectors(length, [&](int64_t q, int64_t n) {
    vec v = part(y + q, n);
    put(y + q, log_of ? v - lost : v * lost, n);
  });
}

void run_softmax(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = Softmax;
  each_row(j, begin, end, [&](int64_t r) {
    int64_t length = j.i(A::length), queries = j.i(A::queries);
    int64_t seen = queries && r % queries + 1 < length ? r % queries + 1 : length;
    float* y = j.f(A::y) + r * length;
    softmax_row(j.f(A::x) + r * length, y, seen, float(j.r(A::factor)), j.i(A::log));
    for (int64_t q = seen; q < length; q++) y[q] = 0;
  });
}

// softmax_backward: dx = a y (dy − Σ dy y), or a (dy − eʸ Σ dy).

HG_ARGS(SoftmaxBackward, HG_ROWS, (y, read(rows, length)), (dy, read(rows, length)), (dx, write(rows, length)),
        (log, flag()), (factor, real()))

void log_softmax_dx(const float* y, const float* dy, float* dx, int64_t length, vec factor) {
  vec sum = set1(row_sum(dy, length));
  by_vectors(length, [&](int64_t q, int64_t n) {
    put(dx + q, factor * fnma(exp(part(y + q, n)), sum, part(dy + q, n)), n);
  });
}

// The mean is taken off twice: where all dy are nearly alike, the first time leaves rounding.
void softmax_dx(const float* y, const float* dy, float* dx, int64_t length, vec factor) {
  Lanes first(0), second(0);
  by_lanes(length, first, [&](vec& sum, int64_t q, int64_t n) { sum = fma(part(dy + q, n), part(y + q, n), sum); });
  vec mean = set1(first.sum());
  by_lanes(length, second, [&](vec& sum, int64_t q, int64_t n) {
    sum = fma(part(dy + q, n) - mean, part(y + q, n), sum);
  });
  vec rest = set1(second.sum());
  by_vectors(length, [&](int64_t q, int64_t n) {
    put(dx + q, factor * part(y + q, n) * ((part(dy + q, n) - mean) - rest), n);
  });
}

void run_softmax_backward(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = SoftmaxBackward;
  vec factor = set1(float(j.r(A::factor)));
  each_row(j, begin, end, [&](int64_t r) {
    int64_t at = r * j.i(Rows::length);
    (j.i(A::log) ? log_softmax_dx : softmax_dx)(j.f(A::y) + at, j.f(A::dy) + at, j.f(A::dx) + at, j.i(A::length),
                                                factor);
  });
}

Cost softmax_cost(const Job& j) {
  using A = Rows;
  return {8 * double(j.i(A::rows)) * double(j.i(A::length)), 16 * double(j.i(A::rows)) * double(j.i(A::length))};
}

// -- add_table: y[r] = x[r] + table --------------------------------------------------------

HG_ARGS(AddTable, HG_ROWS, (x, read(rows, length)), (y, write(rows, length)), (table, read(length)))

void run_table(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = AddTable;
  each_row(j, begin, end, [&](int64_t r) {
    int64_t at = r * j.i(Rows::length);
    by_vectors(j.i(Rows::length), [&](int64_t q, int64_t n) {
      put(j.f(A::y) + at + q, part(j.f(A::x) + at + q, n) + part(j.f(A::table) + q, n), n);
    });
  });
}

Cost table_cost(const Job& j) { return {0, 8 * double(j.i(Rows::rows)) * double(j.i(Rows::length))}; }

// -- compare: scores[n, t, s] = w · tanh(a[n, t] + b[n, s]) --------------------------------

#define HG_PAIRS                                                                                               \
  (samples, size()), (queries, fixed(1, 1 << 24)), (keys, fixed(1, 1 << 24)), (width, fixed(1, 1 << 24)),        \
  (a, read(samples, queries, width)), (b, read(samples, keys, width)), (w, read(width))
HG_ARGS(Pairs, HG_PAIRS)
HG_ARGS(Compare, HG_PAIRS, (scores, write(samples, queries, keys)))

struct Compared {
  int64_t T, S, H;
  const float *a, *b, *w;
  Compared(const Job& j, int64_t i)
      : T(j.i(Pairs::queries)), S(j.i(Pairs::keys)), H(j.i(Pairs::width)), a(j.f(Pairs::a) + i * T * H),
        b(j.f(Pairs::b) + i * S * H), w(j.f(Pairs::w)) {}
};

int64_t samples(const Job& j) { return j.i(Pairs::samples); }

void run_compare(const Job& j, int64_t begin, int64_t end, Scratch) {
  for (int64_t i = begin; i < end; i++) {
    Compared p(j, i);
    float* scores = j.f(Compare::scores) + i * p.T * p.S;
    for (int64_t t = 0; t < p.T; t++)
      for (int64_t s = 0; s < p.S; s++) {
        const float *a = p.a + t * p.H, *b = p.b + s * p.H;
        Lanes score(0);
        by_lanes(p.H, score, [&](vec& sum, int64_t q, int64_t n) {
          sum = fma(part(p.w + q, n), tanh(part(a + q, n) + part(b + q, n)), sum);
        });
        scores[t * p.S + s] = score.sum();
      }
  }
}

HG_ARGS(CompareBackward, HG_PAIRS, (dscores, read(samples, queries, keys)), (da, write(samples, queries, width)),
        (db, write(samples, keys, width)), (dw, write(samples, width)))  // dw: of each sample

void run_compare_backward(const Job& j, int64_t begin, int64_t end, Scratch) {
  for (int64_t i = begin; i < end; i++) {
    Compared p(j, i);
    using A = CompareBackward;
    const float* dscores = j.f(A::dscores) + i * p.T * p.S;
    float *da = j.f(A::da) + i * p.T * p.H, *db = j.f(A::db) + i * p.S * p.H, *dw = j.f(A::dw) + i * p.H;
    std::memset(da, 0, size_t(p.T * p.H) * 4);
    std::memset(db, 0, size_t(p.S * p.H) * 4);
    std::memset(dw, 0, size_t(p.H) * 4);
    for (int64_t t = 0; t < p.T; t++)
      for (int64_t s = 0; s < p.S; s++) {
        vec up = set1(dscores[t * p.S + s]);
        by_vectors(p.H, [&](int64_t q, int64_t n) {
          int64_t at = t * p.H + q, bt = s * p.H + q;
          vec z = tanh(part(p.a + at, n) + part(p.b + bt, n));
          vec dz = up * part(p.w + q, n) * fnma(z, z, set1(1));
          put(da + at, part(da + at, n) + dz, n);
          put(db + bt, part(db + bt, n) + dz, n);
          put(dw + q, fma(up, z, part(dw + q, n)), n);
        });
      }
  }
}

Cost compare_cost(const Job& j) {
  using A = Pairs;
  return {30 * double(j.i(A::samples)) * double(j.i(A::queries)) * double(j.i(A::keys)) *
              double(j.i(A::width)), 0};
}

const Kernel kernels[] = {
    {.name = "batched_product", .args = Products::all, .check = check_products, .units = product_units,
     .run = run_products, .cost = product_cost, .scratch = product_scratch},
    {.name = "softmax", .args = Softmax::all, .units = row_units, .run = run_softmax, .cost = softmax_cost},
    {.name = "softmax_backward", .args = SoftmaxBackward::all, .units = row_units, .run = run_softmax_backward,
     .cost = softmax_cost},
    {.name = "add_table", .args = AddTable::all, .units = row_units, .run = run_table, .cost = table_cost},
    {.name = "compare", .args = Compare::all, .units = samples, .run = run_compare, .cost = compare_cost},
    {.name = "compare_backward", .args = CompareBackward::all, .units = samples, .run = run_compare_backward,
     .cost = compare_cost},
};

}  // namespace

Family attention_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
