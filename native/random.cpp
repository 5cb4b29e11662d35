// Random bits, the same as NumPy's Philox gives, and dropout with them.
//
// Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#include "activation.h"
#include "row.h"

namespace hg::HG_ISA {

namespace {

constexpr int64_t kPiece = 1 << 13;  // numbers of one unit

int64_t pieces(const Job& j) { return (j.i(0) + kPiece - 1) / kPiece; }

// -- keep: bit k of the mask is whether random word k is at least a limit --------------------
// args: 0 n words, 1 mask (a bit each), 2 number of the step that holds the counter, 3 and 4 the
// key: seed and layer; reals: the limit

void check_keep(Check& c) {
  int64_t n = c.size(0);
  c.writes(1, (n + 31) / 32);
  c.hyper(2);
  c.require(c.real(0) >= 0 && c.real(0) <= 4294967296.0, "a limit of 32-bit words is out of range");
}

struct Four { uint64_t v[4]; };

// Block `number` (from 0) of the stream that NumPy starts with the counter (0, 0, step, 0).
inline Four philox(uint64_t number, uint64_t step, uint64_t seed, uint64_t layer) {
  Four c{{number + 1, 0, step, 0}};
  for (int round = 0; round < 10; round++) {
    unsigned __int128 a = (unsigned __int128)0xD2E7470EE14C6C93u * c.v[0];
    unsigned __int128 b = (unsigned __int128)0xCA5A826395121157u * c.v[2];
    c = {{uint64_t(b >> 64) ^ c.v[1] ^ seed, uint64_t(b), uint64_t(a >> 64) ^ c.v[3] ^ layer, uint64_t(a)}};
    seed += 0x9E3779B97F4A7C15u, layer += 0xBB67AE8584CAA73Bu;
  }
  return c;
}

void run_keep(const Job& j, int64_t begin, int64_t end, Scratch) {
  uint8_t* mask = reinterpret_cast<uint8_t*>(j.f(1));
  double counter = j.batch->hyper[j.i(2)];
  uint64_t step = counter >= 0 && counter < 0x1p53 ? uint64_t(counter) : 0, limit = uint64_t(__builtin_ceil(j.reals[0]));
  int64_t to = end * kPiece < j.i(0) ? end * kPiece : j.i(0);
  for (int64_t i = begin * kPiece; i < to; i += 8) {  // a block makes 8 words
    Four block = philox(uint64_t(i / 8), step, uint64_t(j.i(3)), uint64_t(j.i(4)));
    unsigned bits = 0;
    for (int w = 0; w < 4; w++) {
      bits |= unsigned((block.v[w] & 0xffffffffu) >= limit) << 2 * w;
      bits |= unsigned((block.v[w] >> 32) >= limit) << (2 * w + 1);
    }
    mask[i / 8] = uint8_t(bits);
  }
}

Cost keep_cost(const Job& j) { return {40.0 * double(j.i(0)), double(j.i(0)) / 8}; }

// -- masked: y = x · factor where the mask has a 1, else x · 0 ---------------------------------
// args: 0 n, 1 x, 2 mask, 3 y, 4 numbers next to each other that share a bit, 5 or none: what an
// activation gave, whose slope multiplies y too, 6 its code; reals: its options, the factor

void check_masked(Check& c) {
  int64_t n = c.size(0), each = c.fixed(4, 1, 1 << 30);
  c.reads(1, n);
  c.reads(2, c.fault ? 0 : ((n + each - 1) / each + 31) / 32);
  c.writes(3, n);
  c.may_read(5, n);
  c.fixed(6, 0, kActivations - 1);
}

alignas(64) constexpr int32_t kBits[16] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768};

inline bool bit(const uint8_t* mask, int64_t k) { return mask[k / 8] >> (k % 8) & 1; }

// The factor or 0 for the numbers i, i + 1, …; i is a multiple of W.
inline vec factors(const uint8_t* mask, int64_t i, vec factor) {
  uint16_t word = 0;
  std::memcpy(&word, mask + i / 8, W == 16 ? 2 : 1);
  return lt(set1(0), to_float(iand(iset1(word >> (i % 8)), load(kBits))), factor, set1(0));
}

void masked_stretch(const Job& j, int64_t from, int64_t to, Scratch) {
  const float *x = j.f(1), *saved = j.f(5);
  const uint8_t* mask = reinterpret_cast<const uint8_t*>(j.f(2));
  float* y = j.f(3);
  int64_t each = j.i(4);
  Options options(j.reals);
  float size = float(j.reals[3]);
  with_code<kActivations>(j.i(6), [&](auto code) {
    auto stretch = [&](int64_t start, int64_t n, auto factor) {
      by_vectors(n, [&](int64_t q, int64_t count) {
        vec v = part(x + start + q, count) * factor(start + q);
        if (saved) v = v * slope<code()>(part(saved + start + q, count), options);
        put(y + start + q, v, count);
      });
    };
    if (each == 1) {  // from where a vector's bits begin
      int64_t whole = (from + W - 1) / W * W < to ? (from + W - 1) / W * W : to;
      for (int64_t i = from; i < whole; i++) stretch(i, 1, [&](int64_t) { return set1(bit(mask, i) ? size : 0); });
      stretch(whole, to - whole, [&](int64_t i) { return factors(mask, i, set1(size)); });
      return;
    }
    for (int64_t i = from; i < to;) {
      int64_t next = (i / each + 1) * each, stop = next < to ? next : to;
      vec factor = set1(bit(mask, i / each) ? size : 0);
      stretch(i, stop - i, [&](int64_t) { return factor; });
      i = stop;
    }
  });
}

void run_masked(const Job& j, int64_t begin, int64_t end, Scratch scratch) {
  masked_stretch(j, begin * kPiece, end * kPiece < j.i(0) ? end * kPiece : j.i(0), scratch);
}

Cost masked_cost(const Job& j) { return {2.0 * double(j.i(0)), (j.has(5) ? 12.0 : 8.0) * double(j.i(0))}; }

const Kernel kernels[] = {
    {"keep", check_keep, pieces, run_keep, keep_cost, nullptr, nullptr, nullptr, true},
    {"masked", check_masked, pieces, run_masked, masked_cost, nullptr, nullptr, masked_stretch},
};

}  // namespace

Family random_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
