// Update rules: parameters, gradients and states in one pass, to the bit what optim/rules.py does.
//
// A gradient that is not finite sets kNotFinite, but only after its stretch has been updated: the
// caller puts the last good weights back.
#include "activation.h"
#include "row.h"

namespace hg::HG_ISA {

namespace {

constexpr int64_t kPiece = 1 << 13;  // numbers of one unit

int64_t pieces(const Job& j) { return (j.i(0) + kPiece - 1) / kPiece; }

// -- update ---------------------------------------------------------------------------------
//
// args: 0 n, 1 rule, 2 p, 3 g, 4 and 5 states as the rule has them, 6 number of the step that holds
// the learning rate, 7 and 8 for Adam √(1 − β2^t) and 1 − β1^t, 9 a factor of g (one number) or
// none, 10 whether g is clipped by value;
// reals: see below

enum Rule { kSGD = 0, kMomentum, kNesterov, kAdaGrad, kRMSProp, kAdaDelta, kAdam };
enum { N = 0, RULE, P, G, FIRST, SECOND, RATE, ROOT, REST, FACTOR, CLIPS };
enum { BETA1 = 0, BETA2, EPS, L2, DECAY, CLIP, SCALE };  // momentum and ρ are BETA1

int states_of(int64_t rule) { return rule == kSGD ? 0 : rule >= kAdaDelta ? 2 : 1; }

void check_update(Check& c) {
  int64_t n = c.size(N), states = states_of(c.fixed(RULE, 0, kAdam));
  c.writes(P, n);
  c.reads(G, n);
  if (states > 0) c.writes(FIRST, n);
  if (states > 1) c.writes(SECOND, n);
  c.hyper(RATE);
  c.hyper(ROOT);
  c.hyper(REST);
  c.may_read(FACTOR, 1);
  c.fixed(CLIPS, 0, 1);
}

// The gradient with l2 and clipping; the same numbers as Optimizer._treat.
struct Treatment {
  vec l2, low, high, factor;
  bool decays, clips, shortens;

  Treatment(double l2_, bool clips_, double limit, const float* factor_)
      : l2(set1(float(l2_))), low(set1(float(-limit))), high(set1(float(limit))),
        factor(set1(factor_ ? *factor_ : 1)), decays(l2_ != 0), clips(clips_), shortens(factor_) {}

