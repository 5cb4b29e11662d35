// Sums, means and maxima along the middle of three axes (outer, count, inner), and back.
#include "activation.h"
#include "cuts.h"

namespace hg::HG_ISA {

namespace {

constexpr int64_t kColumns = 256;  // of the inner axis in one unit
constexpr int64_t kBlock = 256;    // elements that are summed in one chain

HG_ENUM(Reduction, sum, mean, max)

// -- reduce: y[o, i] = Σ x[o, k, i] over k, or the mean, or the max -----------------------

HG_ARGS(Reduce, (outer, size()), (count, size()), (inner, size()), (x, read(outer, count, inner)),
        (y, write(outer, inner)), (reduction, option<Reduction>()),
        (first, write(outer, inner).ints().maybe()),  // of the max: the k where it is first
        (by_shards, flag()))  // whether it is a sum over a batch in shards

void check_reduce(Check& c) {
  if (c.size(Reduce::by_shards)) {
    bool sum = c.size(Reduce::reduction) == Reduction::sum && c.size(Reduce::outer) == 1;
    c.by_shards({Reduce::y}), c.of_shard(Reduce::count), c.require(sum, "shards make a sum");
  }
  if (c.size(Reduce::reduction) == Reduction::max) c.needs(Reduce::first);
}

int64_t blocks(const Job& j) { return (j.i(Reduce::inner) + kColumns - 1) / kColumns; }
int64_t reduce_units(const Job& j) { return j.i(Reduce::outer) * blocks(j); }

// Sums of `columns` elements next to each other, in blocks of rows.
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

// The max, NaN where there is one, and where it is first; indices are moved as bits.
void max_columns(const float* x, int64_t rows, int64_t step, int64_t columns, float* y, float* first) {
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

void run_reduce_of_shards(const Job& j, int64_t begin, int64_t end) {
  using A = Reduce;
  int64_t inner = j.i(A::inner), from = begin * kColumns, to = end * kColumns < inner ? end * kColumns : inner;
  Cuts cuts(j, j.i(A::count));
  by_vectors(to - from, [&](int64_t q, int64_t lanes) {
    const float* x = j.f(A::x) + from + q;
    float sums[W] = {};
    add_shards<1>(*j.batch, [&](int64_t s, vec (&sum)[1]) {
      int64_t first = cuts.begin(s), rows = cuts.end(s) - first;
      if (inner == 1) sums[0] = row_sum(x + first, rows);
      else sum_columns(x + first * inner, rows, inner, lanes, sums);
      sum[0] = part(sums, lanes);
    }, [&](int64_t row, const vec (&sum)[1]) { put(j.f(A::y) + row + from + q, sum[0], lanes); });
  });
}

void run_reduce(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = Reduce;
  if (j.i(A::by_shards)) return run_reduce_of_shards(j, begin, end);
  int64_t count = j.i(A::count), inner = j.i(A::inner), across = blocks(j);
  for (int64_t u = begin; u < end; u++) {
    int64_t o = u / across, from = u % across * kColumns;
    int64_t columns = from + kColumns < inner ? kColumns : inner - from, at = o * inner + from;
    const float* x = j.f(A::x) + o * count * inner + from;
    float* y = j.f(A::y) + at;
    if (j.i(A::reduction) == Reduction::max) {
      max_columns(x, count, inner, columns, y, j.f(A::first) + at);
      continue;
    }
    if (inner == 1) y[0] = row_sum(x, count);
    else sum_columns(x, count, inner, columns, y);
    if (j.i(A::reduction) == Reduction::mean)
      by_vectors(columns, [&](int64_t i, int64_t lanes) {
        put(y + i, part(y + i, lanes) / set1(float(count)), lanes);
      });
  }
}

// -- reduce_back: dx[o, k, i] from dy[o, i] ----------------------------------------------------

HG_ARGS(ReduceBack, (outer, size()), (count, size()), (inner, size()), (dy, read(outer, inner)),
        (dx, write(outer, count, inner)), (reduction, option<Reduction>()),
        (first, read(outer, inner).ints().maybe()))

void check_reduce_back(Check& c) {
  if (c.size(ReduceBack::reduction) == Reduction::max) c.needs(ReduceBack::first);
}

int64_t reduce_back_units(const Job& j) { return j.i(ReduceBack::inner) ? j.i(ReduceBack::outer) : 0; }

void run_reduce_back(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = ReduceBack;
  int64_t count = j.i(A::count), inner = j.i(A::inner);
  bool is_max = j.i(A::reduction) == Reduction::max;
  float share = j.i(A::reduction) == Reduction::mean ? float(count) : 1;
  for (int64_t o = begin; o < end; o++) {
    const float* dy = j.f(A::dy) + o * inner;
    const int32_t* first = is_max ? j.n(A::first) + o * inner : nullptr;
    float* dx = j.f(A::dx) + o * count * inner;
    if (inner == 1 && !is_max) {
      vec each = set1(dy[0] / share);
      by_vectors(count, [&](int64_t k, int64_t lanes) { put(dx + k, each, lanes); });
      continue;
    }
    for (int64_t k = 0; k < count; k++, dx += inner)
      for (int64_t i = 0; i < inner; i++) {
        if (is_max) dx[i] = first[i] == k ? dy[i] : 0;
        else dx[i] = dy[i] / share;
      }
  }
}

Cost reduce_cost(const Job& j) {
  using A = Reduce;
  double n = double(j.i(A::outer)) * double(j.i(A::count)) * double(j.i(A::inner));
  return {n, 4 * n};
}

const Kernel kernels[] = {
    {.name = "reduce", .args = Reduce::all, .check = check_reduce, .units = reduce_units, .run = run_reduce,
     .cost = reduce_cost, .shards = true},
    {.name = "reduce_back", .args = ReduceBack::all, .check = check_reduce_back, .units = reduce_back_units,
     .run = run_reduce_back, .cost = reduce_cost},
};

}  // namespace

Family reduce_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
