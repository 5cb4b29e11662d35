// Elementwise: functions of one number and their derivatives, and the arithmetic of two arrays.
#include "elementwise.h"
#include "row.h"

namespace hg::HG_ISA {

namespace {

constexpr int64_t kPiece = 1 << 13;  // elements of one unit

HG_ARGS(Counted, (count, size()))  // the first argument of every kernel here

int64_t pieces(const Job& j) { return (j.i(Counted::count) + kPiece - 1) / kPiece; }

// Calls each(offset, count) for every vector of the elements from `from` to `to`.
template <class Each>
inline void by_stretch(int64_t from, int64_t to, Each each) {
  by_vectors(to - from, [&](int64_t i, int64_t count) { each(from + i, count); });
}

typedef void (*Stretched)(const Job&, int64_t from, int64_t to, Scratch);  // the work of some of the n elements

template <Stretched run>
void run_pieces(const Job& j, int64_t begin, int64_t end, Scratch scratch) {
  int64_t count = j.i(Counted::count);
  run(j, begin * kPiece, end * kPiece < count ? end * kPiece : count, scratch);
}

// -- elementwise: y = f(x), and f'(x) -------------------------------------------------------------

HG_ARGS(Elementwise, (count, size()), (op, option<Op>()), (x, read(count)), (y, write(count)),
        (derivative, write(count).maybe()), HG_OP_OPTIONS)

void elementwise_stretch(const Job& j, int64_t from, int64_t to, Scratch) {
  using A = Elementwise;
  const float* x = j.f(A::x);
  float *y = j.f(A::y), *derivatives = j.f(A::derivative);
  Options options(j, A::op_a);
  with_code<Op::kCount>(j.i(A::op), [&](auto code) {
    if (!derivatives)
      by_stretch(from, to, [&](int64_t i, int64_t count) {
        put(y + i, elementwise<code()>(part(x + i, count), options).y, count);
      });
    else
      by_stretch(from, to, [&](int64_t i, int64_t count) {
        Point p = elementwise<code()>(part(x + i, count), options);
        put(y + i, p.y, count);
        put(derivatives + i, p.derivative, count);
      });
  });
}

Cost elementwise_cost(const Job& j) {
  using A = Elementwise;
  return {30.0 * double(j.i(A::count)), (j.has(A::derivative) ? 12.0 : 8.0) * double(j.i(A::count))};
}

// -- derivative: dx = dy f'(x), where f'(x) is a function of y ------------------------------------

HG_ARGS(Derivative, (count, size()), (op, option<Activation>()), (dy, read(count)), (y, read(count)),
        (dx, write(count)), HG_OP_OPTIONS)

void derivative_stretch(const Job& j, int64_t from, int64_t to, Scratch) {
  using A = Derivative;
  const float *dy = j.f(A::dy), *y = j.f(A::y);
  float* dx = j.f(A::dx);
  Options options(j, A::op_a);
  with_code<Activation::kCount>(j.i(A::op), [&](auto code) {
    by_stretch(from, to, [&](int64_t i, int64_t count) {
      put(dx + i, part(dy + i, count) * derivative<code()>(part(y + i, count), options), count);
    });
  });
}

Cost derivative_cost(const Job& j) {
  return {4.0 * double(j.i(Derivative::count)), 12.0 * double(j.i(Derivative::count))};
}

// -- add, sub, mul, div, greater, less: y = a ∘ b --------------------------------------------

HG_ARGS(Pair, (count, size()), (a, read(count)), (b, read(count)), (y, write(count)))

template <class Operation>
void pair_stretch(const Job& j, int64_t from, int64_t to, Scratch) {
  using A = Pair;
  const float *a = j.f(A::a), *b = j.f(A::b);
  float* y = j.f(A::y);
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

Cost pair_cost(const Job& j) { return {double(j.i(Pair::count)), 12.0 * double(j.i(Pair::count))}; }

template <class A, Stretched run>
constexpr Kernel kernel(const char* name, Cost (*cost)(const Job&)) {
  return {.name = name, .args = A::all, .units = pieces, .run = run_pieces<run>, .cost = cost, .samples = run};
}

const Kernel kernels[] = {
    kernel<Elementwise, elementwise_stretch>("elementwise", elementwise_cost),
    kernel<Derivative, derivative_stretch>("derivative", derivative_cost),
    kernel<Pair, pair_stretch<Add>>("add", pair_cost),
    kernel<Pair, pair_stretch<Sub>>("sub", pair_cost),
    kernel<Pair, pair_stretch<Mul>>("mul", pair_cost),
    kernel<Pair, pair_stretch<Div>>("div", pair_cost),
    kernel<Pair, pair_stretch<Greater>>("greater", pair_cost),
    kernel<Pair, pair_stretch<Less>>("less", pair_cost),
};

}  // namespace

Family elementwise_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
