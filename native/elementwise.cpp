// Elementwise: functions of one number and their slopes, and the arithmetic of two arrays.
#include "curve.h"
#include "row.h"

namespace hg::HG_ISA {

namespace {

constexpr int64_t kPiece = 1 << 13;  // numbers of one unit

int64_t pieces(const Job& j) { return (j.i(0) + kPiece - 1) / kPiece; }

// Calls each(offset, count) for every vector of the numbers from `from` to `to`.
template <class Each>
inline void by_stretch(int64_t from, int64_t to, Each each) {
  by_vectors(to - from, [&](int64_t i, int64_t count) { each(from + i, count); });
}

typedef void (*Stretched)(const Job&, int64_t from, int64_t to, Scratch);  // the work of some of the n numbers

template <Stretched run>
void run_pieces(const Job& j, int64_t begin, int64_t end, Scratch scratch) {
  run(j, begin * kPiece, end * kPiece < j.i(0) ? end * kPiece : j.i(0), scratch);
}

// -- curve: y = f(x), and f'(x) -------------------------------------------------------------
// args: 0 n, 1 code, 2 x, 3 y, 4 slope or none; reals: options of f

void check_curve(Check& c) {
  int64_t n = c.size(0);
  c.size(1, 0, kCurves - 1);
  c.reads(2, n);
  c.writes(3, n);
  c.may_write(4, n);
}

void curve_stretch(const Job& j, int64_t from, int64_t to, Scratch) {
  const float* x = j.f(2);
  float *y = j.f(3), *slopes = j.f(4);
  Options options(j.reals);
  with_code<kCurves>(j.i(1), [&](auto code) {
    if (!slopes)
      by_stretch(from, to, [&](int64_t i, int64_t count) {
        put(y + i, curve<code()>(part(x + i, count), options).y, count);
      });
    else
      by_stretch(from, to, [&](int64_t i, int64_t count) {
        Point p = curve<code()>(part(x + i, count), options);
        put(y + i, p.y, count);
        put(slopes + i, p.slope, count);
      });
  });
}

Cost curve_cost(const Job& j) { return {30.0 * double(j.i(0)), (j.has(4) ? 12.0 : 8.0) * double(j.i(0))}; }

// -- slope: dx = dy f'(x), where f'(x) is a function of y ------------------------------------
// args: 0 n, 1 activation, 2 dy, 3 y, 4 dx; reals: options of f

void check_slope(Check& c) {
  int64_t n = c.size(0);
  c.size(1, 0, kActivations - 1);
  c.reads(2, n);
  c.reads(3, n);
  c.writes(4, n);
}

void slope_stretch(const Job& j, int64_t from, int64_t to, Scratch) {
  const float *dy = j.f(2), *y = j.f(3);
  float* dx = j.f(4);
  Options options(j.reals);
  with_code<kActivations>(j.i(1), [&](auto code) {
    by_stretch(from, to, [&](int64_t i, int64_t count) {
      put(dx + i, part(dy + i, count) * slope<code()>(part(y + i, count), options), count);
    });
  });
}

Cost slope_cost(const Job& j) { return {4.0 * double(j.i(0)), 12.0 * double(j.i(0))}; }

// -- add, sub, mul, div, greater, less: y = a ∘ b --------------------------------------------
// args: 0 n, 1 a, 2 b, 3 y

void check_pair(Check& c) {
  int64_t n = c.size(0);
  c.reads(1, n);
  c.reads(2, n);
  c.writes(3, n);
}

template <class Operation>
void pair_stretch(const Job& j, int64_t from, int64_t to, Scratch) {
  const float *a = j.f(1), *b = j.f(2);
  float* y = j.f(3);
  by_stretch(from, to, [&](int64_t i, int64_t count) {
    put(y + i, Operation()(part(a + i, count), part(b + i, count)), count);
  });
}

struct Add { vec operator()(vec a, vec b) { return a + b; } };
struct Sub { vec operator()(vec a, vec b) { return a - b; } };
struct Mul { vec operator()(vec a, vec b) { return a * b; } };
struct Div { vec operator()(vec a, vec b) { return a / b; } };
struct Greater { vec operator()(vec a, vec b) { return eq(a, a, max(a, b), a); } };  // NaN where one is
struct Less { vec operator()(vec a, vec b) { return eq(a, a, min(a, b), a); } };

Cost pair_cost(const Job& j) { return {double(j.i(0)), 12.0 * double(j.i(0))}; }

template <Stretched run>
constexpr Kernel kernel(const char* name, void (*check)(Check&), Cost (*cost)(const Job&)) {
  return {name, check, pieces, run_pieces<run>, cost, nullptr, nullptr, run};
}

const Kernel kernels[] = {
    kernel<curve_stretch>("curve", check_curve, curve_cost),
    kernel<slope_stretch>("slope", check_slope, slope_cost),
    kernel<pair_stretch<Add>>("add", check_pair, pair_cost),
    kernel<pair_stretch<Sub>>("sub", check_pair, pair_cost),
    kernel<pair_stretch<Mul>>("mul", check_pair, pair_cost),
    kernel<pair_stretch<Div>>("div", check_pair, pair_cost),
    kernel<pair_stretch<Greater>>("greater", check_pair, pair_cost),
    kernel<pair_stretch<Less>>("less", check_pair, pair_cost),
};

}  // namespace

Family elementwise_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
