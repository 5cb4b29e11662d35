// Updates of parameters in one pass over them, their gradients and states; sums of squares, by which
// gradients are shortened.
#include "update.h"

namespace hg::HG_ISA {

namespace {

constexpr int64_t kPiece = 1 << 13;  // elements of one unit

int64_t pieces(int64_t count) { return (count + kPiece - 1) / kPiece; }

// -- update ---------------------------------------------------------------------------------

HG_ARGS(UpdateArgs, (count, size()), (rule, option<Rule>()),
        (p, update(count)),
        (p_first, update(count).maybe()), (p_second, update(count).maybe()),  // what the rule remembers
        (p_third, update(count).maybe()),
        (g, update(count)), (rate, hyper()), (root, hyper()), (rest, hyper()), (lead, hyper()),
        (factor, read().maybe()),   // of g
        (share, read().maybe()),    // of g, before all else
        (clips, flag()),            // whether g is clipped by value
        (half, read(count).maybe()),  // the second half of g, which is added to it first
        HG_RULE_OPTIONS)

void check_update(Check& c) { check_state(c, UpdateArgs::p, c.size(UpdateArgs::rule)); }

int64_t update_units(const Job& j) {
  return j.threads * ((j.i(UpdateArgs::count) + j.threads * kPiece - 1) / (j.threads * kPiece));
}

void run_update(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = UpdateArgs;
  int64_t lines = (j.i(A::count) + 15) / 16, units = update_units(j);
  int64_t from = lines * begin / units * 16, to = end == units ? j.i(A::count) : lines * end / units * 16;
  Update update(j, j.i(A::rule), A::rate, A::beta1, j.i(A::clips), j.f(A::factor), j.f(A::share));
  const float* half = j.has(A::half) ? j.f(A::half) + from : nullptr;
  update(state_of(j, A::p, j.i(A::rule)), from, j.f(A::g) + from, to - from, half);
  if (!update.finite()) j.fail(kNotFinite);
}

Cost update_cost(const Job& j) {
  double n = double(j.i(UpdateArgs::count)), states = states_of(j.i(UpdateArgs::rule));
  return {(2 + 6 * states) * n, (12 + 8 * states) * n};
}

// -- squares, clip_factor: the factor that shortens all gradients to the length of a limit ----
//
// Sums of squares are in double, of two words.

HG_ARGS(Squares, (count, size()),
        (p, read(count).maybe()),  // what l2 adds to g
        (g, read(count)),
        (sums, writes()),  // one for each kPiece elements
        (clips, flag()), (l2, real()), (clip, real()), (share, read().maybe()))

void check_squares(Check& c) { c.holds(Squares::sums, c.times(2, pieces(c.size(Squares::count)))); }

int64_t squares_units(const Job& j) { return pieces(j.i(Squares::count)); }

typedef double lanes4 __attribute__((vector_size(32)));

double sum_of_squares(const float* g, int64_t n) {  // a multiple of 16 elements
  lanes4 sums[4] = {};
  for (int64_t i = 0; i < n; i += 16)
    for (int v = 0; v < 4; v++) {
      quad x;
      std::memcpy(&x, g + i + 4 * v, 16);
      lanes4 wide = __builtin_convertvector(x, lanes4);
      sums[v] += wide * wide;
    }
  lanes4 t = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  return (t[0] + t[1]) + (t[2] + t[3]);
}

void run_squares(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = Squares;
  Treatment treat(j.has(A::p) ? j.r(A::l2) : 0, j.i(A::clips), j.r(A::clip), nullptr, j.f(A::share));
  constexpr int64_t kSome = 256;
  alignas(64) float treated[kSome];
  for (int64_t u = begin; u < end; u++) {
    int64_t to = (u + 1) * kPiece < j.i(A::count) ? (u + 1) * kPiece : j.i(A::count);
    double sum = 0;
    for (int64_t i = u * kPiece; i < to; i += kSome) {
      int64_t count = to - i < kSome ? to - i : kSome;
      if (count == kSome && !treat.decays && !treat.clips && !treat.shares) {
        sum += sum_of_squares(j.f(A::g) + i, kSome);
        continue;
      }
      std::memset(treated, 0, sizeof treated);
      by_vectors(count, [&](int64_t q, int64_t lanes) {
        vec p = j.has(A::p) ? part(j.f(A::p) + i + q, lanes) : set1(0);
        put(treated + q, treat(part(j.f(A::g) + i + q, lanes), p), lanes);
      });
      sum += sum_of_squares(treated, kSome);
    }
    std::memcpy(j.f(A::sums) + 2 * u, &sum, 8);
  }
}

Cost squares_cost(const Job& j) { return {4.0 * double(j.i(Squares::count)), 4.0 * double(j.i(Squares::count))}; }

#define HG_SUMS (count, size()), (sums, read(count).each(2))
HG_ARGS(Sums, HG_SUMS)
HG_ARGS(ClipFactor, HG_SUMS, (factor, write()), (limit, real()))

int64_t one_unit(const Job&) { return 1; }

double total(const Job& j) {
  double sum = 0;
  for (int64_t i = 0; i < j.i(Sums::count); i++) {
    double part;
    std::memcpy(&part, j.f(Sums::sums) + 2 * i, 8);
    sum += part;
  }
  return sum;
}

void run_clip_factor(const Job& j, int64_t, int64_t, Scratch) {
  double norm = __builtin_sqrt(total(j));
  if (!(norm - norm == 0)) j.fail(kNotFinite);
  double limit = j.r(ClipFactor::limit);
  *j.f(ClipFactor::factor) = norm > limit ? float(limit / norm) : 1;
}

Cost clip_factor_cost(const Job& j) { return {double(j.i(Sums::count)), 8.0 * double(j.i(Sums::count))}; }

// -- penalty: the loss of this step grows by ½ λ Σ W² --------------------------------------

HG_ARGS(Penalty, HG_SUMS, (losses, update().each(kMostSteps)), (weight, real()))  // weight: ½ λ

void run_penalty(const Job& j, int64_t, int64_t, Scratch) {
  if (j.batch->step < kMostSteps) j.f(Penalty::losses)[j.batch->step] += float(j.r(Penalty::weight) * total(j));
}

const Kernel kernels[] = {
    {.name = "penalty", .args = Penalty::all, .units = one_unit, .run = run_penalty, .cost = clip_factor_cost},
    {.name = "update", .args = UpdateArgs::all, .check = check_update, .units = update_units, .run = run_update,
     .cost = update_cost, .concurrent = true},
    {.name = "squares", .args = Squares::all, .check = check_squares, .units = squares_units, .run = run_squares,
     .cost = squares_cost},
    {.name = "clip_factor", .args = ClipFactor::all, .units = one_unit, .run = run_clip_factor,
     .cost = clip_factor_cost},
};

}  // namespace

Family optim_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
