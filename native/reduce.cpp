// Sums, means and maxima along the middle of three axes (outer, count, inner), and back.
#include "activation.h"
#include "row.h"

namespace hg::HG_ISA {

namespace {

constexpr int64_t kColumns = 256;  // of the inner axis in one unit
constexpr int64_t kBlock = 256;    // numbers that are summed in one chain

enum { OUTER = 0, COUNT, INNER, X, Y, CODE, FIRST };
enum Reduction { kSum = 0, kMean, kMax };

// -- reduce: y[o, i] = Σ x[o, k, i] over k, or the mean, or the greatest -----------------------
// args: 0 outer, 1 count, 2 inner, 3 x, 4 y, 5 reduction, 6 for the greatest: the k of the first

void check_reduce(Check& c) {
  int64_t kept = c.times(c.size(OUTER), c.size(INNER)), all = c.times(kept, c.size(COUNT));
  bool greatest = c.fixed(CODE, 0, kMax) == kMax;
  c.reads(X, all);
  c.writes(Y, kept);
  if (greatest) c.writes(FIRST, kept);
}

int64_t blocks(const Job& j) { return (j.i(INNER) + kColumns - 1) / kColumns; }
int64_t reduce_units(const Job& j) { return j.i(OUTER) * blocks(j); }

// Sums of `columns` numbers next to each other, in blocks of rows.
void sum_columns(const float* x, int64_t rows, int64_t step, int64_t columns, float* y) {
  by_vectors(columns, [&](int64_t i, int64_t lanes) {
    vec total = set1(0);
    for (int64_t k = 0; k < rows;) {
      vec sum = set1(0);
      for (int64_t stop = k + kBlock < rows ? k + kBlock : rows; k < stop; k++)
        sum = sum + part(x + k * step + i, lanes);
      total = total + sum;
    }
    put(y + i, total, lanes);
  });
}

// The greatest, NaN where there is one, and where it is first; indices are moved as bits.
void greatest_columns(const float* x, int64_t rows, int64_t step, int64_t columns, float* y, float* first) {
  by_vectors(columns, [&](int64_t i, int64_t lanes) {
    vec top = set1(-kInfinity), at = set1(0);
    for (int64_t k = 0; k < rows; k++) {
      vec v = part(x + k * step + i, lanes), here = as_float(iset1(int32_t(k)));
      vec new_nan = eq(v, v, set1(0), eq(top, top, set1(1), set1(0)));
      at = lt(top, v, here, eq(new_nan, set1(1), here, at));
      top = lt(top, v, v, eq(new_nan, set1(1), v, top));
    }
    put(y + i, top, lanes);
    put(first + i, at, lanes);
  });
}

void run_reduce(const Job& j, int64_t begin, int64_t end, Scratch) {
  int64_t count = j.i(COUNT), inner = j.i(INNER), across = blocks(j);
  for (int64_t u = begin; u < end; u++) {
    int64_t o = u / across, from = u % across * kColumns;
    int64_t columns = from + kColumns < inner ? kColumns : inner - from, at = o * inner + from;
    const float* x = j.f(X) + o * count * inner + from;
    float* y = j.f(Y) + at;
    if (j.i(CODE) == kMax) {
      greatest_columns(x, count, inner, columns, y, j.f(FIRST) + at);
      continue;
    }
    if (inner == 1) y[0] = row_sum(x, count);
    else sum_columns(x, count, inner, columns, y);
    if (j.i(CODE) == kMean)
      by_vectors(columns, [&](int64_t i, int64_t lanes) {
        put(y + i, part(y + i, lanes) / set1(float(count)), lanes);
      });
  }
}

// -- reduce_back: dx[o, k, i] from dy[o, i] ----------------------------------------------------
// args as of reduce, with 3 dy and 4 dx

void check_reduce_back(Check& c) {
  int64_t kept = c.times(c.size(OUTER), c.size(INNER)), all = c.times(kept, c.size(COUNT));
  bool greatest = c.fixed(CODE, 0, kMax) == kMax;
  c.reads(X, kept);
  c.writes(Y, all);
  if (greatest) c.reads(FIRST, kept);
}

int64_t reduce_back_units(const Job& j) { return j.i(INNER) ? j.i(OUTER) : 0; }

void run_reduce_back(const Job& j, int64_t begin, int64_t end, Scratch) {
  int64_t count = j.i(COUNT), inner = j.i(INNER);
  bool greatest = j.i(CODE) == kMax;
  float share = j.i(CODE) == kMean ? float(count) : 1;
  for (int64_t o = begin; o < end; o++) {
    const float* dy = j.f(X) + o * inner;
    const int32_t* first = greatest ? j.n(FIRST) + o * inner : nullptr;
    float* dx = j.f(Y) + o * count * inner;
    if (inner == 1 && !greatest) {
      vec each = set1(dy[0] / share);
      by_vectors(count, [&](int64_t k, int64_t lanes) { put(dx + k, each, lanes); });
      continue;
    }
    for (int64_t k = 0; k < count; k++, dx += inner)
      for (int64_t i = 0; i < inner; i++) {
        if (greatest) dx[i] = first[i] == k ? dy[i] : 0;
        else dx[i] = dy[i] / share;
      }
  }
}

Cost reduce_cost(const Job& j) {
  double n = double(j.i(OUTER)) * double(j.i(COUNT)) * double(j.i(INNER));
  return {n, 4 * n};
}

const Kernel kernels[] = {
    {"reduce", check_reduce, reduce_units, run_reduce, reduce_cost},
    {"reduce_back", check_reduce_back, reduce_back_units, run_reduce_back, reduce_cost},
};

}  // namespace

Family reduce_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
