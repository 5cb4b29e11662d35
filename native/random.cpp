// Random bits, the same as NumPy's Philox gives, and dropout with them.
//
// Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#include "activation.h"
#include "cuts.h"

namespace hg::HG_ISA {

namespace {

constexpr int64_t kPiece = 1 << 13;  // elements of one unit

HG_ARGS(Counted, (count, size()))  // the first argument of every kernel here

int64_t pieces(const Job& j) { return (j.i(Counted::count) + kPiece - 1) / kPiece; }

// -- keep: bit k of the mask is whether random word k, of those of its shard, is at least a limit

HG_ARGS(Keep, (count, size()), (mask, write(count).bits()), (counter, hyper()),
        (seed, integer()), (layer, integer()),  // the key
        (stride, fixed().maybe()),              // steps from the words of a shard to those of the next
        (limit, real()))

void check_keep(Check& c) {
  double limit = c.real(Keep::limit);
  c.require(limit >= 0 && limit <= 4294967296.0, "a limit of 32-bit words is out of range");
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

// Bits of the words of one stream, a block of 8 after the other.
struct Bits {
  uint64_t step, seed, layer, limit;
  unsigned block(int64_t number) const {
    Four words = philox(uint64_t(number), step, seed, layer);
    unsigned bits = 0;
    for (int w = 0; w < 4; w++) {
      bits |= unsigned((words.v[w] & 0xffffffffu) >= limit) << 2 * w;
      bits |= unsigned((words.v[w] >> 32) >= limit) << (2 * w + 1);
    }
    return bits;
  }
};

// Up to 8 bits at the bit k of a mask whose bits before k are there.
inline void put_bits(uint8_t* mask, int64_t k, int64_t count, unsigned bits) {
  int64_t shift = k % 8;
  bits = (bits & ((1u << count) - 1)) << shift;
  mask[k / 8] = uint8_t(shift ? mask[k / 8] | bits : bits);
  if (shift + count > 8) mask[k / 8 + 1] = uint8_t(bits >> 8);
}

void run_keep(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = Keep;
  double counter = j.hyper(A::counter);
  uint64_t step = counter >= 0 && counter < 0x1p53 ? uint64_t(counter) : 0;
  uint64_t limit = uint64_t(__builtin_ceil(j.r(A::limit)));
  int64_t count = j.i(A::count), i = begin * kPiece, to = end * kPiece < count ? end * kPiece : count;
  Cuts cuts(j, count);
  for (int64_t s = 0; i < to && s < cuts.count(); s++) {
    uint64_t shard = uint64_t(j.batch->first_shard + s);
    Bits bits{step + shard * uint64_t(j.i(A::stride)), uint64_t(j.i(A::seed)), uint64_t(j.i(A::layer)), limit};
    for (int64_t stop = cuts.end(s) < to ? cuts.end(s) : to, some; i < stop; i += some) {
      int64_t word = i - cuts.begin(s), skip = word % 8;
      some = 8 - skip < stop - i ? 8 - skip : stop - i;
      put_bits(j.u(A::mask), i, some, bits.block(word / 8) >> skip);
    }
  }
}

Cost keep_cost(const Job& j) { return {40.0 * double(j.i(Keep::count)), double(j.i(Keep::count)) / 8}; }

// -- masked: y = x · factor where the mask has a 1, else x · 0 ---------------------------------

HG_ARGS(Masked, (count, size()), (x, read(count)), (mask, reads().bits()), (y, write(count)),
        (each, fixed(1, 1 << 30)),  // elements next to each other that share a bit
        (derivative_at, read(count).maybe()), (op, option<Activation>()),  // what multiplies y, too
        HG_OP_OPTIONS, (factor, real()))

void check_masked(Check& c) {
  using A = Masked;
  int64_t each = c.size(A::each);
  c.holds(A::mask, (c.size(A::count) + each - 1) / each);
}

alignas(64) constexpr int32_t kBits[16] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768};

inline bool bit(const uint8_t* mask, int64_t k) { return mask[k / 8] >> (k % 8) & 1; }

// The factor or 0 for the elements i, i + 1, …; i is a multiple of W.
inline vec factors(const uint8_t* mask, int64_t i, vec factor) {
  uint16_t word = 0;
  std::memcpy(&word, mask + i / 8, W == 16 ? 2 : 1);
  return lt(set1(0), to_float(iand(iset1(word >> (i % 8)), load(kBits))), factor, set1(0));
}

void masked_stretch(const Job& j, int64_t from, int64_t to, Scratch) {
  using A = Masked;
  const float *x = j.f(A::x), *saved = j.f(A::derivative_at);
  const uint8_t* mask = j.u(A::mask);
  float* y = j.f(A::y);
  int64_t each = j.i(A::each);
  Options options(j, A::op_a);
  float size = float(j.r(A::factor));
  with_code<Activation::kCount>(j.i(A::op), [&](auto code) {
    auto stretch = [&](int64_t start, int64_t n, auto factor) {
      by_vectors(n, [&](int64_t q, int64_t count) {
        vec v = part(x + start + q, count) * factor(start + q);
        if (saved) v = v * derivative<code()>(part(saved + start + q, count), options);
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
  int64_t count = j.i(Masked::count);
  masked_stretch(j, begin * kPiece, end * kPiece < count ? end * kPiece : count, scratch);
}

Cost masked_cost(const Job& j) {
  using A = Masked;
  return {2.0 * double(j.i(A::count)), (j.has(A::derivative_at) ? 12.0 : 8.0) * double(j.i(A::count))};
}

const Kernel kernels[] = {
    {.name = "keep", .args = Keep::all, .check = check_keep, .units = pieces, .run = run_keep, .cost = keep_cost,
     .concurrent = true, .shards = true},
    {.name = "masked", .args = Masked::all, .check = check_masked, .units = pieces, .run = run_masked,
     .cost = masked_cost, .samples = masked_stretch},
};

}  // namespace

Family random_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
