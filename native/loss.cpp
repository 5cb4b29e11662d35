// Losses: the terms of every row of scores, or of every element, and their gradient in one pass.
#include "activation.h"
#include "labels.h"
#include "transpose.h"

namespace hg::HG_ISA {

namespace {

constexpr int kGroup = 16;  // rows whose logarithms are taken together, on any instruction set

// -- softmax_loss: −m ln p at the label, p = softmax(scores), and dy = m (p − t) ---------------
//
// With smoothing ε, t is 1 − ε + ε / C at the label and ε / C elsewhere; with weights of classes too, which
// then are not in m, that is m v for each class, and p counts their sum. A row whose share m is 0 is left
// out, whatever its label. dy may be the scores; right: whether the first of the max scores
// is at the label, which is not ignored.

HG_ARGS(SoftmaxLoss, HG_LABELS(),
        (scores, read(samples, each, classes)),
        (shares, read(samples, each).maybe()),  // m; none: 1 / rows each, or 1 of a batch in shards
        (dy, write(samples, each, classes)),
        (terms, write(samples, each)),
        (right, write(samples, each).maybe()),
        (smoothing, real()),
        (class_weights, read(classes).maybe()))  // v, with smoothing

struct Group {  // of a few rows
  int64_t first, count;
  int32_t label[kGroup];  // −1 where the row is left out
  alignas(64) float share[kGroup], score[kGroup], top[kGroup], sum[kGroup], mean[kGroup], right[kGroup];
};

// Labels and shares of up to kGroup rows from `first` to `stop`; false where a label is no class.
bool start(const Job& j, int64_t first, int64_t stop, Labels& labels, Group& g) {
  using A = SoftmaxLoss;
  int64_t rows = j.i(A::samples) * j.i(A::each), classes = j.i(A::classes), ignored = ignored_label(j);
  int64_t count = stop - first < kGroup ? stop - first : kGroup;
  g.first = first, g.count = count;
  vec alike = j.batch->all_shards ? set1(1) : set1(1) / set1(float(rows));
  for (int r = 0; r < kGroup; r += W) store(g.share + r, alike);
  if (j.has(A::shares)) std::memcpy(g.share, j.f(A::shares) + first, size_t(count) * 4);
  for (int64_t r = 0; r < count; r++) {
    int32_t label = labels.next();
    bool legal = uint64_t(label) < uint64_t(classes) && label != ignored;
    g.label[r] = legal ? label : -1;
    if (!legal && g.share[r] != 0) return false;
  }
  for (int64_t r = count; r < kGroup; r++) g.label[r] = -1;
  return true;
}

void settle(const Job& j, const Group& g) {
  using A = SoftmaxLoss;
  float rest = 1 - float(j.r(A::smoothing));
  by_vectors(g.count, [&](int64_t r, int64_t count) {
    vec share = load(g.share + r), top = load(g.top + r), target = load(g.score + r) - top;
    if (j.r(A::smoothing) > 0)
      target = set1(rest) * target + set1(float(j.r(A::smoothing))) * (load(g.mean + r) - top);
    vec term = share * (log(load(g.sum + r)) - target);
    put(j.f(A::terms) + g.first + r, eq(share, set1(0), set1(0), term), count);
    if (j.has(A::right)) put(j.f(A::right) + g.first + r, load(g.right + r), count);
  });
}

// Few classes: rows side by side in vectors, z[c][row].

__attribute__((noinline)) void few_classes(const Job& j, Group& g) {
  using A = SoftmaxLoss;
  constexpr int V = kGroup / W;
  int64_t classes = j.i(A::classes);
  alignas(64) float z[kGroup * kGroup];
  if (g.count < kGroup) std::memset(z, 0, size_t(classes) * kGroup * 4);
  transpose(j.f(A::scores) + g.first * classes, classes, g.count, classes, z, kGroup);
  for (int r = 0; r < kGroup; r++) g.score[r] = z[(g.label[r] < 0 ? 0 : g.label[r]) * kGroup + r];
  vec top[V], at[V], total[V], sum[V], scale[V], less[V];
  for (int v = 0; v < V; v++) top[v] = total[v] = load(z + v * W), at[v] = sum[v] = set1(0);
  for (int64_t c = 1; c < classes; c++)
    for (int v = 0; v < V; v++) {
      vec x = load(z + c * kGroup + v * W);
      at[v] = lt(top[v], x, set1(float(c)), at[v]);
      top[v] = max(x, top[v]);
      total[v] = total[v] + x;
    }
  for (int64_t c = 0; c < classes; c++)
    for (int v = 0; v < V; v++) {
      vec e = exp(load(z + c * kGroup + v * W) - top[v]);
      store(z + c * kGroup + v * W, e);
      sum[v] = sum[v] + e;
    }
  float smoothing = float(j.r(A::smoothing)), each = 1 / float(classes);
  for (int v = 0; v < V; v++) {
    vec share = load(g.share + v * W), label = to_float(load(g.label + v * W));
    scale[v] = share / sum[v], less[v] = share * set1(smoothing * each);
    store(g.top + v * W, top[v]), store(g.sum + v * W, sum[v]), store(g.mean + v * W, total[v] * set1(each));
    store(g.right + v * W, eq(at[v], label, set1(1), set1(0)));
  }
  for (int64_t c = 0; c < classes; c++)
    for (int v = 0; v < V; v++) {
      float* p = z + c * kGroup + v * W;
      store(p, load(p) * scale[v] - less[v]);
    }
  for (int r = 0; r < g.count; r++)
    if (g.label[r] >= 0) z[g.label[r] * kGroup + r] -= g.share[r] * (1 - smoothing);
  transpose(z, kGroup, classes, g.count, j.f(A::dy) + g.first * classes, classes);
}

// Many classes: one row after the other.

float max_of(const float* x, int64_t n) {
  if (n < 16) {
    float top = x[0];
    for (int64_t i = 1; i < n; i++) top = x[i] > top ? x[i] : top;
    return top;
  }
  constexpr int some = 4;  // at a time, for none waits for the one before it
  Lanes top[some] = {Lanes(-kInfinity), Lanes(-kInfinity), Lanes(-kInfinity), Lanes(-kInfinity)};
  auto see = [&](Lanes& t, const float* from) {
    for (int v = 0; v < 16 / W; v++) t.v[v] = max(t.v[v], load(from + v * W));
  };
  int64_t i = 0;
  for (; i + some * 16 <= n; i += some * 16)
    unrolled<some>([&](auto k) { see(top[k], x + i + k * 16); });
  for (; i < n; i += 16) see(top[0], x + (i + 16 <= n ? i : n - 16));
  for (int k = 1; k < some; k++)
    for (int v = 0; v < 16 / W; v++) top[0].v[v] = max(top[0].v[v], top[k].v[v]);
  return top[0].top();
}

// e = exp(x − top); returns the sum. The n elements behind x, which come next, are fetched meanwhile.
float exps(const float* x, int64_t n, float top, float* e) {
  Lanes sum(0);
  by_lanes(n, sum, [&](vec& lane, int64_t i, int64_t count) {
    __builtin_prefetch(x + n + i, 0, 2);
    vec y = exp(part(x + i, count) - set1(top));
    put(e + i, y, count);
    lane = lane + only(y, count);
  });
  return sum.sum();
}

bool occurs(const float* x, int64_t n, float value) {
  Lanes found(0);
  by_lanes(n, found, [&](vec& lane, int64_t i, int64_t count) {
    lane = lane + only(eq(part(x + i, count), set1(value), set1(1), set1(0)), count);
  });
  return found.sum() > 0;
}

// Σ v (x − top)
float weighted_sum(const float* v, const float* x, int64_t n, float top) {
  Lanes sum(0);
  by_lanes(n, sum, [&](vec& lane, int64_t i, int64_t count) {
    lane = lane + only(part(v + i, count) * (part(x + i, count) - set1(top)), count);
  });
  return sum.sum();
}

// One row with weights of classes, where dy is e^(x − top) and `mean` that of v (x − top): dy, and the share,
// score and mean with which `settle` finds the term.
__attribute__((noinline)) void weighted_classes(const Job& j, Group& g, int64_t r, float* dy) {
  using A = SoftmaxLoss;
  int64_t classes = j.i(A::classes), label = g.label[r];
  const float* v = j.f(A::class_weights);
  float smoothing = float(j.r(A::smoothing)), each = smoothing / float(classes), share = g.share[r];
  float own = label < 0 ? 0 : v[label] * (1 - smoothing), whole = own + each * row_sum(v, classes);
  vec scale = set1(share * whole / g.sum[r]), less = set1(share * each);
  by_vectors(classes, [&](int64_t i, int64_t count) {
    put(dy + i, part(dy + i, count) * scale - less * part(v + i, count), count);
  });
  if (label >= 0) dy[label] -= share * own;
  g.share[r] = share * whole;
  g.score[r] = label < 0 ? 0 : v[label] * (g.score[r] - g.top[r]) / whole;
  g.mean[r] /= whole, g.top[r] = 0;
}

__attribute__((noinline)) void many_classes(const Job& j, Group& g) {
  using A = SoftmaxLoss;
  int64_t classes = j.i(A::classes);
  const float* v = j.has(A::class_weights) ? j.f(A::class_weights) : nullptr;
  float smoothing = float(j.r(A::smoothing)), each = smoothing / float(classes);
  for (int64_t r = 0; r < g.count; r++) {
    const float* x = j.f(A::scores) + (g.first + r) * classes;
    float* dy = j.f(A::dy) + (g.first + r) * classes;
    int64_t label = g.label[r];
    float top = g.top[r] = max_of(x, classes), share = g.share[r];
    g.score[r] = label < 0 ? 0 : x[label];
    g.right[r] = label >= 0 && x[label] == top && !occurs(x, label, top);
    if (v) g.mean[r] = weighted_sum(v, x, classes, top) / float(classes);
    else g.mean[r] = smoothing > 0 ? row_sum(x, classes) / float(classes) : 0;
    float sum = g.sum[r] = exps(x, classes, top, dy), less = share * each;
    if (v) {
      weighted_classes(j, g, r, dy);
      continue;
    }
    float scale = share / sum;
    by_vectors(classes, [&](int64_t i, int64_t count) {
      put(dy + i, part(dy + i, count) * set1(scale) - set1(less), count);
    });
    if (label >= 0) dy[label] -= share * (1 - smoothing);
  }
}

int64_t unit_rows(const Job& j) {  // whole groups, about 4000 elements
  int64_t groups = 4096 / (kGroup * j.i(SoftmaxLoss::classes));
  return kGroup * (groups > 0 ? groups : 1);
}

int64_t softmax_loss_units(const Job& j) {
  return (j.i(SoftmaxLoss::samples) * j.i(SoftmaxLoss::each) + unit_rows(j) - 1) / unit_rows(j);
}

void softmax_loss_rows(const Job& j, int64_t from, int64_t stop) {
  Group g;
  Labels labels(j, from);
  for (int64_t first = from; first < stop; first += kGroup) {
    if (!start(j, first, stop, labels, g)) {
      j.fail(kBadIndex);
      return;
    }
    if (j.i(SoftmaxLoss::classes) <= kGroup && !j.has(SoftmaxLoss::class_weights)) few_classes(j, g);
    else many_classes(j, g);
    settle(j, g);
  }
}

void run_softmax_loss(const Job& j, int64_t begin, int64_t end, Scratch) {
  int64_t rows = j.i(SoftmaxLoss::samples) * j.i(SoftmaxLoss::each), each = unit_rows(j);
  softmax_loss_rows(j, begin * each, end * each < rows ? end * each : rows);
}

void softmax_loss_samples(const Job& j, int64_t first, int64_t last, Scratch) {
  softmax_loss_rows(j, first * j.i(SoftmaxLoss::each), last * j.i(SoftmaxLoss::each));
}

Cost softmax_loss_cost(const Job& j) {
  using A = SoftmaxLoss;
  double n = double(j.i(A::samples)) * double(j.i(A::each)) * double(j.i(A::classes));
  return {30 * n, 8 * n};
}

// -- loss_terms: losses of each element, summed by pieces, and dy ------------------------------

constexpr int64_t kPiece = 1 << 13;

HG_ENUM(Loss, squared, half_squared, absolute, huber, sigmoid_cross_entropy, cross_entropy, hinge)
HG_ARGS(LossTerms,
        (count, size()),
        (loss, option<Loss>()),
        (y, read(count)),
        (t, read(count)),
        (dy, write(count)),
        (sums, writes()),               // of each kPiece terms, or of each shard
        (shares, read(count).maybe()),  // what terms count, in dy and in the sums;
        (mean, flag()),                 // none: 1 / count each in dy, if it is so, or 1; and 1 in the sums. Of a
                                        // batch in shards 1
        (delta, real()))                // of Huber

int64_t pieces(int64_t count) { return (count + kPiece - 1) / kPiece; }

void check_loss_terms(Check& c) {
  c.holds(LossTerms::sums, c.in_shards() ? c.shards() : pieces(c.size(LossTerms::count)));
}

int64_t loss_terms_units(const Job& j) {
  return j.batch->all_shards ? j.batch->shards : pieces(j.i(LossTerms::count));
}

struct Term { vec loss, derivative, legal; };  // legal: 1 where y and t are numbers that the loss takes

inline vec inside(vec x, vec low, vec high) { return le(low, x, le(x, high, set1(1), set1(0)), set1(0)); }

template <int code>
inline Term term_of(vec y, vec t, vec delta) {
  vec one = set1(1), none = set1(0), e = y - t;
  if constexpr (code == Loss::squared) return {e * e, e + e, one};
  if constexpr (code == Loss::half_squared) return {e * e * set1(0.5f), e, one};
  if constexpr (code == Loss::absolute) return {abs(e), lt(none, e, one, lt(e, none, set1(-1), e)), one};
  if constexpr (code == Loss::huber) {
    vec cut = min(delta, max(negative(delta), e));
    return {cut * (e - cut * set1(0.5f)), cut, one};
  }
  if constexpr (code == Loss::sigmoid_cross_entropy)
    return {max(none, y) - y * t + log1p_inside(exp(negative(abs(y)))), sigmoid(y) - t, inside(t, none, one)};
  if constexpr (code == Loss::cross_entropy) {
    constexpr float kLeast = 1.1920929e-7f;
    vec p = clamp(y, kLeast, 1 - kLeast), q = one - p;
    vec loss = negative(t) * log(p) - (one - t) * log1p_inside(negative(p));
    return {loss, (p - t) / (p * q), inside(t, none, one) * inside(y, none, one)};
  }
  vec rest = one - t * y;
  return {positive(rest), lt(none, rest, negative(t), none), eq(t * t, one, one, none)};
}

// Elements [from, to); the sum of their terms.
template <int code, bool shared>
float loss_piece(const Job& j, int64_t from, int64_t to, vec each, vec delta) {
  using A = LossTerms;
  const float *y = j.f(A::y) + from, *t = j.f(A::t) + from, *shares = shared ? j.f(A::shares) + from : nullptr;
  float* dy = j.f(A::dy) + from;
  Lanes sum(0);
  vec illegal = set1(0);
  by_lanes(to - from, sum, [&](vec& lane, int64_t i, int64_t count) {
    Term term = term_of<code>(part(y + i, count), part(t + i, count), delta);
    vec share = each;
    if constexpr (shared) share = part(shares + i, count), term.loss = term.loss * share;
    lane = lane + only(term.loss, count);
    put(dy + i, term.derivative * share, count);
    illegal = illegal + only(set1(1) - term.legal, count);
  });
  Lanes wrong(0);
  wrong.v[0] = illegal;
  if (wrong.sum() > 0) j.fail(kBadIndex);
  return sum.sum();
}

void run_loss_terms(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = LossTerms;
  Cuts cuts(j, j.i(A::count));
  bool by_shards = j.batch->all_shards, mean = j.i(A::mean) && !by_shards;
  int64_t count = cuts.length;
  vec each = set1(mean ? float(1 / double(count)) : 1), delta = set1(float(j.r(A::delta)));
  with_code<Loss::kCount>(j.i(A::loss), [&](auto code) {
    auto terms = [&](int64_t from, int64_t to) {
      return j.has(A::shares) ? loss_piece<code(), true>(j, from, to, each, delta)
                              : loss_piece<code(), false>(j, from, to, each, delta);
    };
    for (int64_t u = begin; u < end; u++) {
      int64_t from = by_shards ? cuts.begin(u) : u * kPiece, stop = by_shards ? cuts.end(u) : count;
      if (!by_shards && stop - from > kPiece) stop = from + kPiece;
      float sum = 0;
      for (; from < stop; from += kPiece) sum += terms(from, stop - from < kPiece ? stop : from + kPiece);
      j.f(A::sums)[u] = sum;
    }
  });
}

Cost loss_terms_cost(const Job& j) {
  return {10.0 * double(j.i(LossTerms::count)), 12.0 * double(j.i(LossTerms::count))};
}

const Kernel kernels[] = {
    {.name = "softmax_loss", .args = SoftmaxLoss::all, .units = softmax_loss_units, .run = run_softmax_loss,
     .cost = softmax_loss_cost, .samples = softmax_loss_samples},
    {.name = "loss_terms", .args = LossTerms::all, .check = check_loss_terms, .units = loss_terms_units,
     .run = run_loss_terms, .cost = loss_terms_cost, .shards = true},
};

}  // namespace

Family loss_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
