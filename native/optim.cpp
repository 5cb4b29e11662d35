// Updates of parameters in one pass over them, their gradients and states; sums of squares, by which
// gradients are shortened.
#include "update.h"

namespace hg::HG_ISA {

namespace {

constexpr int64_t kPiece = 1 << 13;  // numbers of one unit

int64_t pieces(const Job& j) { return (j.i(0) + kPiece - 1) / kPiece; }

// -- update ---------------------------------------------------------------------------------
//
// args: 0 n, 1 rule, 2 p, 3 and 4 states as the rule has them, 5 g, 6 number of the step that holds
// the learning rate, 7 and 8 for Adam √(1 − β2^t) and 1 − β1^t, 9 a factor of g (one number) or
// none, 10 whether g is clipped by value; 11 or none: the second half of g, which is added to it first;
// reals: see update.h

enum { N = 0, RULE, P, G = 5, RATE, FACTOR = 9, CLIPS, SECOND };

void check_update(Check& c) {
  int64_t n = c.size(N);
  check_state(c, P, c.fixed(RULE, 0, kAdam), n);
  if (c.has(SECOND)) c.writes(G, n), c.reads(SECOND, n);
  else c.reads(G, n);
  check_rates(c, RATE);
  c.may_read(FACTOR, 1);
  c.fixed(CLIPS, 0, 1);
}

int64_t update_units(const Job& j) { return j.threads * ((j.i(N) + j.threads * kPiece - 1) / (j.threads * kPiece)); }

void run_update(const Job& j, int64_t begin, int64_t end, Scratch) {
  int64_t lines = (j.i(N) + 15) / 16, units = update_units(j);
  int64_t from = lines * begin / units * 16, to = end == units ? j.i(N) : lines * end / units * 16;
  Update update(j, j.i(RULE), RATE, j.i(CLIPS), j.has(FACTOR) ? j.f(FACTOR) : nullptr);
  update(state_of(j, P, j.i(RULE)), from, j.f(G) + from, to - from, j.has(SECOND) ? j.f(SECOND) + from : nullptr);
  if (!update.finite()) j.fail(kNotFinite);
}

Cost update_cost(const Job& j) {
  double n = double(j.i(N)), states = states_of(j.i(RULE));
  return {(2 + 6 * states) * n, (12 + 8 * states) * n};
}

// -- squares, clip_factor: the factor that shortens all gradients to the length of a limit ----
//
// Sums of squares are in double. args of squares: 0 n, 2 p or none, 3 g, 4 sums (2 words for each
// unit), 10 whether g is clipped by value; reals as of update

enum { WEIGHTS = 2, GRADIENTS, SUMS };

void check_squares(Check& c) {
  int64_t n = c.size(N);
  c.may_read(WEIGHTS, n);
  c.reads(GRADIENTS, n);
  c.writes(SUMS, c.times(2, (n + kPiece - 1) / kPiece));
  c.fixed(CLIPS, 0, 1);
}

typedef double lanes4 __attribute__((vector_size(32)));

double sum_of_squares(const float* g, int64_t n) {  // a multiple of 16 numbers
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
  Treatment treat(j.has(WEIGHTS) ? j.reals[L2] : 0, j.i(CLIPS), j.reals[CLIP], nullptr);
  constexpr int64_t kFew = 256;
  alignas(64) float treated[kFew];
  for (int64_t u = begin; u < end; u++) {
    int64_t to = (u + 1) * kPiece < j.i(N) ? (u + 1) * kPiece : j.i(N);
    double sum = 0;
    for (int64_t i = u * kPiece; i < to; i += kFew) {
      int64_t count = to - i < kFew ? to - i : kFew;
      if (count == kFew && !treat.decays && !treat.clips) {
        sum += sum_of_squares(j.f(GRADIENTS) + i, kFew);
        continue;
      }
      std::memset(treated, 0, sizeof treated);
      by_vectors(count, [&](int64_t q, int64_t lanes) {
        vec p = j.has(WEIGHTS) ? part(j.f(WEIGHTS) + i + q, lanes) : set1(0);
        put(treated + q, treat(part(j.f(GRADIENTS) + i + q, lanes), p), lanes);
      });
      sum += sum_of_squares(treated, kFew);
    }
    std::memcpy(j.f(SUMS) + 2 * u, &sum, 8);
  }
}

Cost squares_cost(const Job& j) { return {4.0 * double(j.i(N)), 4.0 * double(j.i(N))}; }

// args of clip_factor: 0 number of sums, 1 sums, 2 the factor; reals: the limit

void check_clip_factor(Check& c) {
  c.reads(1, c.times(2, c.size(0)));
  c.writes(2, 1);
}

int64_t one_unit(const Job&) { return 1; }

double total(const Job& j) {
  double sum = 0;
  for (int64_t i = 0; i < j.i(0); i++) {
    double part;
    std::memcpy(&part, j.f(1) + 2 * i, 8);
    sum += part;
  }
  return sum;
}

void run_clip_factor(const Job& j, int64_t, int64_t, Scratch) {
  double norm = __builtin_sqrt(total(j));
  if (!(norm - norm == 0)) j.fail(kNotFinite);
  *j.f(2) = norm > j.reals[0] ? float(j.reals[0] / norm) : 1;
}

Cost clip_factor_cost(const Job& j) { return {double(j.i(0)), 8.0 * double(j.i(0))}; }

// -- penalty: the loss of this step grows by ½ λ Σ W² --------------------------------------
// args: 0 number of sums, 1 sums (of `squares`), 2 losses of the steps; reals: ½ λ

void check_penalty(Check& c) {
  c.reads(1, c.times(2, c.size(0)));
  c.writes(2, kMostSteps);
}

void run_penalty(const Job& j, int64_t, int64_t, Scratch) {
  if (j.batch->step < kMostSteps) j.f(2)[j.batch->step] += float(j.reals[0] * total(j));
}

const Kernel kernels[] = {
    {"penalty", check_penalty, one_unit, run_penalty, clip_factor_cost},
    {"update", check_update, update_units, run_update, update_cost, nullptr, nullptr, nullptr, true},
    {"squares", check_squares, pieces, run_squares, squares_cost},
    {"clip_factor", check_clip_factor, one_unit, run_clip_factor, clip_factor_cost},
};

}  // namespace

Family optim_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
