// The weights of convolutions: from the user's order (F, C, KH, KW) into the panels that products
// read, and the parts of their gradient added up, in the user's order again.
#include "panels.h"

namespace hg::HG_ISA {

namespace {

// -- filters: W (F, C/G, T) in panels, a set for each group ----------------------------------
//
// args: 0 cells T, 1 channels C/G, 2 filters F, 3 groups G, 4 W, 5 panels, 6 what a panel's
// columns and k run over: 0 filters, and cells and channels; 1 channels, and cells backwards and
// filters; 2 cells and channels, and filters.

enum { T = 0, CHANNELS, F, GROUPS, WEIGHTS, PANELS, ORDER };
enum { kForward = 0, kBackward, kStamps, kOrders };
constexpr int64_t kMost = 1 << 27;

struct Shape {
  int64_t cells, channels, filters, groups, order;  // filters of a group
  int64_t columns() const { return order == kForward ? filters : order == kBackward ? channels : cells * channels; }
  int64_t deep() const { return cells * channels * filters / columns(); }
  // Where W holds the number for k and column j of a panel: of_k(k) + of_column(j), within its group.
  int64_t of_k(int64_t k) const {
    if (order == kStamps) return k * channels * cells;
    if (order == kBackward) return k % filters * channels * cells + cells - 1 - k / filters;
    return k % channels * cells + k / channels;
  }
  int64_t of_column(int64_t j) const {
    if (order == kStamps) return j % channels * cells + j / channels;
    return order == kBackward ? j * cells : j * channels * cells;
  }
};

Shape check_sizes(Check& c) {
  int64_t cells = c.fixed(T, 1, kMost), channels = c.fixed(CHANNELS, 1, kMost), filters = c.fixed(F, 1, kMost);
  int64_t groups = c.fixed(GROUPS, 1, kMost);
  c.require(groups && filters % groups == 0, "groups must divide filters");
  c.require(c.times(c.times(cells, channels), filters) <= kMost, "there are too many weights");
  return c.fault ? Shape{1, 1, 1, 1, 0} : Shape{cells, channels, filters / groups, groups, 0};
}

Shape shape(const Job& j) {
  return {j.i(T), j.i(CHANNELS), j.i(F) / j.i(GROUPS), j.i(GROUPS), j.i(ORDER)};
}

void check_filters(Check& c) {
  Shape s = check_sizes(c);
  s.order = c.fixed(ORDER, 0, kOrders - 1);
  c.reads(WEIGHTS, s.groups * s.cells * s.channels * s.filters);
  c.writes(PANELS, c.times(s.groups, panel_words(s.deep(), s.columns())));
}

int64_t panels(const Shape& s) {
  int64_t count = 0;
  by_panels(s.columns(), [&](int64_t, int64_t, int64_t) { count++; });
  return count;
}

int64_t filters_units(const Job& j) { return j.i(GROUPS) * panels(shape(j)); }

void run_filters(const Job& j, int64_t begin, int64_t end, Scratch) {
  Shape s = shape(j);
  int64_t deep = s.deep(), columns = s.columns(), each = panels(s);
  for (int64_t u = begin; u < end; u++) {
    int64_t group = u / each, first = 0;
    for (int64_t before = u % each; before > 0; before--) first += panel_width(columns - first);
    int64_t width = panel_width(columns - first);
    const float* from = j.f(WEIGHTS) + group * s.cells * s.channels * s.filters;
    float* out = j.f(PANELS) + group * panel_words(deep, columns) + first * deep;
    int64_t count = columns - first < width ? columns - first : width, column[NR + W];
    for (int64_t q = 0; q < count; q++) column[q] = s.of_column(first + q);
    for (int64_t k = 0; k < deep; k++, out += width) {
      const float* row = from + s.of_k(k);
      for (int64_t q = 0; q < width; q++) out[q] = q < count ? row[column[q]] : 0;
    }
  }
}

Cost filters_cost(const Job& j) {
  return {20.0 * double(j.i(T)) * double(j.i(CHANNELS)) * double(j.i(F)), 0};
}

// -- filter_sum: dW (F, C/G, T) and db, from parts -------------------------------------------
//
// args: 0 to 3 as above, 4 samples, 5 samples of a part, 6 parts of dW (parts, G, T·C/G, F/G),
// 7 dW, 8 parts of db (parts, F) or none, 9 db, 10 whether to add.

enum { SAMPLES = 4, EACH, PARTS, DW, BIAS_PARTS, DB, ADD };

void check_filter_sum(Check& c) {
  Shape s = check_sizes(c);
  int64_t n = c.size(SAMPLES), each = c.fixed(EACH, 1, kMost), parts = each ? (n + each - 1) / each : 0;
  int64_t filters = s.filters * s.groups, words = s.cells * s.channels * filters;
  c.reads(PARTS, c.times(parts, words));
  c.writes(DW, words);
  c.may_read(BIAS_PARTS, c.times(parts, filters));
  if (c.has(BIAS_PARTS)) c.writes(DB, filters);
  c.fixed(ADD, 0, 1);
}

// Σ of the parts, `words` apart, at one vector.
vec total(const float* parts, int64_t count, int64_t words, int64_t n) {
  vec sum = set1(0);
  for (int64_t p = 0; p < count; p++) sum = sum + part(parts + p * words, n);
  return sum;
}

int64_t filter_sum_units(const Job& j) { return j.i(GROUPS) * j.i(T); }

void run_filter_sum(const Job& j, int64_t begin, int64_t end, Scratch) {
  Shape s = shape(j);
  int64_t parts = (j.i(SAMPLES) + j.i(EACH) - 1) / j.i(EACH), filters = j.i(F);
  int64_t words = s.cells * s.channels * filters;
  bool add = j.i(ADD);
  for (int64_t u = begin; u < end; u++) {
    int64_t group = u / s.cells, t = u % s.cells;
    for (int64_t c = 0; c < s.channels; c++) {
      const float* from = j.f(PARTS) + ((group * s.cells + t) * s.channels + c) * s.filters;
      float* to = j.f(DW) + (group * s.filters * s.channels + c) * s.cells + t;
      by_vectors(s.filters, [&](int64_t f, int64_t n) {
        float sums[W];
        store(sums, total(from + f, parts, words, n));
        for (int64_t q = 0; q < n; q++) {
          float& out = to[(f + q) * s.channels * s.cells];
          out = add ? out + sums[q] : sums[q];
        }
      });
    }
    if (u == 0 && j.has(BIAS_PARTS))
      by_vectors(filters, [&](int64_t f, int64_t n) {
        vec sum = total(j.f(BIAS_PARTS) + f, parts, filters, n);
        put(j.f(DB) + f, add ? part(j.f(DB) + f, n) + sum : sum, n);
      });
  }
}

Cost filter_sum_cost(const Job& j) {
  double parts = double((j.i(SAMPLES) + j.i(EACH) - 1) / j.i(EACH));
  return {0, 4 * (parts + 4) * double(j.i(T)) * double(j.i(CHANNELS)) * double(j.i(F))};
}

const Kernel kernels[] = {
    {"filters", check_filters, filters_units, run_filters, filters_cost},
    {"filter_sum", check_filter_sum, filter_sum_units, run_filter_sum, filter_sum_cost},
};

}  // namespace

Family filters_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
