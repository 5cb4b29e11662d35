// What the terms of a loss count, and their sums: of each step, or of the shards of its batch.
#include "labels.h"

namespace hg::HG_ISA {

namespace {

constexpr int64_t kTail = 4;  // sums besides gradients: loss, D, right, counted; in compile/sharding.py too

// -- shares: u / D of each element, u = weight of its sample · weight of its label's class ------
//
// D = Σ u of the batch, or the count of elements times ū, or 1. Where the label is ignored the share is 0,
// and the element is not counted. With weights of samples alone, there need be no labels.
//
// Of a batch in shards the share is u, and `weighed` has D and the count of each shard.

HG_ENUM(Divisor, sum, count, one)
HG_ARGS(Shares, HG_LABELS(.maybe()),
        (sample_weights, read(samples).picked_by(indexed).maybe()),  // none: 1
        (class_weights, read(classes).maybe()),                      // none: 1
        (smooths, flag()),  // whether they are in D alone, for softmax_loss counts them
        (shares, write(samples, each)),
        (divisor, option<Divisor>()),
        (mean_weight, real()),  // ū
        (denominators, write().each(kMostSteps).maybe()),  // D of each step
        (counted, write().each(kMostSteps).maybe()),       // and its count
        (weighed, writes().maybe()))

void check_shares(Check& c) { c.holds(Shares::weighed, c.times(2, c.shards())); }

int64_t one_unit(const Job&) { return 1; }

void enter(const Job& j, int array, double number) {
  if (j.has(array) && j.batch->step < kMostSteps) j.f(array)[j.batch->step] = float(number);
}

struct Weighed { double sum; int64_t count; bool legal; };

// The weights of samples [from, to), into their shares.
Weighed weigh(const Job& j, int64_t from, int64_t to) {
  using A = Shares;
  int64_t each = j.i(A::each), ignored = ignored_label(j), count = 0;
  const int32_t* rows = j.i(A::indexed) ? j.batch->rows : nullptr;
  float* share = j.f(A::shares);
  Labels labels(j, from * each);
  double sum = 0;
  for (int64_t n = from; n < to; n++) {
    float weight = j.has(A::sample_weights) ? j.f(A::sample_weights)[rows ? rows[n] : n] : 1;
    for (int64_t m = n * each; m < (n + 1) * each; m++) {
      float u = share[m] = weight;
      if (j.has(A::labels)) {
        int32_t label = labels.next();
        share[m] = 0;
        if (label == ignored) continue;
        if (uint64_t(label) >= uint64_t(j.i(A::classes))) return {0, 0, false};
        u = j.has(A::class_weights) ? weight * j.f(A::class_weights)[label] : weight;
        share[m] = j.i(A::smooths) ? weight : u;
      }
      sum += u, count++;
    }
  }
  return {sum, count, true};
}

double divisor_of(const Job& j, const Weighed& w) {
  using A = Shares;
  int64_t divisor = j.i(A::divisor);
  return divisor == Divisor::sum ? w.sum : divisor == Divisor::count ? double(w.count) * j.r(A::mean_weight) : 1;
}

void run_shares(const Job& j, int64_t, int64_t, Scratch) {
  using A = Shares;
  int64_t samples = j.i(A::samples), each = j.i(A::each), divisor = j.i(A::divisor);
  float* share = j.f(A::shares);
  for (int64_t i = 0; i < j.batch->shards; i++) {
    Weighed w = weigh(j, j.batch->borders[i], j.batch->borders[i + 1]);
    if (!w.legal) return j.fail(kBadIndex);
    float* weighed = j.f(A::weighed) + 2 * i;
    weighed[0] = float(divisor_of(j, w)), weighed[1] = float(w.count);
  }
  if (j.batch->all_shards) return;
  Weighed w = weigh(j, 0, samples);
  if (!w.legal) return j.fail(kBadIndex);
  double D = divisor_of(j, w);
  if (divisor == Divisor::sum && !(D > 0)) return j.fail(kBadIndex);  // there is nothing to learn from
  double scale = D > 0 ? 1 / D : 0;
  for (int64_t m = 0; m < samples * each; m++) share[m] = float(share[m] * scale);
  enter(j, A::denominators, D), enter(j, A::counted, double(w.count));
}

Cost shares_cost(const Job& j) {
  using A = Shares;
  return {2.0 * double(j.i(A::samples)), 12.0 * double(j.i(A::samples)) * double(j.i(A::each))};
}

// -- step_loss: the sum of the terms, and of the right answers, to those of the steps -----------
//
// The count too, as what the loss is divided by and what there is to be right, where all elements count 1.
//
// Of a batch in shards, `tail` gets the sums over them: of the terms, what they are divided by, what is right, the
// count.

HG_ARGS(StepLoss,
        (count, size()),
        (each, fixed(1, 1 << 30)),  // so many of them are in one term
        (terms, reads()),
        (right, read(count).maybe()),
        (losses, write().each(kMostSteps)),
        (rights, write().each(kMostSteps).maybe()),
        (denominators, write().each(kMostSteps).maybe()),
        (counted, write().each(kMostSteps).maybe()),
        (mean, flag()),  // whether the sum is divided by the count
        (weighed, reads().maybe()),  // of each shard what its terms are divided by, and its count
        (tail, write().each(kTail).maybe()))

void check_step_loss(Check& c) {
  using A = StepLoss;
  int64_t count = c.size(A::count), each = c.size(A::each);
  c.holds(A::terms, !c.in_shards() || each == 1 ? (count + each - 1) / each : c.shards());
  c.holds(A::weighed, c.times(2, c.shards()));
  if (c.in_shards()) c.needs(A::tail);
}

void add_up_shards(const Job& j) {
  using A = StepLoss;
  Cuts cuts(j, j.i(A::count));
  float levels[kLevels * kTail];
  int64_t shard = 0;
  by_shards(*j.batch, kTail, levels, j.f(A::tail), [&](int64_t, int64_t, float* sums) {
    int64_t from = cuts.begin(shard), count = cuts.end(shard) - from;
    sums[0] = j.i(A::each) > 1 ? j.f(A::terms)[shard] : row_sum(j.f(A::terms) + from, count);
    sums[1] = sums[3] = float(count);
    if (j.has(A::weighed)) sums[1] = j.f(A::weighed)[2 * shard], sums[3] = j.f(A::weighed)[2 * shard + 1];
    sums[2] = j.has(A::right) ? row_sum(j.f(A::right) + from, count) : 0;
    shard++;
  });
}

void run_step_loss(const Job& j, int64_t, int64_t, Scratch) {
  using A = StepLoss;
  if (j.batch->all_shards) return add_up_shards(j);
  float loss = row_sum(j.f(A::terms), (j.i(A::count) + j.i(A::each) - 1) / j.i(A::each));
  double count = double(j.i(A::count));
  if (j.i(A::mean)) loss *= float(1 / count);
  if (!(loss - loss == 0)) j.fail(kNotFinite);
  enter(j, A::losses, loss), enter(j, A::denominators, count), enter(j, A::counted, count);
  if (j.has(A::right)) enter(j, A::rights, row_sum(j.f(A::right), j.i(A::count)));
}

Cost step_loss_cost(const Job& j) { return {2.0 * double(j.i(StepLoss::count)), 8.0 * double(j.i(StepLoss::count))}; }

// -- whole_loss: of the sums over a batch in shards, what step_loss makes of one sum ---------------

HG_ARGS(WholeLoss, (tail, read().each(kTail)), (divisor, option<Divisor>()), (losses, write().each(kMostSteps)),
        (rights, write().each(kMostSteps)), (denominators, write().each(kMostSteps)),
        (counted, write().each(kMostSteps)), (share, write()))  // 1 / D, 0 where nothing counts

void run_whole_loss(const Job& j, int64_t, int64_t, Scratch) {
  using A = WholeLoss;
  const float* tail = j.f(A::tail);
  double D = j.i(A::divisor) == Divisor::one ? 1 : double(tail[1]), share = D > 0 ? 1 / D : 0;
  float loss = float(double(tail[0]) * share);
  if (!(tail[0] - tail[0] == 0)) j.fail(kNotFinite);
  else if (!(D > 0) && j.i(A::divisor) == Divisor::sum) j.fail(kBadIndex);  // there is nothing to learn from
  *j.f(A::share) = float(share);
  enter(j, A::losses, loss), enter(j, A::denominators, D), enter(j, A::rights, tail[2]), enter(j, A::counted, tail[3]);
}

Cost whole_loss_cost(const Job&) { return {1, 4.0 * kTail}; }

const Kernel kernels[] = {
    {.name = "shares", .args = Shares::all, .check = check_shares, .units = one_unit, .run = run_shares,
     .cost = shares_cost, .shards = true},
    {.name = "step_loss", .args = StepLoss::all, .check = check_step_loss, .units = one_unit, .run = run_step_loss,
     .cost = step_loss_cost, .shards = true},
    {.name = "whole_loss", .args = WholeLoss::all, .units = one_unit, .run = run_whole_loss, .cost = whole_loss_cost},
};

}  // namespace

Family loss_sums_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
