// Layer, group, instance and root-mean-square normalization: the elements of a group, which lie next
// to each other, brought to mean 0 and variance 1, or to mean square 1.
#include <cmath>

#include "cuts.h"

namespace hg::HG_ISA {

namespace {

// x has samples of groups of channels of a run of elements. γ and β have an element for each of the
// channels of all groups. stats: mean and 1 / √(variance + eps) of each group.
#define HG_GROUPS                                                                                        \
  (samples, size()), (groups, fixed(1, 1 << 24)), (channels, fixed(1, 1 << 24)), (run, fixed(1, 1 << 30)), \
  (x, read(samples, groups, channels, run)), (gamma, read(groups, channels)), (mean_stays, flag())
HG_ARGS(Groups, HG_GROUPS)

struct Sizes {
  int64_t samples, groups, channels, run;
  explicit Sizes(const Job& j)
      : samples(j.i(Groups::samples)), groups(j.i(Groups::groups)), channels(j.i(Groups::channels)),
        run(j.i(Groups::run)) {}
  int64_t group() const { return channels * run; }
  int64_t sample() const { return groups * channels * run; }
};

// each(offset, count, channel, several, lane) for each vector of a group: of several channels from
// this one on, or of one channel alone. Sums go to the vector `lane` of `Lanes`.
template <class Each>
void by_channels(const Sizes& s, Each each) {
  auto lane = [](int64_t q) { return q / W % (16 / W); };
  if (s.run == 1) return by_vectors(s.channels, [&](int64_t q, int64_t n) { each(q, n, q, true, lane(q)); });
  for (int64_t c = 0; c < s.channels; c++)
    by_vectors(s.run, [&](int64_t q, int64_t n) { each(c * s.run + q, n, c, false, lane(q)); });
}

vec of_channel(const float* p, int64_t channel, bool several, int64_t n) {
  return several ? part(p + channel, n) : set1(p[channel]);
}

// Blocks of samples, none of which is of two shards.
Parts parts(const Job& j) { return Parts(j, j.i(Groups::samples), block_rows(Sizes(j).sample())); }
int64_t units(const Job& j) { return parts(j).numbers(); }

// -- group_norm: y = γ (x − mean) r + β ----------------------------------------------------

HG_ARGS(Norm, HG_GROUPS, (y, write(samples, groups, channels, run)), (stats, write(samples, groups).each(2)),
        (beta, read(groups, channels).maybe()), (eps, real()))

void norm_group(const Job& j, const Sizes& s, int64_t i, int64_t g) {
  using A = Groups;
  int64_t length = s.group(), at = i * s.sample() + g * length;
  const float *x = j.f(A::x) + at, *gamma = j.f(A::gamma) + g * s.channels, *beta = j.f(Norm::beta);
  float *y = j.f(Norm::y) + at, *stats = j.f(Norm::stats) + (i * s.groups + g) * 2;
  if (beta) beta += g * s.channels;
  float mean = j.i(A::mean_stays) ? 0 : row_sum(x, length) / float(length);
  Lanes squares(0);
  by_lanes(length, squares, [&](vec& sum, int64_t q, int64_t n) {
    vec d = only(part(x + q, n) - set1(mean), n);
    sum = fma(d, d, sum);
  });
  float r = 1 / std::sqrt(squares.sum() / float(length) + float(j.r(Norm::eps)));
  stats[0] = mean, stats[1] = r;
  by_channels(s, [&](int64_t q, int64_t n, int64_t channel, bool several, int64_t) {
    vec scaled = (part(x + q, n) - set1(mean)) * set1(r) * of_channel(gamma, channel, several, n);
    put(y + q, beta ? scaled + of_channel(beta, channel, several, n) : scaled, n);
  });
}

void run_norm(const Job& j, int64_t begin, int64_t end, Scratch) {
  Sizes s(j);
  Parts blocks = parts(j);
  for (int64_t b = begin; b < end; b++) {
    Block block = blocks.part(b);
    for (int64_t i = block.begin; i < block.end; i++)
      for (int64_t g = 0; g < s.groups; g++) norm_group(j, s, i, g);
  }
}

// -- group_norm_backward: dx = r (g − mean(g) − x̂ mean(g x̂)), g = γ dy; sums of dy x̂ and dy -----

HG_ARGS(NormBackward, HG_GROUPS, (dx, write(samples, groups, channels, run).maybe()),
        (stats, read(samples, groups).each(2)), (dy, read(samples, groups, channels, run)),
        (blocks, writes().maybe()))  // (B, 2, channels of all groups): sums for dγ and dβ

void check_backward(Check& c) {
  using A = Groups;
  int64_t scale = c.times(c.size(A::groups), c.size(A::channels));
  int64_t sample = c.times(scale, c.size(A::run));
  if (!c.fault) c.holds(NormBackward::blocks, c.times(c.parts(A::samples, block_rows(sample)), 2 * scale));
}

struct Group { const float *x, *dy, *gamma; float mean, r; };

// Adds dy x̂ and dy of one group to the channels' sums.
void add_sums(const Sizes& s, const Group& g, float* dgamma, float* dbeta) {
  vec mean = set1(g.mean), r = set1(g.r);
  if (s.run == 1)
    return by_vectors(s.channels, [&](int64_t q, int64_t n) {
      vec dy = part(g.dy + q, n);
      put(dgamma + q, fma(dy, (part(g.x + q, n) - mean) * r, part(dgamma + q, n)), n);
      put(dbeta + q, part(dbeta + q, n) + dy, n);
    });
  for (int64_t c = 0; c < s.channels; c++) {
    const float *x = g.x + c * s.run, *dy = g.dy + c * s.run;
    Lanes product(0);
    by_lanes(s.run, product, [&](vec& sum, int64_t q, int64_t n) {
      sum = fma(part(dy + q, n), (part(x + q, n) - mean) * r, sum);
    });
    dgamma[c] += product.sum();
    dbeta[c] += row_sum(dy, s.run);
  }
}

void group_dx(const Sizes& s, const Group& g, bool mean_stays, float* dx) {
  vec mean = set1(g.mean), r = set1(g.r);
  Lanes sums(0), products(0);
  by_channels(s, [&](int64_t q, int64_t n, int64_t channel, bool several, int64_t lane) {
    vec up = part(g.dy + q, n) * of_channel(g.gamma, channel, several, n);
    sums.v[lane] = sums.v[lane] + up;
    products.v[lane] = fma(up, (part(g.x + q, n) - mean) * r, products.v[lane]);
  });
  float length = float(s.group());
  vec mean_up = set1(mean_stays ? 0 : sums.sum() / length), moment = set1(products.sum() / length);
  by_channels(s, [&](int64_t q, int64_t n, int64_t channel, bool several, int64_t) {
    vec up = part(g.dy + q, n) * of_channel(g.gamma, channel, several, n);
    put(dx + q, r * fnma((part(g.x + q, n) - mean) * r, moment, up - mean_up), n);
  });
}

void run_backward(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = NormBackward;
  Sizes s(j);
  Parts blocks = parts(j);
  int64_t channels = s.groups * s.channels;
  for (int64_t b = begin; b < end; b++) {
    float* sums = j.has(A::blocks) ? j.f(A::blocks) + b * 2 * channels : nullptr;
    if (sums) std::memset(sums, 0, size_t(2 * channels) * 4);
    Block block = blocks.part(b);
    for (int64_t k = block.begin * s.groups; k < block.end * s.groups; k++) {
      int64_t at = k * s.group(), channel = k % s.groups * s.channels;
      const float* stats = j.f(A::stats) + 2 * k;
      Group g{j.f(A::x) + at, j.f(A::dy) + at, j.f(A::gamma) + channel, stats[0], stats[1]};
      if (sums) add_sums(s, g, sums + channel, sums + channels + channel);
      if (j.has(A::dx)) group_dx(s, g, j.i(Groups::mean_stays), j.f(A::dx) + at);
    }
  }
}

Cost cost(const Job& j) { return {0, 16.0 * double(j.i(Groups::samples)) * double(Sizes(j).sample())}; }

// -- totals: of the rows of x, the sum --------------------------------------------------------

HG_ARGS(Totals, (rows, size()),
        (length, fixed(0, 1 << 30).maybe()),  // rows of so many words are taken in blocks; 0: each for itself
        (columns, fixed(1, 1 << 30)), (x, reads()),
        (step, fixed(1, 1 << 30)),  // words from row to row
        (sum, update(columns)), (add, flag()),
        (by_shards, flag()))  // whether the sum is one over a batch in shards, whose blocks are those of `Parts`

void check_totals(Check& c) {
  using A = Totals;
  int64_t rows = c.size(A::rows), length = c.size(A::length), columns = c.size(A::columns);
  int64_t step = c.size(A::step);
  c.require(step >= columns, "rows overlap");
  if (c.size(A::by_shards)) c.by_shards({A::sum}), c.require(!c.size(A::add), "shards make a sum of their own");
  if (length && c.size(A::by_shards)) rows = c.parts(A::rows, block_rows(length));
  else if (length) rows = block_count(rows, length);
  c.holds(A::x, rows ? c.plus(c.times(rows - 1, step), columns) : 0);
}

constexpr int64_t kColumns = 64;

int64_t totals_units(const Job& j) { return (j.i(Totals::columns) + kColumns - 1) / kColumns; }

// The sums of the shards' rows, or blocks.
void run_totals_of_shards(const Job& j, int64_t from, int64_t to) {
  using A = Totals;
  int64_t length = j.i(A::length), step = j.i(A::step);
  Parts parts(j, j.i(A::rows), length ? block_rows(length) : 1);
  by_vectors(to - from, [&](int64_t q, int64_t n) {
    const float* x = j.f(A::x) + from + q;
    float* out = j.f(A::sum) + from + q;
    add_shards<1>(*j.batch, [&](int64_t s, vec (&sum)[1]) {
      int64_t first = length ? parts.first(s) : parts.begin(s), stop = length ? parts.stop(s) : parts.end(s);
      sum[0] = set1(0);
      for (int64_t k = first; k < stop; k++) sum[0] = sum[0] + part(x + k * step, n);
    }, [&](int64_t row, const vec (&sum)[1]) { put(out + row, sum[0], n); });
  });
}

void run_totals(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = Totals;
  int64_t last = end * kColumns < j.i(A::columns) ? end * kColumns : j.i(A::columns);
  if (j.i(A::by_shards)) return run_totals_of_shards(j, begin * kColumns, last);
  int64_t rows = j.i(A::length) ? block_count(j.i(A::rows), j.i(A::length)) : j.i(A::rows), step = j.i(A::step);
  int64_t from = begin * kColumns;
  by_vectors(last - from, [&](int64_t q, int64_t n) {
    const float* x = j.f(A::x) + from + q;
    float* out = j.f(A::sum) + from + q;
    vec sum = set1(0);
    for (int64_t k = 0; k < rows; k++) sum = sum + part(x + k * step, n);
    put(out, j.i(A::add) ? part(out, n) + sum : sum, n);
  });
}

Cost totals_cost(const Job& j) {
  using A = Totals;
  int64_t rows = j.i(A::length) ? block_count(j.i(A::rows), j.i(A::length)) : j.i(A::rows);
  return {0, 4.0 * double(rows) * double(j.i(A::columns))};
}

const Kernel kernels[] = {
    {.name = "group_norm", .args = Norm::all, .units = units, .run = run_norm, .cost = cost},
    {.name = "group_norm_backward", .args = NormBackward::all, .check = check_backward, .units = units,
     .run = run_backward, .cost = cost, .shards = true},
    {.name = "totals", .args = Totals::all, .check = check_totals, .units = totals_units, .run = run_totals,
     .cost = totals_cost, .shards = true},
};

}  // namespace

Family normalization_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
