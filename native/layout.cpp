// The same elements in another order.
#include "row.h"
#include "simd.h"
#include "transpose.h"

namespace hg::HG_ISA {

namespace {

// -- transpose: y[n, j, i] = x[n, i, j] ------------------------------------------------------

HG_ARGS(Transpose, (samples, size()),
        (outer, size()),  // lengths of i
        (inner, size()),  // and of j
        (x, read(samples, outer, inner).picked_by(indexed)), (y, write(samples, outer, inner)), (indexed, flag()))

constexpr int64_t kSide = 64;  // rows of y that a unit makes, at most

int64_t strips(const Job& j) { return (j.i(Transpose::inner) + kSide - 1) / kSide; }
int64_t transpose_units(const Job& j) { return j.i(Transpose::outer) ? j.i(Transpose::samples) * strips(j) : 0; }

void run_transpose(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = Transpose;
  int64_t outer = j.i(A::outer), inner = j.i(A::inner), each = strips(j);
  for (int64_t u = begin; u < end; u++) {
    int64_t n = u / each, first = u % each * kSide, stop = first + kSide < inner ? first + kSide : inner;
    const float* x = j.f(A::x) + (j.i(A::indexed) ? j.batch->rows[n] : n) * outer * inner;
    transpose(x + first, inner, outer, stop - first, j.f(A::y) + (n * inner + first) * outer, outer);
  }
}

Cost transpose_cost(const Job& j) {
  using A = Transpose;
  return {0, 8.0 * double(j.i(A::samples)) * double(j.i(A::outer)) * double(j.i(A::inner))};
}

// -- move: y[Σ iₐ yₐ] = x[Σ iₐ xₐ] for all i, or added to it ---------------------------------

constexpr int kAxes = 6;  // the last one is the innermost
constexpr int64_t kFar = int64_t(1) << 31;
HG_ARGS(Move,
        (length_0, size()), (length_1, size()), (length_2, size()),
        (length_3, size()), (length_4, size()), (length_5, size()),
        (x_step_0, size(-kFar)), (x_step_1, size(-kFar)), (x_step_2, size(-kFar)),
        (x_step_3, size(-kFar)), (x_step_4, size(-kFar)), (x_step_5, size(-kFar)),
        (y_step_0, size(-kFar)), (y_step_1, size(-kFar)), (y_step_2, size(-kFar)),
        (y_step_3, size(-kFar)), (y_step_4, size(-kFar)), (y_step_5, size(-kFar)),
        (x, reads()), (x_first, size()),  // and where in x it begins
        (y, updates()), (y_first, size()), (add, flag()))

// Words from the array's start that are reached; an axis that runs backwards must not depend on
// the batch, and neither must what it is counted from.
int64_t reach(Check& c, int step, int first) {
  int64_t words = 1, back = 0;
  bool backwards = false;
  for (int a = 0; a < kAxes; a++) {
    int64_t length = c.size(Move::length_0 + a), by = c.size(step + a);
    if (by < 0) {
      backwards = true;
      back = c.plus(back, c.times(c.fixed(Move::length_0 + a) - (length > 0), -c.fixed(step + a)));
    } else {
      words = c.plus(words, c.times(length - (length > 0), by));
    }
  }
  c.require(back <= (backwards ? c.fixed(first) : c.size(first)), "an axis begins before its array");
  return c.plus(words, c.size(first));
}

void check_move(Check& c) {
  using A = Move;
  int64_t words = 1;
  for (int a = 0; a < kAxes; a++) words = c.times(words, c.size(A::length_0 + a));
  c.require(words <= kFar, "there is too much to move");
  bool empty = words == 0;
  c.holds(A::x, empty ? 0 : reach(c, A::x_step_0, A::x_first));
  c.holds(A::y, empty ? 0 : reach(c, A::y_step_0, A::y_first));
}

// Whether lines of the first axis write to different addresses: each step reaches farther than all
// shorter ones together, but for steps of 0 inside a line.
bool apart(const Job& j) {
  using A = Move;
  auto step = [&](int a) { return j.i(A::y_step_0 + a) < 0 ? -j.i(A::y_step_0 + a) : j.i(A::y_step_0 + a); };
  for (int a = 0; a < kAxes; a++) {
    if (j.i(A::length_0 + a) == 1 || (a > 0 && step(a) == 0)) continue;
    int64_t reached = 0;
    for (int b = 0; b < kAxes; b++)
      if (b != a && step(b) <= step(a)) reached += (j.i(A::length_0 + b) - 1) * step(b);
    if (reached >= step(a)) return false;
  }
  return true;
}

int64_t move_units(const Job& j) {
  for (int a = 0; a < kAxes; a++) if (j.i(Move::length_0 + a) == 0) return 0;
  return apart(j) ? j.i(Move::length_0) : 1;
}

void move_line(const Job& j, const float* x, float* y) {
  using A = Move;
  int64_t n = j.i(A::length_0 + kAxes - 1), from = j.i(A::x_step_0 + kAxes - 1), to = j.i(A::y_step_0 + kAxes - 1);
  bool add = j.i(A::add);
  if (from == 1 && to == 1) {
    by_vectors(n, [&](int64_t i, int64_t k) { put(y + i, add ? part(y + i, k) + part(x + i, k) : part(x + i, k), k); });
  } else {
    for (int64_t i = 0; i < n; i++) y[i * to] = add ? y[i * to] + x[i * from] : x[i * from];
  }
}

void move_axes(const Job& j, int axis, const float* x, float* y) {
  using A = Move;
  if (axis == kAxes - 1) return move_line(j, x, y);
  for (int64_t i = 0; i < j.i(A::length_0 + axis); i++)
    move_axes(j, axis + 1, x + i * j.i(A::x_step_0 + axis), y + i * j.i(A::y_step_0 + axis));
}

void run_move(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = Move;
  const float* x = j.f(A::x) + j.i(A::x_first);
  float* y = j.f(A::y) + j.i(A::y_first);
  if (!apart(j)) return move_axes(j, 0, x, y);
  for (int64_t i = begin; i < end; i++) move_axes(j, 1, x + i * j.i(A::x_step_0), y + i * j.i(A::y_step_0));
}

Cost move_cost(const Job& j) {
  double words = 1;
  for (int a = 0; a < kAxes; a++) words *= double(j.i(Move::length_0 + a));
  return {0, 8 * words};
}

// -- fill: y = a number ---------------------------------------------------------------------

HG_ARGS(Fill, (count, size()), (y, write(count)), (value, real()))

constexpr int64_t kStrip = 4096;
int64_t fill_units(const Job& j) { return (j.i(Fill::count) + kStrip - 1) / kStrip; }

void run_fill(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = Fill;
  int64_t stop = end * kStrip < j.i(A::count) ? end * kStrip : j.i(A::count);
  vec value = set1(float(j.r(A::value)));
  by_vectors(stop - begin * kStrip, [&](int64_t i, int64_t n) { put(j.f(A::y) + begin * kStrip + i, value, n); });
}

Cost fill_cost(const Job& j) { return {0, 4.0 * double(j.i(Fill::count))}; }

const Kernel kernels[] = {
    {.name = "transpose", .args = Transpose::all, .units = transpose_units, .run = run_transpose,
     .cost = transpose_cost},
    {.name = "move", .args = Move::all, .check = check_move, .units = move_units, .run = run_move, .cost = move_cost},
    {.name = "fill", .args = Fill::all, .units = fill_units, .run = run_fill, .cost = fill_cost},
};

}  // namespace

Family layout_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
