// Losses: the terms of every row of scores and their gradient in one pass, and the sum of the terms.
#include "activation.h"
#include "row.h"
#include "turn.h"

namespace hg::HG_ISA {

namespace {

constexpr int kGroup = 16;  // rows whose logarithms are taken together, whatever the vectors' width

// -- softmax_loss: −m ln p at the label, p = softmax(scores), and dy = m (p − t) ---------------
//
// With smoothing ε, t is 1 − ε + ε / C at the label and ε / C elsewhere. A row whose share m is 0
// is left out, whatever its label.
//
// args: 0 samples, 1 rows of scores per sample, 2 classes C, 3 scores (M, C), 4 labels, 5 whether
// labels go through the batch's rows, 6 shares (M) or none: 1 / M each, 7 dy (M, C), which may be
// the scores, 8 terms (M), 9 whether the first of the greatest scores is at the label (M), or none;
// reals: ε

enum { SAMPLES = 0, EACH, CLASSES, SCORES, LABELS, INDEXED, SHARES, DY, TERMS, RIGHT };

int64_t check_rows(Check& c) { return c.times(c.size(SAMPLES), c.fixed(EACH, 1, 1 << 30)); }

void check_labels(Check& c, int64_t rows) {
  if (c.fixed(INDEXED, 0, 1)) {
    c.per_sample(SAMPLES);
    c.data(LABELS, c.fixed(EACH, 1, 1 << 30));
  } else {
    c.reads(LABELS, rows);
  }
}

// The labels of rows one after the other, from row m on.
class Labels {
 public:
  Labels(const Job& j, int64_t m)
      : labels_(j.n(LABELS)), rows_(j.i(INDEXED) ? j.batch->rows : nullptr), each_(j.i(EACH)),
        sample_(rows_ ? m / each_ : m), within_(rows_ ? m % each_ : 0) {}

  int32_t next() {
    if (!rows_) return labels_[sample_++];
    int32_t label = labels_[rows_[sample_] * each_ + within_];
    if (++within_ == each_) within_ = 0, sample_++;
    return label;
  }

