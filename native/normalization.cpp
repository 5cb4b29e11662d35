// Layer, group, instance and root-mean-square normalization: the numbers of a group, which lie next
// to each other, brought to mean 0 and variance 1, or to mean square 1.
#include <cmath>

#include "blocks.h"

namespace hg::HG_ISA {

namespace {

// x has M samples of G groups of C channels of P numbers. γ and β have one number for each of the
// G C channels. stats: mean and 1 / √(variance + eps) of each group.
// args: 0 M, 1 G, 2 C, 3 P, 4 x, 5 y or dx, 6 stats (M G, 2), 7 γ, 8 β or none, 9 whether the mean
// stays; backward: 10 dy, 11 blocks (B, 2, G C): sums for dγ and dβ. reals[0]: eps.

enum { SAMPLES = 0, GROUPS, CHANNELS, RUN, X, Y, STATS, GAMMA, BETA, MEAN_STAYS, DY, BLOCKS };

struct Sizes {
  int64_t samples, groups, channels, run;
  explicit Sizes(const Job& j) : samples(j.i(SAMPLES)), groups(j.i(GROUPS)), channels(j.i(CHANNELS)), run(j.i(RUN)) {}
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

int64_t units(const Job& j) { return block_count(j.i(SAMPLES), Sizes(j).sample()); }

struct Extent { int64_t x, stats, scale, blocks; };
Extent check_sizes(Check& c) {
  int64_t m = c.size(SAMPLES), g = c.fixed(GROUPS, 1, 1 << 24), channels = c.fixed(CHANNELS, 1, 1 << 24);
  int64_t scale = c.times(g, channels), sample = c.times(scale, c.fixed(RUN, 1, 1 << 30));
  if (c.fault) return {0, 0, 0, 0};
  return {c.times(m, sample), c.times(2, c.times(m, g)), scale, c.times(block_count(m, sample), 2 * scale)};
}

// -- group_norm: y = γ (x − mean) r + β ----------------------------------------------------

void check_norm(Check& c) {
  Extent e = check_sizes(c);
  c.reads(X, e.x);
  c.writes(Y, e.x);
  c.writes(STATS, e.stats);
  c.reads(GAMMA, e.scale);
  c.may_read(BETA, e.scale);
  c.fixed(MEAN_STAYS, 0, 1);
}

void norm_group(const Job& j, const Sizes& s, int64_t i, int64_t g) {
  int64_t length = s.group(), at = i * s.sample() + g * length;
  const float *x = j.f(X) + at, *gamma = j.f(GAMMA) + g * s.channels, *beta = j.f(BETA);
  float *y = j.f(Y) + at, *stats = j.f(STATS) + (i * s.groups + g) * 2;
  if (beta) beta += g * s.channels;
  float mean = j.i(MEAN_STAYS) ? 0 : row_sum(x, length) / float(length);
  Lanes squares(0);
  by_lanes(length, squares, [&](vec& sum, int64_t q, int64_t n) {
    vec d = only(part(x + q, n) - set1(mean), n);
    sum = fma(d, d, sum);
  });
  float r = 1 / std::sqrt(squares.sum() / float(length) + float(j.reals[0]));
  stats[0] = mean, stats[1] = r;
  by_channels(s, [&](int64_t q, int64_t n, int64_t channel, bool several, int64_t) {
    vec scaled = (part(x + q, n) - set1(mean)) * set1(r) * of_channel(gamma, channel, several, n);
    put(y + q, beta ? scaled + of_channel(beta, channel, several, n) : scaled, n);
  });
}

void run_norm(const Job& j, int64_t begin, int64_t end, Scratch) {
  Sizes s(j);
  for (int64_t b = begin; b < end; b++) {
    Block block = block_of(b, s.samples, s.sample());
    for (int64_t i = block.begin; i < block.end; i++)
      for (int64_t g = 0; g < s.groups; g++) norm_group(j, s, i, g);
  }
}

// -- group_norm_backward: dx = r (g − mean(g) − x̂ mean(g x̂)), g = γ dy; sums of dy x̂ and dy -----

void check_backward(Check& c) {
  Extent e = check_sizes(c);
  c.reads(X, e.x);
  c.may_write(Y, e.x);
  c.reads(STATS, e.stats);
  c.reads(GAMMA, e.scale);
  c.fixed(MEAN_STAYS, 0, 1);
  c.reads(DY, e.x);
  c.may_write(BLOCKS, e.blocks);
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
  Sizes s(j);
  int64_t channels = s.groups * s.channels;
  for (int64_t b = begin; b < end; b++) {
    float* sums = j.has(BLOCKS) ? j.f(BLOCKS) + b * 2 * channels : nullptr;
    if (sums) std::memset(sums, 0, size_t(2 * channels) * 4);
    Block block = block_of(b, s.samples, s.sample());
    for (int64_t k = block.begin * s.groups; k < block.end * s.groups; k++) {
      int64_t at = k * s.group(), channel = k % s.groups * s.channels;
      Group g{j.f(X) + at, j.f(DY) + at, j.f(GAMMA) + channel, j.f(STATS)[2 * k], j.f(STATS)[2 * k + 1]};
      if (sums) add_sums(s, g, sums + channel, sums + channels + channel);
      if (j.has(Y)) group_dx(s, g, j.i(MEAN_STAYS), j.f(Y) + at);
    }
  }
}

Cost cost(const Job& j) { return {0, 16.0 * double(j.i(SAMPLES)) * double(Sizes(j).sample())}; }

// -- totals: of the rows of x, the sum --------------------------------------------------------
//
// args: 0 rows, 1 how many of them make a block of `length` words, or 0: each for itself, 2 columns,
// 3 x, 4 words from row to row, 5 sum, 6 whether to add to it.

void check_totals(Check& c) {
  int64_t rows = c.size(0), length = c.fixed(1, 0, 1 << 30), columns = c.fixed(2, 1, 1 << 30);
  int64_t step = c.fixed(4, columns, 1 << 30);
  if (length) rows = block_count(rows, length);
  c.reads(3, rows ? c.plus(c.times(rows - 1, step), columns) : 0);
  c.writes(5, columns);
  c.fixed(6, 0, 1);
}

constexpr int64_t kColumns = 64;

int64_t totals_units(const Job& j) { return (j.i(2) + kColumns - 1) / kColumns; }

void run_totals(const Job& j, int64_t begin, int64_t end, Scratch) {
  int64_t rows = j.i(1) ? block_count(j.i(0), j.i(1)) : j.i(0), step = j.i(4);
  int64_t from = begin * kColumns, to = end * kColumns < j.i(2) ? end * kColumns : j.i(2);
  by_vectors(to - from, [&](int64_t q, int64_t n) {
    const float* x = j.f(3) + from + q;
    float* out = j.f(5) + from + q;
    vec sum = set1(0);
    for (int64_t k = 0; k < rows; k++) sum = sum + part(x + k * step, n);
    put(out, j.i(6) ? part(out, n) + sum : sum, n);
  });
}

Cost totals_cost(const Job& j) {
  return {0, 4.0 * double(j.i(1) ? block_count(j.i(0), j.i(1)) : j.i(0)) * double(j.i(2))};
}

const Kernel kernels[] = {
    {"group_norm", check_norm, units, run_norm, cost},
    {"group_norm_backward", check_backward, units, run_backward, cost},
    {"totals", check_totals, totals_units, run_totals, totals_cost},
};

}  // namespace

Family normalization_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
