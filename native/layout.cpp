// The same numbers in another order.
#include "row.h"
#include "simd.h"
#include "turn.h"

namespace hg::HG_ISA {

namespace {

// -- transpose: y[n, j, i] = x[n, i, j] ------------------------------------------------------
//
// args: 0 n, 1 outer i, 2 inner j, 3 x, 4 y, 5 whether x is rows of the data

enum { SAMPLES = 0, OUTER, INNER, FROM, TO, INDEXED };
constexpr int64_t kSide = 64;  // rows of y that a unit makes, at most

void check_transpose(Check& c) {
  int64_t n = c.size(SAMPLES), words = c.times(c.size(OUTER), c.size(INNER));
  if (c.fixed(INDEXED, 0, 1)) c.data(FROM, words), c.per_sample(SAMPLES);
  else c.reads(FROM, c.times(n, words));
  c.writes(TO, c.times(n, words));
}

int64_t strips(const Job& j) { return (j.i(INNER) + kSide - 1) / kSide; }
int64_t transpose_units(const Job& j) { return j.i(OUTER) ? j.i(SAMPLES) * strips(j) : 0; }

void run_transpose(const Job& j, int64_t begin, int64_t end, Scratch) {
  int64_t outer = j.i(OUTER), inner = j.i(INNER), each = strips(j);
  for (int64_t u = begin; u < end; u++) {
    int64_t n = u / each, first = u % each * kSide, stop = first + kSide < inner ? first + kSide : inner;
    const float* x = j.f(FROM) + (j.i(INDEXED) ? j.batch->rows[n] : n) * outer * inner;
    turn(x + first, inner, outer, stop - first, j.f(TO) + (n * inner + first) * outer, outer);
  }
}

Cost transpose_cost(const Job& j) { return {0, 8.0 * double(j.i(SAMPLES)) * double(j.i(OUTER)) * double(j.i(INNER))}; }

// -- move: y[Σ iₐ yₐ] = x[Σ iₐ xₐ] for all i, or added to it ---------------------------------
//
// args: for each of six axes 0… its length, 6… its step in x, 12… its step in y; 18 x, 19 where in
// x it begins; 20 y, 21 where in y; 22 whether to add. The last axis is the innermost.

constexpr int kAxes = 6;
enum { LENGTH = 0, X_STEP = kAxes, Y_STEP = 2 * kAxes, X = 3 * kAxes, X_FIRST, Y, Y_FIRST, ADD };
constexpr int64_t kFar = int64_t(1) << 31;

// Words from the array's start that are reached; an axis that runs backwards must not depend on
// the batch, and neither must what it is counted from.
int64_t reach(Check& c, int step, int first) {
  int64_t words = 1, back = 0;
  bool backwards = false;
  for (int a = 0; a < kAxes; a++) {
    int64_t length = c.size(LENGTH + a), by = c.size(step + a, -kFar, kFar);
    if (by < 0) {
      backwards = true;
      back = c.plus(back, c.times(c.fixed(LENGTH + a, 0, kFar) - (length > 0), -c.fixed(step + a, -kFar, 0)));
    } else {
      words = c.plus(words, c.times(length - (length > 0), by));
    }
  }
  c.require(back <= (backwards ? c.fixed(first, 0, kFar) : c.size(first)), "an axis begins before its array");
  return c.plus(words, c.size(first));
}

void check_move(Check& c) {
  int64_t words = 1;
  for (int a = 0; a < kAxes; a++) words = c.times(words, c.size(LENGTH + a));
  c.require(words <= kFar, "there is too much to move");
  bool empty = words == 0;
  c.reads(X, empty ? 0 : reach(c, X_STEP, X_FIRST));
  c.writes(Y, empty ? 0 : reach(c, Y_STEP, Y_FIRST));
  c.fixed(ADD, 0, 1);
}

// Whether lines of the first axis write to different places: each step reaches farther than all
// shorter ones together, but for steps of 0 inside a line.
bool apart(const Job& j) {
  auto step = [&](int a) { return j.i(Y_STEP + a) < 0 ? -j.i(Y_STEP + a) : j.i(Y_STEP + a); };
  for (int a = 0; a < kAxes; a++) {
    if (j.i(LENGTH + a) == 1 || (a > 0 && step(a) == 0)) continue;
    int64_t reached = 0;
    for (int b = 0; b < kAxes; b++)
      if (b != a && step(b) <= step(a)) reached += (j.i(LENGTH + b) - 1) * step(b);
    if (reached >= step(a)) return false;
  }
  return true;
}

int64_t move_units(const Job& j) {
  for (int a = 0; a < kAxes; a++) if (j.i(LENGTH + a) == 0) return 0;
  return apart(j) ? j.i(LENGTH) : 1;
}

void move_line(const Job& j, const float* x, float* y) {
  int64_t n = j.i(LENGTH + kAxes - 1), from = j.i(X_STEP + kAxes - 1), to = j.i(Y_STEP + kAxes - 1);
  bool add = j.i(ADD);
  if (from == 1 && to == 1) {
    by_vectors(n, [&](int64_t i, int64_t k) { put(y + i, add ? part(y + i, k) + part(x + i, k) : part(x + i, k), k); });
  } else {
    for (int64_t i = 0; i < n; i++) y[i * to] = add ? y[i * to] + x[i * from] : x[i * from];
  }
}

void move_axes(const Job& j, int axis, const float* x, float* y) {
  if (axis == kAxes - 1) return move_line(j, x, y);
  for (int64_t i = 0; i < j.i(LENGTH + axis); i++)
    move_axes(j, axis + 1, x + i * j.i(X_STEP + axis), y + i * j.i(Y_STEP + axis));
}

void run_move(const Job& j, int64_t begin, int64_t end, Scratch) {
  const float* x = j.f(X) + j.i(X_FIRST);
  float* y = j.f(Y) + j.i(Y_FIRST);
  if (!apart(j)) return move_axes(j, 0, x, y);
  for (int64_t i = begin; i < end; i++) move_axes(j, 1, x + i * j.i(X_STEP), y + i * j.i(Y_STEP));
}

Cost move_cost(const Job& j) {
  double words = 1;
  for (int a = 0; a < kAxes; a++) words *= double(j.i(LENGTH + a));
  return {0, 8 * words};
}

// -- fill: y = a number ---------------------------------------------------------------------
// args: 0 count, 1 y; reals: 0 the number

void check_fill(Check& c) { c.writes(1, c.size(0)); }

constexpr int64_t kStrip = 4096;
int64_t fill_units(const Job& j) { return (j.i(0) + kStrip - 1) / kStrip; }

void run_fill(const Job& j, int64_t begin, int64_t end, Scratch) {
  int64_t stop = end * kStrip < j.i(0) ? end * kStrip : j.i(0);
  vec number = set1(float(j.reals[0]));
  by_vectors(stop - begin * kStrip, [&](int64_t i, int64_t n) { put(j.f(1) + begin * kStrip + i, number, n); });
}

Cost fill_cost(const Job& j) { return {0, 4.0 * double(j.i(0))}; }

const Kernel kernels[] = {
    {"transpose", check_transpose, transpose_units, run_transpose, transpose_cost},
    {"move", check_move, move_units, run_move, move_cost},
    {"fill", check_fill, fill_units, run_fill, fill_cost},
};

}  // namespace

Family layout_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
