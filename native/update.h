// Update rules, to the bit what optim/rules.py does, for the rows that update and those of gradients
// that update at once what they belong to.
#pragma once
#include "activation.h"
#include "row.h"

namespace hg::HG_ISA {

#define HG_RULES sgd, momentum, nesterov, lion, adagrad, rmsprop, adadelta, adam, nadam, radam, amsgrad
HG_ENUM(Rule, HG_RULES)

// Their numbers, which every kernel that updates has among its arguments; momentum and ρ are beta1.
#define HG_RULE_OPTIONS                                                                                  \
  (beta1, real()), (beta2, real()), (eps, real()), (l2, real()), (decay, real()), (clip, real()), (scale, real())
HG_ARGS(RuleOptions, HG_RULE_OPTIONS)

// And of the step: the learning rate, and for Adam √(1 − β2^t) and 1 − β1^t; for NAdam the root, its b and a;
// for RAdam what it makes of the root, or 0 where it does not divide.
HG_ARGS(Rates, (rate, hyper()), (root, hyper()), (rest, hyper()), (lead, hyper()))

constexpr int states_of(int64_t rule) {
  return rule == Rule::sgd ? 0 : rule < Rule::adadelta ? 1 : rule < Rule::amsgrad ? 2 : 3;
}

// Parameters, and what a rule remembers of them.
struct State { float *p, *first, *second, *third; };

inline State state_of(const Job& j, int p, int64_t rule) {
  int states = states_of(rule);
  auto state = [&](int s) { return states >= s ? j.f(p + s) : nullptr; };
  return {j.f(p), state(1), state(2), state(3)};
}

inline void check_state(Check& c, int p, int64_t rule) {  // p, first, second, third
  for (int s = 0; s <= states_of(rule); s++) c.needs(p + s);
}

// The gradient with l2 and clipping; the same numbers as Optimizer._treat. share: of a sum, what makes the gradient
// of it.
struct Treatment {
  vec l2, low, high, factor, share;
  bool decays, clips, shortens, shares;

  Treatment(double l2_, bool clips_, double limit, const float* factor_, const float* share_)
      : l2(set1(float(l2_))), low(set1(float(-limit))), high(set1(float(limit))),
        factor(set1(factor_ ? *factor_ : 1)), share(set1(share_ ? *share_ : 1)), decays(l2_ != 0), clips(clips_),
        shortens(factor_), shares(share_) {}

  vec operator()(vec g, vec p) const {
    if (shares) g = g * share;
    if (decays) g = g + l2 * p;
    if (clips) g = min(high, max(low, g));
    return shortens ? g * factor : g;
  }
};

struct Constants {
  vec rate, beta1, rest1, beta2, rest2, eps, kept, own, lead;
  bool divides = true;