 private:
  const int32_t *labels_, *rows_;
  int64_t each_, sample_, within_;
};

void check_softmax_loss(Check& c) {
  int64_t rows = check_rows(c), all = c.times(rows, c.fixed(CLASSES, 1, 1 << 30));
  check_labels(c, rows);
  c.reads(SCORES, all);
  c.may_read(SHARES, rows);
  c.writes(DY, all);
  c.writes(TERMS, rows);
  c.may_write(RIGHT, rows);
}

struct Group {  // of a few rows
  int64_t first, count;
  int32_t label[kGroup];  // −1 where the row is left out
  alignas(64) float share[kGroup], score[kGroup], top[kGroup], sum[kGroup], mean[kGroup], right[kGroup];
};

// Labels and shares of up to kGroup rows from `first` to `stop`; false where a label is no class.
bool start(const Job& j, int64_t first, int64_t stop, Labels& labels, Group& g) {
  int64_t rows = j.i(SAMPLES) * j.i(EACH), classes = j.i(CLASSES);
  int64_t count = stop - first < kGroup ? stop - first : kGroup;
  g.first = first, g.count = count;
  vec alike = set1(1) / set1(float(rows));
  for (int r = 0; r < kGroup; r += W) store(g.share + r, alike);
  if (j.has(SHARES)) std::memcpy(g.share, j.f(SHARES) + first, size_t(count) * 4);
  for (int64_t r = 0; r < count; r++) {
    int32_t label = labels.next();
    bool legal = uint64_t(label) < uint64_t(classes);
    g.label[r] = legal ? label : -1;
    if (!legal && g.share[r] != 0) return false;
  }
  for (int64_t r = count; r < kGroup; r++) g.label[r] = -1;
  return true;
}

void settle(const Job& j, const Group& g) {
  float rest = 1 - float(j.reals[0]);
  by_vectors(g.count, [&](int64_t r, int64_t count) {
    vec share = load(g.share + r), top = load(g.top + r), target = load(g.score + r) - top;
    if (j.reals[0] > 0)
      target = set1(rest) * target + set1(float(j.reals[0])) * (load(g.mean + r) - top);
    vec term = share * (log(load(g.sum + r)) - target);
    put(j.f(TERMS) + g.first + r, eq(share, set1(0), set1(0), term), count);
    if (j.has(RIGHT)) put(j.f(RIGHT) + g.first + r, load(g.right + r), count);
  });
}

// Few classes: rows side by side in vectors, z[c][row].

void few_classes(const Job& j, Group& g) {
  constexpr int V = kGroup / W;
  int64_t classes = j.i(CLASSES);
  alignas(64) float z[kGroup * kGroup];
  if (g.count < kGroup) std::memset(z, 0, size_t(classes) * kGroup * 4);
  turn(j.f(SCORES) + g.first * classes, classes, g.count, classes, z, kGroup);
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
  float smoothing = float(j.reals[0]), each = 1 / float(classes);
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
  turn(z, kGroup, classes, g.count, j.f(DY) + g.first * classes, classes);
}

// Many classes: one row after the other.

float greatest(const float* x, int64_t n) {  // of at least 16 numbers
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
  return top[0].greatest();
}

// e = exp(x − top); returns the sum. The n numbers behind x, which come next, are fetched meanwhile.
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

void many_classes(const Job& j, Group& g) {
  int64_t classes = j.i(CLASSES);
  float smoothing = float(j.reals[0]), each = smoothing / float(classes);
  for (int64_t r = 0; r < g.count; r++) {
    const float* x = j.f(SCORES) + (g.first + r) * classes;
    float* dy = j.f(DY) + (g.first + r) * classes;
    int64_t label = g.label[r];
    float top = g.top[r] = greatest(x, classes), share = g.share[r];
    g.score[r] = label < 0 ? 0 : x[label];
    g.right[r] = label >= 0 && x[label] == top && !occurs(x, label, top);
    g.mean[r] = smoothing > 0 ? row_sum(x, classes) / float(classes) : 0;
    float scale = share / (g.sum[r] = exps(x, classes, top, dy)), less = share * each;
    by_vectors(classes, [&](int64_t i, int64_t count) {
      put(dy + i, part(dy + i, count) * set1(scale) - set1(less), count);
    });
    if (label >= 0) dy[label] -= share * (1 - smoothing);
  }
}

int64_t unit_rows(const Job& j) {  // whole groups, about 4000 numbers
  int64_t groups = 4096 / (kGroup * j.i(CLASSES));
  return kGroup * (groups > 0 ? groups : 1);
}

int64_t softmax_loss_units(const Job& j) {
  return (j.i(SAMPLES) * j.i(EACH) + unit_rows(j) - 1) / unit_rows(j);
}

void softmax_loss_rows(const Job& j, int64_t from, int64_t stop) {
  Group g;
  Labels labels(j, from);
  for (int64_t first = from; first < stop; first += kGroup) {
    if (!start(j, first, stop, labels, g)) {
      j.fail(kBadIndex);
      return;
    }
    if (j.i(CLASSES) <= kGroup) few_classes(j, g);
    else many_classes(j, g);
    settle(j, g);
  }
}

void run_softmax_loss(const Job& j, int64_t begin, int64_t end, Scratch) {
  int64_t rows = j.i(SAMPLES) * j.i(EACH), each = unit_rows(j);
  softmax_loss_rows(j, begin * each, end * each < rows ? end * each : rows);
}

void softmax_loss_samples(const Job& j, int64_t first, int64_t last, Scratch) {
  softmax_loss_rows(j, first * j.i(EACH), last * j.i(EACH));
}

Cost softmax_loss_cost(const Job& j) {
  double n = double(j.i(SAMPLES)) * double(j.i(EACH)) * double(j.i(CLASSES));
  return {30 * n, 8 * n};
}

// -- shares: m = v / Σ v, v the weight of the label's class ------------------------------------
// args: 0 samples, 1 rows per sample, 2 classes, 4 labels, 5 whether they go through the batch's
// rows, 6 shares, 7 weights of classes or none, 8 the label to ignore, 9 whether there is one

enum { WEIGHTS = 7, IGNORE, IGNORES };

void check_shares(Check& c) {
  int64_t rows = check_rows(c);
  check_labels(c, rows);
  c.may_read(WEIGHTS, c.fixed(CLASSES, 1, 1 << 30));
  c.fixed(IGNORES, 0, 1);
  c.writes(SHARES, rows);
}

int64_t one_unit(const Job&) { return 1; }

void run_shares(const Job& j, int64_t, int64_t, Scratch) {
  int64_t rows = j.i(SAMPLES) * j.i(EACH);
  float* share = j.f(SHARES);
  Labels labels(j, 0);
  for (int64_t m = 0; m < rows; m++) {
    int32_t label = labels.next();
    bool ignored = j.i(IGNORES) && label == j.i(IGNORE);
    if (!ignored && (label < 0 || label >= j.i(CLASSES))) {
      j.fail(kBadIndex);
      return;
    }
    share[m] = ignored ? 0 : j.has(WEIGHTS) ? j.f(WEIGHTS)[label] : 1;
  }
  vec whole = set1(row_sum(share, rows));
  by_vectors(rows, [&](int64_t i, int64_t count) { put(share + i, part(share + i, count) / whole, count); });
}

Cost shares_cost(const Job& j) { return {2.0 * double(j.i(SAMPLES)), 12.0 * double(j.i(SAMPLES)) * double(j.i(EACH))}; }

// -- loss_terms: losses of each element, summed by pieces, and dy ------------------------------
// args: 0 n, 1 loss, 2 y, 3 t, 4 dy, 5 sums of each kPiece terms, 6 whether terms count 1 / n each
// (or 1); reals: δ of Huber

constexpr int64_t kPiece = 1 << 13;

enum Elementwise { kSquared = 0, kHalfSquared, kAbsolute, kHuber, kSigmoidCross, kCross, kHinge };

void check_loss_terms(Check& c) {
  int64_t n = c.size(0);
  c.fixed(1, 0, kHinge);
  c.reads(2, n);
  c.reads(3, n);
  c.writes(4, n);
  c.writes(5, (n + kPiece - 1) / kPiece);
  c.fixed(6, 0, 1);
}

int64_t loss_terms_units(const Job& j) { return (j.i(0) + kPiece - 1) / kPiece; }

struct Term { vec loss, slope, legal; };  // legal: 1 where y and t are numbers that the loss takes

inline vec inside(vec x, vec low, vec high) { return le(low, x, le(x, high, set1(1), set1(0)), set1(0)); }

template <int code>
inline Term term_of(vec y, vec t, vec delta) {
  vec one = set1(1), none = set1(0), e = y - t;
  if constexpr (code == kSquared) return {e * e, e + e, one};
  if constexpr (code == kHalfSquared) return {e * e * set1(0.5f), e, one};
  if constexpr (code == kAbsolute) return {abs(e), lt(none, e, one, lt(e, none, set1(-1), e)), one};
  if constexpr (code == kHuber) {
    vec cut = min(delta, max(negative(delta), e));
    return {cut * (e - cut * set1(0.5f)), cut, one};
  }
  if constexpr (code == kSigmoidCross)
    return {max(none, y) - y * t + log1p_inside(exp(negative(abs(y)))), sigmoid(y) - t, inside(t, none, one)};
  if constexpr (code == kCross) {
    constexpr float kLeast = 1.1920929e-7f;
    vec p = clamp(y, kLeast, 1 - kLeast), q = one - p;
    vec loss = negative(t) * log(p) - (one - t) * log1p_inside(negative(p));
    return {loss, (p - t) / (p * q), inside(t, none, one) * inside(y, none, one)};
  }
  vec rest = one - t * y;
  return {positive(rest), lt(none, rest, negative(t), none), eq(t * t, one, one, none)};
}

void run_loss_terms(const Job& j, int64_t begin, int64_t end, Scratch) {
  vec share = set1(j.i(6) ? float(1 / double(j.i(0))) : 1), delta = set1(float(j.reals[0]));
  with_code<kHinge + 1>(j.i(1), [&](auto code) {
    for (int64_t u = begin; u < end; u++) {
      int64_t from = u * kPiece, to = from + kPiece < j.i(0) ? from + kPiece : j.i(0);
      const float *y = j.f(2) + from, *t = j.f(3) + from;
      float* dy = j.f(4) + from;
      Lanes sum(0);
      vec illegal = set1(0);
      by_lanes(to - from, sum, [&](vec& lane, int64_t i, int64_t count) {
        Term term = term_of<code()>(part(y + i, count), part(t + i, count), delta);
        lane = lane + only(term.loss, count);
        put(dy + i, term.slope * share, count);
        illegal = illegal + only(set1(1) - term.legal, count);
      });
      j.f(5)[u] = sum.sum();
      Lanes wrong(0);
      wrong.v[0] = illegal;
      if (wrong.sum() > 0) j.fail(kBadIndex);
    }
  });
}

Cost loss_terms_cost(const Job& j) { return {10.0 * double(j.i(0)), 12.0 * double(j.i(0))}; }

// -- step_loss: the sum of the terms, and of the right answers, to the numbers of this step ----
// args: 0 n, 1 terms, 2 right (n) or none, 3 losses of the steps, 4 right answers of the steps or
// none, 5 how many of the n are in one term, 6 whether the sum is divided by n

void check_step_loss(Check& c) {
  int64_t n = c.size(0), each = c.fixed(5, 1, 1 << 30);
  c.reads(1, c.fault ? 0 : (n + each - 1) / each);
  c.may_read(2, n);
  c.writes(3, kMostSteps);
  c.may_write(4, kMostSteps);
  c.fixed(6, 0, 1);
}

void run_step_loss(const Job& j, int64_t, int64_t, Scratch) {
  float loss = row_sum(j.f(1), (j.i(0) + j.i(5) - 1) / j.i(5));
  if (j.i(6)) loss *= float(1 / double(j.i(0)));
  if (!(loss - loss == 0)) j.fail(kNotFinite);
  if (j.batch->step >= kMostSteps) return;
  j.f(3)[j.batch->step] = loss;
  if (j.has(2) && j.has(4)) j.f(4)[j.batch->step] = row_sum(j.f(2), j.i(0));
}

Cost step_loss_cost(const Job& j) { return {2.0 * double(j.i(0)), 8.0 * double(j.i(0))}; }

const Kernel kernels[] = {
    {"softmax_loss", check_softmax_loss, softmax_loss_units, run_softmax_loss, softmax_loss_cost,
     nullptr, nullptr, softmax_loss_samples},
    {"loss_terms", check_loss_terms, loss_terms_units, run_loss_terms, loss_terms_cost},
    {"shares", check_shares, one_unit, run_shares, shares_cost},
    {"step_loss", check_step_loss, one_unit, run_step_loss, step_loss_cost},
};

}  // namespace

Family loss_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
