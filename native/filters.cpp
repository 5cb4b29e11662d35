// The weights of convolutions: from the user's order (F, C, KH, KW) into the panels that products
// read, and the parts of their gradient added up, in the user's order again.
#include "cuts.h"
#include "panels.h"

namespace hg::HG_ISA {

namespace {

// -- filters: W (F, C/G, T) in panels, a set for each group ----------------------------------
//
// What a panel's columns and k run over, forward: filters, and cells and channels; backward: channels,
// and cells backwards and filters; stamps: cells and channels, and filters.

constexpr int64_t kMost = 1 << 27;
HG_ENUM(FilterOrder, forward, backward, stamps)
#define HG_FILTERS  /* cells T, channels of a group C/G, filters F, groups G */ \
  (cells, fixed(1, kMost)), (channels, fixed(1, kMost)), (filters, fixed(1, kMost)), (groups, fixed(1, kMost))
HG_ARGS(Sizes, HG_FILTERS)
HG_ARGS(Filters, HG_FILTERS, (W, read(cells, channels, filters)), (panels, writes()), (order, option<FilterOrder>()))

struct Shape {
  int64_t cells, channels, filters, groups, order;  // filters of a group
  int64_t columns() const {
    if (order == FilterOrder::stamps) return cells * channels;
    return order == FilterOrder::forward ? filters : channels;
  }
  int64_t deep() const { return cells * channels * filters / columns(); }
  // Where W holds the element for k and column j of a panel: of_k(k) + of_column(j), within its group.
  int64_t of_k(int64_t k) const {
    if (order == FilterOrder::stamps) return k * channels * cells;
    if (order == FilterOrder::backward) return k % filters * channels * cells + cells - 1 - k / filters;
    return k % channels * cells + k / channels;
  }
  int64_t of_column(int64_t j) const {
    if (order == FilterOrder::stamps) return j % channels * cells + j / channels;
    return order == FilterOrder::backward ? j * cells : j * channels * cells;
  }
};

Shape check_sizes(Check& c) {
  using A = Sizes;
  int64_t cells = c.size(A::cells), channels = c.size(A::channels), filters = c.size(A::filters);
  int64_t groups = c.size(A::groups);
  c.require(filters % groups == 0, "groups must divide filters");
  c.require(c.times(c.times(cells, channels), filters) <= kMost, "there are too many weights");
  return c.fault ? Shape{1, 1, 1, 1, 0} : Shape{cells, channels, filters / groups, groups, 0};
}

Shape shape(const Job& j, int64_t order) {
  using A = Sizes;
  int64_t groups = j.i(A::groups);
  return {j.i(A::cells), j.i(A::channels), j.i(A::filters) / groups, groups, order};
}

void check_filters(Check& c) {
  Shape s = check_sizes(c);
  s.order = c.size(Filters::order);
  c.holds(Filters::panels, c.times(s.groups, panel_words(s.deep(), s.columns())));
}

int64_t panels(const Shape& s) {
  int64_t count = 0;
  by_panels(s.columns(), [&](int64_t, int64_t, int64_t) { count++; });
  return count;
}

int64_t filters_units(const Job& j) { return j.i(Sizes::groups) * panels(shape(j, j.i(Filters::order))); }

void run_filters(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = Filters;
  Shape s = shape(j, j.i(A::order));
  int64_t deep = s.deep(), columns = s.columns(), each = panels(s);
  for (int64_t u = begin; u < end; u++) {
    int64_t group = u / each, first = 0;
    for (int64_t before = u % each; before > 0; before--) first += panel_width(columns - first);
    int64_t width = panel_width(columns - first);
    const float* from = j.f(A::W) + group * s.cells * s.channels * s.filters;
    float* out = j.f(A::panels) + group * panel_words(deep, columns) + first * deep;
    int64_t count = columns - first < width ? columns - first : width, column[NR + W];
    for (int64_t q = 0; q < count; q++) column[q] = s.of_column(first + q);
    for (int64_t k = 0; k < deep; k++, out += width) {
      const float* row = from + s.of_k(k);
      for (int64_t q = 0; q < width; q++) out[q] = q < count ? row[column[q]] : 0;
    }
  }
}

Cost filters_cost(const Job& j) {
  using A = Sizes;
  return {20.0 * double(j.i(A::cells)) * double(j.i(A::channels)) * double(j.i(A::filters)), 0};
}

// -- filter_sum: dW (F, C/G, T) and db, from parts -------------------------------------------

HG_ARGS(FilterSum, HG_FILTERS, (samples, size()),
        (each, fixed(1, kMost)),      // samples of a part
        (parts, reads()),             // of dW: (parts, G, T·C/G, F/G)
        (dW, update(cells, channels, filters).maybe()),
        (bias_parts, reads().maybe()),  // of db: (parts, F)
        (db, update(filters).maybe()), (add, flag()))

void check_filter_sum(Check& c) {
  using A = FilterSum;
  Shape s = check_sizes(c);
  int64_t each = c.size(A::each), parts = each ? c.parts(A::samples, each) : 0;
  int64_t filters = s.filters * s.groups;
  c.holds(A::parts, c.times(parts, s.cells * s.channels * filters));
  c.holds(A::bias_parts, c.times(parts, filters));
  if (c.has(A::bias_parts)) c.needs(A::db);
  if (c.in_shards()) c.by_shards({A::dW, A::db});
}

// Σ of the parts of each shard, `words` apart, at one vector; then of the shards: each(row, sum) of every row of sums.
template <class Each>
void totals(const Parts& parts, const float* from, int64_t words, int64_t n, Each each) {
  add_shards<1>(parts.batch, [&](int64_t s, vec (&sum)[1]) {
    sum[0] = set1(0);
    for (int64_t k = parts.first(s); k < parts.stop(s); k++)
      sum[0] = sum[0] + part(from + k * words, n);
  }, each);
}

int64_t filter_sum_units(const Job& j) { return j.i(Sizes::groups) * j.i(Sizes::cells); }

// dW of one cell of a group, whose parts begin at `from`.
void sum_cell(const Job& j, const Shape& s, const Parts& parts, const float* from, float* to) {
  int64_t words = s.cells * s.channels * s.filters * s.groups, step = s.channels * s.cells;
  bool add = j.i(FilterSum::add);
  for (int64_t c = 0; c < s.channels; c++, from += s.filters, to += s.cells)
    by_vectors(s.filters, [&](int64_t f, int64_t n) {
      totals(parts, from + f, words, n, [&](int64_t row, vec (&sum)[1]) {
        float sums[W], *out = to + row + f * step;
        store(sums, sum[0]);
        for (int64_t q = 0; q < n; q++, out += step) *out = add ? *out + sums[q] : sums[q];
      });
    });
}

void run_filter_sum(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = FilterSum;
  Shape s = shape(j, FilterOrder::forward);
  Parts parts(j, j.i(A::samples), j.i(A::each));
  int64_t filters = j.i(Sizes::filters);
  for (int64_t u = begin; u < end; u++) {
    int64_t group = u / s.cells, t = u % s.cells;
    if (j.has(A::dW))
      sum_cell(j, s, parts, j.f(A::parts) + u * s.channels * s.filters,
               j.f(A::dW) + group * s.filters * s.channels * s.cells + t);
    if (u == 0 && j.has(A::bias_parts))
      by_vectors(filters, [&](int64_t f, int64_t n) {
        totals(parts, j.f(A::bias_parts) + f, filters, n, [&](int64_t row, vec (&sum)[1]) {
          float* db = j.f(A::db) + row + f;
          put(db, j.i(A::add) ? part(db, n) + sum[0] : sum[0], n);
        });
      });
  }
}

Cost filter_sum_cost(const Job& j) {
  using A = FilterSum;
  double parts = double(Parts(j, j.i(A::samples), j.i(A::each)).numbers());
  return {0, 4 * (parts + 4) * double(j.i(Sizes::cells)) * double(j.i(Sizes::channels)) * double(j.i(Sizes::filters))};
}

const Kernel kernels[] = {
    {.name = "filters", .args = Filters::all, .check = check_filters, .units = filters_units, .run = run_filters,
     .cost = filters_cost},
    {.name = "filter_sum", .args = FilterSum::all, .check = check_filter_sum, .units = filter_sum_units,
     .run = run_filter_sum, .cost = filter_sum_cost, .shards = true},
};

}  // namespace

Family filters_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