  // From which arguments on there are Rates, and RuleOptions.
  Constants(const Job& j, int64_t rule, int rates, int options) {
    auto r = [&](int k) { return j.r(options + k); };
    using O = RuleOptions;
    double scaled = j.hyper(rates + Rates::rate) * r(O::scale), step = scaled, small = r(O::eps);
    auto now = [&](int k) { return rule >= Rule::adam ? j.hyper(rates + k) : 0; };
    double root = now(Rates::root), rest = now(Rates::rest);
    if (rule == Rule::adam || rule == Rule::amsgrad) step = scaled * root / rest, small = small * root;
    if (rule == Rule::nadam) step = scaled * root, small = small * root;
    if (rule == Rule::radam) divides = root != 0, step = divides ? scaled * root / rest : scaled / rest;
    own = set1(float(rest)), lead = set1(float(now(Rates::lead)));
    rate = set1(float(step)), eps = set1(float(small)), kept = set1(float(1 - scaled * r(O::decay)));
    beta1 = set1(float(r(O::beta1))), rest1 = set1(float(1 - r(O::beta1)));
    beta2 = set1(float(r(O::beta2))), rest2 = set1(float(1 - r(O::beta2)));
  }
};

template <int rule>
inline vec updated(vec p, vec g, vec& first, vec& second, vec& third, const Constants& k) {
  if constexpr (rule == Rule::sgd) return p - g * k.rate;
  if constexpr (rule == Rule::momentum) {
    first = first * k.beta1 - g * k.rate;
    return p + first;
  }
  if constexpr (rule == Rule::nesterov) {
    vec step = g * k.rate;
    first = first * k.beta1 - step;
    return (p - step) + first * k.beta1;
  }
  if constexpr (rule == Rule::lion) {
    vec u = first * k.beta1 + g * k.rest1, none = set1(0);
    first = first * k.beta2 + g * k.rest2;
    return p - lt(none, u, set1(1), lt(u, none, set1(-1), none)) * k.rate;
  }
  if constexpr (rule == Rule::adagrad) first = first + g * g;
  if constexpr (rule == Rule::rmsprop || rule == Rule::adadelta) first = first * k.beta1 + g * g * k.rest1;
  if constexpr (rule == Rule::adagrad || rule == Rule::rmsprop) return p - g / (sqrt(first) + k.eps) * k.rate;
  if constexpr (rule == Rule::adadelta) {
    vec s = g * sqrt((second + k.eps) / (first + k.eps));
    second = second * k.beta1 + s * s * k.rest1;
    return p - s * k.rate;
  }
  first = first * k.beta1 + g * k.rest1;
  second = second * k.beta2 + g * g * k.rest2;
  if constexpr (rule == Rule::nadam) return p - (first * k.own + g * k.lead) / (sqrt(second) + k.eps) * k.rate;
  if constexpr (rule == Rule::radam) if (!k.divides) return p - first * k.rate;
  if constexpr (rule == Rule::amsgrad) {
    third = max(third, second);
    return p - first / (sqrt(third) + k.eps) * k.rate;
  }
  return p - first / (sqrt(second) + k.eps) * k.rate;
}

// One update of a row's parameters, piece by piece.
class Update {
 public:
  Update(const Job& j, int64_t rule, int rates, int options, bool clips, const float* factor = nullptr,
         const float* share = nullptr)
      : constants_(j, rule, rates, options),
        treat_(j.r(options + RuleOptions::l2), clips, j.r(options + RuleOptions::clip), factor, share),
        decays_(j.r(options + RuleOptions::decay) != 0) {
    with_code<Rule::kCount>(rule, [&](auto code) { run_ = &Update::run<code()>; });
  }

  // n elements from `at` on, by their gradients g, to which `more` is added, where it is not null.
  void operator()(const State& s, int64_t at, float* g, int64_t n, const float* more = nullptr) {
    (this->*run_)(s, at, g, n, more);
  }

  // Whether all gradients were numbers. What met another one has been updated: the caller puts the last
  // good weights back.
  bool finite() const {
    float lanes[W];
    store(lanes, wrong_);
    for (float lane : lanes) if (lane != 0) return false;
    return true;
  }

 private:
  template <int rule>
  void run(const State& s, int64_t at, float* g, int64_t n, const float* more) {
    constexpr int states = states_of(rule);
    // Copies, which stay in registers, for no store can change them.
    const State state = s;
    const Constants constants = constants_;
    const Treatment treat = treat_;
    const bool decays = decays_;
    vec wrong = wrong_;
    by_vectors(n, [&](int64_t i, int64_t count) {
      vec w = part(state.p + at + i, count), dw = part(g + i, count);
      vec first = set1(0), second = set1(0), third = set1(0);
      if (more) put(g + i, dw = dw + part(more + i, count), count);
      wrong = fma(dw, set1(0), wrong);  // NaN from the first number on that is not finite
      dw = treat(dw, w);
      if (decays) w = w * constants.kept;
      if constexpr (states > 0) first = part(state.first + at + i, count);
      if constexpr (states > 1) second = part(state.second + at + i, count);
      if constexpr (states > 2) third = part(state.third + at + i, count);
      put(state.p + at + i, updated<rule>(w, dw, first, second, third, constants), count);
      if constexpr (states > 0) put(state.first + at + i, first, count);
      if constexpr (states > 1) put(state.second + at + i, second, count);
      if constexpr (states > 2) put(state.third + at + i, third, count);
    });
    wrong_ = wrong;
  }

  Constants constants_;
  Treatment treat_;
  bool decays_;
  vec wrong_ = set1(0);
  void (Update::*run_)(const State&, int64_t, float*, int64_t, const float*) = nullptr;
};

}  // namespace hg::HG_ISA
