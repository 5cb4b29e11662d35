// Attention and what it is made of: products of many small matrices, softmax, tables added to all
// samples, and the comparison of additive attention.
#include "math.h"
#include "product.h"

namespace hg::HG_ISA {

namespace {

// -- batched_product: C(s, h) = A(s, h) B(s, h) for samples s and heads h --------------------
//
// args: 0 samples, 1 heads, 2 M, 3 N, 4 K; then for A, B and C a place, words from sample to sample,
// from head to head, from row to row, from column to column; C's columns lie side by side.

enum { SAMPLES = 0, HEADS, M, N, K, A, B = 10, C = 15 };
constexpr int SAMPLE = 1, HEAD = 2, ROW = 3, COLUMN = 4;  // after the place

int64_t reach(Check& c, int at, int64_t rows, int64_t columns) {  // words from the first to the last
  int64_t samples = c.size(SAMPLES), heads = c.fixed(HEADS, 1, 1 << 24), far = 1;
  const int64_t counts[] = {samples, heads, rows, columns};
  for (int axis = 0; axis < 4; axis++) {
    int64_t step = at == C && axis == 3 ? 1 : c.fixed(at + SAMPLE + axis, 0, int64_t(1) << 31);
    far = c.plus(far, c.times(counts[axis] > 0 ? counts[axis] - 1 : 0, step));
  }
  return samples ? far : 0;
}

void check_products(Check& c) {
  constexpr int64_t most = 1 << 30;
  int64_t m = c.fixed(M, 1, most), n = c.fixed(N, 1, most), k = c.fixed(K, 1, most);
  int64_t heads = c.fixed(HEADS, 1, 1 << 24), row = c.fixed(C + ROW, n, int64_t(1) << 31);
  int64_t matrix = c.plus(c.times(m - 1, row), n), head = c.fixed(C + HEAD, 0, int64_t(1) << 31);
  // Units write different numbers: heads lie beside each other in a row, or one after the other.
  c.require(heads == 1 || head >= matrix || (head >= n && c.times(heads, head) <= row), "heads of C overlap");
  int64_t all = c.plus(c.times(heads - 1, head), matrix);
  c.require(c.fixed(C + SAMPLE, 0, int64_t(1) << 31) >= all, "samples of C overlap");
  c.reads(A, reach(c, A, m, k));
  c.reads(B, reach(c, B, k, n));
  c.writes(C, reach(c, C, m, n));
}

int64_t product_units(const Job& j) { return j.i(SAMPLES) * j.i(HEADS); }

void run_products(const Job& j, int64_t begin, int64_t end, Scratch scratch) {
  for (int64_t u = begin; u < end; u++) {
    int64_t s = u / j.i(HEADS), h = u % j.i(HEADS);
    auto matrix = [&](int at) { return j.f(at) + s * j.i(at + SAMPLE) + h * j.i(at + HEAD); };
    Product p{};
    p.a.base = matrix(A), p.a.row_step = j.i(A + ROW), p.a.run = j.i(K), p.a.step = j.i(A + COLUMN);
    p.b = matrix(B), p.b_k = j.i(B + ROW), p.b_j = j.i(B + COLUMN);
    p.c = matrix(C), p.ldc = j.i(C + ROW), p.K = j.i(K);
    multiply(p, 0, j.i(M), 0, j.i(N), scratch.memory, nothing);
  }
}

Cost product_cost(const Job& j) {
  double count = double(j.i(SAMPLES)) * double(j.i(HEADS)), m = double(j.i(M)), n = double(j.i(N)), k = double(j.i(K));
  return {2 * count * m * n * k, 4 * count * (m * k + k * n + m * n)};
}

int64_t product_scratch(const Job&) { return kPackWords; }

// -- softmax: y = softmax(a x) or its logarithm, along rows ---------------------------------
//
// args: 0 rows, 1 length, 2 x, 3 y, 4 whether the logarithm, 5 queries or 0: row r is query r mod
// queries, and sees the keys 0 … query alone. reals[0]: a. Backward: 2 y, 3 dx, 6 dy.

constexpr int64_t kUnitWords = 4096;

int64_t unit_rows(const Job& j) { return j.i(1) < kUnitWords ? kUnitWords / j.i(1) : 1; }
int64_t row_units(const Job& j) { return (j.i(0) + unit_rows(j) - 1) / unit_rows(j); }

template <class Each>
void each_row(const Job& j, int64_t begin, int64_t end, Each each) {
  int64_t from = begin * unit_rows(j), to = end * unit_rows(j);
  for (int64_t r = from; r < to && r < j.i(0); r++) each(r);
}

void check_softmax(Check& c) {
  int64_t words = c.times(c.size(0), c.fixed(1, 1, 1 << 30));
  c.reads(2, words);
  c.writes(3, words);
  c.fixed(4, 0, 1);
  c.fixed(5, 0, 1 << 30);
}

vec scaled(const float* x, int64_t n, vec factor) {  // −∞ behind the end
  vec v = part(x, n) * factor;
  return n == W ? v : lt(load(kIndex), set1(float(n)), v, set1(-kInfinity));
}

void softmax_row(const float* x, float* y, int64_t length, float factor, bool log_of) {
  vec f = set1(factor);
  Lanes most(-kInfinity), total(0);
  by_lanes(length, most, [&](vec& m, int64_t q, int64_t n) { m = max(scaled(x + q, n, f), m); });
  vec greatest = set1(most.greatest());
  by_lanes(length, total, [&](vec& sum, int64_t q, int64_t n) {
    vec v = scaled(x + q, n, f) - greatest, e = exp(v);
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
  each_row(j, begin, end, [&](int64_t r) {
    int64_t length = j.i(1), seen = j.i(5) && r % j.i(5) + 1 < length ? r % j.i(5) + 1 : length;
    float* y = j.f(3) + r * length;
    softmax_row(j.f(2) + r * length, y, seen, float(j.reals[0]), j.i(4));
    for (int64_t q = seen; q < length; q++) y[q] = 0;
  });
}

// softmax_backward: dx = a y (dy − Σ dy y), or a (dy − eʸ Σ dy).

void check_softmax_backward(Check& c) {
  check_softmax(c);
  c.reads(6, c.times(c.size(0), c.fixed(1, 1, 1 << 30)));
}

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
  vec factor = set1(float(j.reals[0]));
  each_row(j, begin, end, [&](int64_t r) {
    int64_t at = r * j.i(1);
    (j.i(4) ? log_softmax_dx : softmax_dx)(j.f(2) + at, j.f(6) + at, j.f(3) + at, j.i(1), factor);
  });
}

Cost softmax_cost(const Job& j) { return {8 * double(j.i(0)) * double(j.i(1)), 16 * double(j.i(0)) * double(j.i(1))}; }

// -- add_table: y[r] = x[r] + table --------------------------------------------------------
// args: 0 rows, 1 length, 2 x, 3 y, 4 table

void check_table(Check& c) {
  int64_t length = c.fixed(1, 1, 1 << 30), words = c.times(c.size(0), length);
  c.reads(2, words);
  c.writes(3, words);
  c.reads(4, length);
}

void run_table(const Job& j, int64_t begin, int64_t end, Scratch) {
  each_row(j, begin, end, [&](int64_t r) {
    int64_t at = r * j.i(1);
    by_vectors(j.i(1), [&](int64_t q, int64_t n) {
      put(j.f(3) + at + q, part(j.f(2) + at + q, n) + part(j.f(4) + q, n), n);
    });
  });
}

Cost table_cost(const Job& j) { return {0, 8 * double(j.i(0)) * double(j.i(1))}; }

// -- compare: scores[n, t, s] = w · tanh(a[n, t] + b[n, s]) --------------------------------
//
// args: 0 samples, 1 queries T, 2 keys S, 3 H, 4 a (n, T, H), 5 b (n, S, H), 6 w (H),
// 7 scores or dscores (n, T, S); backward: 8 da, 9 db, 10 dw of each sample (n, H).

struct Compared {
  int64_t T, S, H;
  const float *a, *b, *w;
  float* scores;
  Compared(const Job& j, int64_t i)
      : T(j.i(1)), S(j.i(2)), H(j.i(3)), a(j.f(4) + i * T * H), b(j.f(5) + i * S * H), w(j.f(6)),
        scores(j.f(7) + i * T * S) {}
};

struct CompareWords { int64_t queries, keys, width, scores, samples; };
CompareWords check_compared(Check& c) {
  int64_t n = c.size(0), T = c.fixed(1, 1, 1 << 24), S = c.fixed(2, 1, 1 << 24), H = c.fixed(3, 1, 1 << 24);
  CompareWords words{c.times(n, c.times(T, H)), c.times(n, c.times(S, H)), H, c.times(n, c.times(T, S)), n};
  c.reads(4, words.queries);
  c.reads(5, words.keys);
  c.reads(6, words.width);
  return words;
}

int64_t samples(const Job& j) { return j.i(0); }

void check_compare(Check& c) { c.writes(7, check_compared(c).scores); }

void run_compare(const Job& j, int64_t begin, int64_t end, Scratch) {
  for (int64_t i = begin; i < end; i++) {
    Compared p(j, i);
    for (int64_t t = 0; t < p.T; t++)
      for (int64_t s = 0; s < p.S; s++) {
        const float *a = p.a + t * p.H, *b = p.b + s * p.H;
        Lanes score(0);
        by_lanes(p.H, score, [&](vec& sum, int64_t q, int64_t n) {
          sum = fma(part(p.w + q, n), tanh(part(a + q, n) + part(b + q, n)), sum);
        });
        p.scores[t * p.S + s] = score.sum();
      }
  }
}

void check_compare_backward(Check& c) {
  CompareWords words = check_compared(c);
  c.reads(7, words.scores);
  c.writes(8, words.queries);
  c.writes(9, words.keys);
  c.writes(10, c.times(words.samples, words.width));
}

void run_compare_backward(const Job& j, int64_t begin, int64_t end, Scratch) {
  for (int64_t i = begin; i < end; i++) {
    Compared p(j, i);
    float *da = j.f(8) + i * p.T * p.H, *db = j.f(9) + i * p.S * p.H, *dw = j.f(10) + i * p.H;
    std::memset(da, 0, size_t(p.T * p.H) * 4);
    std::memset(db, 0, size_t(p.S * p.H) * 4);
    std::memset(dw, 0, size_t(p.H) * 4);
    for (int64_t t = 0; t < p.T; t++)
      for (int64_t s = 0; s < p.S; s++) {
        vec up = set1(p.scores[t * p.S + s]);
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
  return {30 * double(j.i(0)) * double(j.i(1)) * double(j.i(2)) * double(j.i(3)), 0};
}

const Kernel kernels[] = {
    {"batched_product", check_products, product_units, run_products, product_cost, product_scratch},
    {"softmax", check_softmax, row_units, run_softmax, softmax_cost},
    {"softmax_backward", check_softmax_backward, row_units, run_softmax_backward, softmax_cost},
    {"add_table", check_table, row_units, run_table, table_cost},
    {"compare", check_compare, samples, run_compare, compare_cost},
    {"compare_backward", check_compare_backward, samples, run_compare_backward, compare_cost},
};

}  // namespace

Family attention_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