  vec operator()(vec g, vec p) const {
    if (decays) g = g + l2 * p;
    if (clips) g = min(high, max(low, g));
    return shortens ? g * factor : g;
  }
};

struct Numbers { vec rate, beta1, rest1, beta2, rest2, eps; };

Numbers numbers_of(const Job& j) {
  const double* r = j.reals;
  double rate = j.batch->hyper[j.i(RATE)] * r[SCALE], eps = r[EPS];
  if (j.i(RULE) == kAdam) {
    double root = j.batch->hyper[j.i(ROOT)];
    rate = rate * root / j.batch->hyper[j.i(REST)], eps = eps * root;
  }
  return {set1(float(rate)), set1(float(r[BETA1])), set1(float(1 - r[BETA1])),
          set1(float(r[BETA2])), set1(float(1 - r[BETA2])), set1(float(eps))};
}

template <int rule>
inline vec updated(vec p, vec g, vec& first, vec& second, const Numbers& k) {
  if constexpr (rule == kSGD) return p - g * k.rate;
  if constexpr (rule == kMomentum) {
    first = first * k.beta1 - g * k.rate;
    return p + first;
  }
  if constexpr (rule == kNesterov) {
    vec step = g * k.rate;
    first = first * k.beta1 - step;
    return (p - step) + first * k.beta1;
  }
  if constexpr (rule == kAdaGrad) first = first + g * g;
  if constexpr (rule == kRMSProp || rule == kAdaDelta) first = first * k.beta1 + g * g * k.rest1;
  if constexpr (rule == kAdaGrad || rule == kRMSProp) return p - g / (sqrt(first) + k.eps) * k.rate;
  if constexpr (rule == kAdaDelta) {
    vec s = g * sqrt((second + k.eps) / (first + k.eps));
    second = second * k.beta1 + s * s * k.rest1;
    return p - s * k.rate;
  }
  first = first * k.beta1 + g * k.rest1;
  second = second * k.beta2 + g * g * k.rest2;
  return p - first / (sqrt(second) + k.eps) * k.rate;
}

void run_update(const Job& j, int64_t begin, int64_t end, Scratch) {
  int64_t from = begin * kPiece, to = end * kPiece < j.i(N) ? end * kPiece : j.i(N);
  int kept_states = states_of(j.i(RULE));
  float* p = j.f(P) + from;
  float* first = kept_states > 0 ? j.f(FIRST) + from : nullptr;
  float* second = kept_states > 1 ? j.f(SECOND) + from : nullptr;
  const float* g = j.f(G) + from;
  const double* r = j.reals;
  Numbers k = numbers_of(j);
  Treatment treat(r[L2], j.i(CLIPS), r[CLIP], j.has(FACTOR) ? j.f(FACTOR) : nullptr);
  vec kept = set1(float(1 - j.batch->hyper[j.i(RATE)] * r[SCALE] * r[DECAY])), wrong = set1(0);
  with_code<kAdam + 1>(j.i(RULE), [&](auto rule) {
    constexpr int states = rule() == kSGD ? 0 : rule() >= kAdaDelta ? 2 : 1;
    by_vectors(to - from, [&](int64_t i, int64_t count) {
      vec w = part(p + i, count), s = set1(0), d = set1(0), dw = part(g + i, count);
      wrong = fma(dw, set1(0), wrong);  // NaN from the first number on that is not finite
      dw = treat(dw, w);
      if (r[DECAY] != 0) w = w * kept;
      if constexpr (states > 0) s = part(first + i, count);
      if constexpr (states > 1) d = part(second + i, count);
      put(p + i, updated<rule()>(w, dw, s, d, k), count);
      if constexpr (states > 0) put(first + i, s, count);
      if constexpr (states > 1) put(second + i, d, count);
    });
  });
  float lanes[W];
  store(lanes, wrong);
  for (float lane : lanes) if (lane != 0) *j.fault = kNotFinite;
}

Cost update_cost(const Job& j) {
  double n = double(j.i(N)), states = states_of(j.i(RULE));
  return {(2 + 6 * states) * n, (12 + 8 * states) * n};
}

// -- squares, clip_factor: the factor that shortens all gradients to the length of a limit ----
//
// Sums of squares are in double. args of squares: 0 n, 2 p or none, 3 g, 4 sums (2 words for each
// unit), 10 whether g is clipped by value; reals as of update

enum { SUMS = FIRST };

void check_squares(Check& c) {
  int64_t n = c.size(N);
  c.may_read(P, n);
  c.reads(G, n);
  c.writes(SUMS, c.times(2, (n + kPiece - 1) / kPiece));
  c.fixed(CLIPS, 0, 1);
}

typedef double lanes4 __attribute__((vector_size(32)));
typedef float quad __attribute__((vector_size(16)));

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
  Treatment treat(j.has(P) ? j.reals[L2] : 0, j.i(CLIPS), j.reals[CLIP], nullptr);
  constexpr int64_t kFew = 256;
  alignas(64) float treated[kFew];
  for (int64_t u = begin; u < end; u++) {
    int64_t to = (u + 1) * kPiece < j.i(N) ? (u + 1) * kPiece : j.i(N);
    double sum = 0;
    for (int64_t i = u * kPiece; i < to; i += kFew) {
      int64_t count = to - i < kFew ? to - i : kFew;
      if (count == kFew && !treat.decays && !treat.clips) {
        sum += sum_of_squares(j.f(G) + i, kFew);
        continue;
      }
      std::memset(treated, 0, sizeof treated);
      by_vectors(count, [&](int64_t q, int64_t lanes) {
        vec p = j.has(P) ? part(j.f(P) + i + q, lanes) : set1(0);
        put(treated + q, treat(part(j.f(G) + i + q, lanes), p), lanes);
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
  if (!(norm - norm == 0)) *j.fault = kNotFinite;
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
    {"update", check_update, pieces, run_update, update_cost},
    {"squares", check_squares, pieces, run_squares, squares_cost},
    {"clip_factor", check_clip_factor, one_unit, run_clip_factor, clip_factor_cost},
};

}  // namespace

Family optim_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
