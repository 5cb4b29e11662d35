// Recurrent layers over time: RNN, LSTM and GRU, forward and back.
//
// The input's part of all steps, a = x Wx + b, is a product row of its own, and so are the
// gradients of the weights. Only h Wh goes step by step. Samples do not see each other, so a unit
// is a few samples that go through all steps by themselves: nothing waits between two steps.
#include "math.h"
#include "packed.h"

namespace hg::HG_ISA {

namespace {

// gates: a (n, T, G H), of which forward makes the gates, and backward da. before: (n, T, S H): the state
// that each step starts from, h first. y: n T rows of H, in backward dy, `y_row` from row to row, from column
// `y_column` on. The first and the last state, or none; in backward their gradients.
#define HG_STEPS(G, S, before_is, y_is, first_is, last_is)                                                     \
  (samples, size()), (steps, fixed(1, 1 << 30)), (units, fixed(1, 1 << 24)),                                     \
  (reverse, flag()), /* whether the last step comes first */                                                   \
  (gates, update(samples, steps, units).each(G)), (Wh, read(units, units).each(G)),                            \
  (before, before_is(samples, steps, units).each(S)), (y, y_is), (y_row, fixed(0, 1 << 30)),                   \
  (y_column, fixed(0, 1 << 30)), (first_h, first_is(samples, units).maybe()), (last_h, last_is(samples, units).maybe())
#define HG_FORWARD(G, S) HG_STEPS(G, S, write, writes(), read, write)
#define HG_BACKWARD(G, S) HG_STEPS(G, S, read, reads().maybe(), write, read)
// bh: of a GRU whose reset comes after the product; kept: see there.
#define HG_GRU (bh, read(units).maybe()), (kept, update(samples, steps, units))

HG_ARGS(Steps, HG_FORWARD(1, 1))
HG_ARGS(RnnForward, HG_FORWARD(1, 1))
HG_ARGS(RnnBackward, HG_BACKWARD(1, 1))
HG_ARGS(LstmForward, HG_FORWARD(4, 2),
        (first_c, read(samples, units).maybe()), (last_c, write(samples, units).maybe()))
HG_ARGS(LstmBackward, HG_BACKWARD(4, 2),
        (first_c, write(samples, units).maybe()), (last_c, read(samples, units).maybe()))
HG_ARGS(GruForward, HG_FORWARD(3, 1), HG_GRU)
HG_ARGS(GruBackward, HG_BACKWARD(3, 1), HG_GRU)

constexpr int first_of(int s) { return Steps::first_h + 2 * s; }  // of array s of the state
constexpr int last_of(int s) { return Steps::last_h + 2 * s; }
static_assert(first_of(1) == LstmForward::first_c && last_of(1) == LstmForward::last_c);

// Where the elements of sample i at step t lie, for G gates and S arrays of state.
template <int G, int S>
struct Addresses {
  using A = Steps;
  const Job& j;
  int64_t T, H;

  explicit Addresses(const Job& j) : j(j), T(j.i(Steps::steps)), H(j.i(Steps::units)) {}
  int64_t row(int64_t i, int64_t t) const { return i * T + (j.i(Steps::reverse) ? T - 1 - t : t); }
  float* gates(int64_t i, int64_t t) const { return j.f(Steps::gates) + row(i, t) * G * H; }
  float* before(int64_t i, int64_t t) const { return j.f(Steps::before) + row(i, t) * S * H; }
  float* kept(int64_t i, int64_t t) const { return j.f(GruForward::kept) + row(i, t) * H; }
  float* y(int64_t i, int64_t t) const {
    return j.has(Steps::y) ? j.f(Steps::y) + row(i, t) * j.i(Steps::y_row) + j.i(Steps::y_column) : nullptr;
  }
  float* edge(int k, int64_t i) const { return j.has(k) ? j.f(k) + i * H : nullptr; }
};

inline void fill(float* to, const float* from, int64_t n) {  // zeros, if there is no `from`
  if (from) std::memcpy(to, from, size_t(n) * 4);
  else std::memset(to, 0, size_t(n) * 4);
}

inline vec part_or_0(const float* p, int64_t at, int64_t n) { return p ? part(p + at, n) : set1(0); }

// A cell offers G, S, its matrices, and one step of a few samples forward (`step`) and back
// (`step_backward`). `next(s)` of sample r is where array s of the state after the step goes.
template <int G_, int S_>
struct Cell : Addresses<G_, S_> {
  static constexpr int G = G_, S = S_;
  float *nowhere, *dstate;  // a state (S, H) that is not asked for; gradients of states (S, MR, H)

  Cell(const Job& j, float*& memory) : Addresses<G_, S_>(j) {
    nowhere = memory, dstate = memory + S * this->H;
    memory += S * (1 + MR) * this->H;
  }
  float* next(int64_t i, int64_t t, int s) const {
    if (t + 1 < this->T) return this->before(i, t + 1) + s * this->H;
    float* last = this->edge(last_of(s), i);
    return last ? last : nowhere + s * this->H;
  }
  float* d(int s, int r) const { return dstate + (s * MR + r) * this->H; }
  int64_t between() const { return this->T * S * this->H; }  // words from a sample's state to the next one's
};

// -- rnn: h' = tanh(a + h Wh) --------------------------------------------------------------

template <bool BACK>
struct Rnn : Cell<1, 1> {
  Packed wh;
  Rnn(const Job& j, float*& memory)
      : Cell(j, memory), wh(BACK ? Packed(j.f(A::Wh), 1, H, H, H, memory) : Packed(j.f(A::Wh), H, 1, H, H, memory)) {}
  static int64_t words(int64_t h) { return Packed::words(h, h); }

  void step(int64_t i, int64_t t, int count) const {
    wh.times(before(i, t), between(), count, gates(i, t), T * H, true);
    for (int r = 0; r < count; r++) {
      float *a = gates(i + r, t), *out = y(i + r, t), *h = next(i + r, t, 0);
      by_vectors(H, [&](int64_t q, int64_t n) {
        vec v = tanh(part(a + q, n));
        put(a + q, v, n), put(out + q, v, n), put(h + q, v, n);
      });
    }
  }

  void step_backward(int64_t i, int64_t t, int count, bool wanted) const {
    for (int r = 0; r < count; r++) {
      float *a = gates(i + r, t), *dy = y(i + r, t), *dh = d(0, r);
      by_vectors(H, [&](int64_t q, int64_t n) {
        vec h = part(a + q, n);
        put(a + q, (part(dh + q, n) + part_or_0(dy, q, n)) * fnma(h, h, set1(1)), n);
      });
    }
    if (wanted) wh.times(gates(i, t), T * G * H, count, dstate, H, false);
  }
};

// -- lstm: c' = f c + i g, h' = o tanh c' --------------------------------------------------

template <bool BACK>
struct Lstm : Cell<4, 2> {
  Packed wh;
  Lstm(const Job& j, float*& memory)
      : Cell(j, memory),
        wh(BACK ? Packed(j.f(A::Wh), 1, 4 * H, 4 * H, H, memory) : Packed(j.f(A::Wh), 4 * H, 1, H, 4 * H, memory)) {}
  static int64_t words(int64_t h) { return BACK ? Packed::words(4 * h, h) : Packed::words(h, 4 * h); }

  void step(int64_t i, int64_t t, int count) const {
    wh.times(before(i, t), between(), count, gates(i, t), T * 4 * H, true);
    for (int r = 0; r < count; r++) {
      float *a = gates(i + r, t), *out = y(i + r, t), *h = next(i + r, t, 0), *after = next(i + r, t, 1);
      const float* c = before(i + r, t) + H;
      by_vectors(H, [&](int64_t q, int64_t n) {
        vec f = sigmoid(part(a + q, n)), g = tanh(part(a + H + q, n));
        vec in = sigmoid(part(a + 2 * H + q, n)), o = sigmoid(part(a + 3 * H + q, n));
        put(a + q, f, n), put(a + H + q, g, n), put(a + 2 * H + q, in, n), put(a + 3 * H + q, o, n);
        put(after + q, fma(f, part(c + q, n), in * g), n);
      });
      by_vectors(H, [&](int64_t q, int64_t n) {  // by itself, for it waits for all of the above
        vec v = part(a + 3 * H + q, n) * tanh(part(after + q, n));
        put(h + q, v, n), put(out + q, v, n);
      });
    }
  }

  void step_backward(int64_t i, int64_t t, int count, bool wanted) const {
    for (int r = 0; r < count; r++) {
      float *a = gates(i + r, t), *dy = y(i + r, t), *dh = d(0, r), *dc = d(1, r);
      const float* c = before(i + r, t) + H;
      by_vectors(H, [&](int64_t q, int64_t n) {
        vec one = set1(1), f = part(a + q, n), g = part(a + H + q, n);
        vec in = part(a + 2 * H + q, n), o = part(a + 3 * H + q, n), old = part(c + q, n);
        vec s = tanh(fma(f, old, in * g)), up = part(dh + q, n) + part_or_0(dy, q, n);
        vec ds = fma(up * o, fnma(s, s, one), part(dc + q, n));
        put(a + q, ds * old * (f * (one - f)), n);
        put(a + H + q, ds * in * fnma(g, g, one), n);
        put(a + 2 * H + q, ds * g * (in * (one - in)), n);
        put(a + 3 * H + q, up * s * (o * (one - o)), n);
        put(dc + q, ds * f, n);
      });
    }
    if (wanted) wh.times(gates(i, t), T * G * H, count, dstate, H, false);
  }
};

// -- gru: h' = n + z (h − n), n = tanh(a + r (h Wn + bh)) or tanh(a + (r h) Wn) ------------
//
// kept: q = h Wn + bh, which backward replaces by dq = dn r; or q = r h, which stays.

template <bool BACK>
struct Gru : Cell<3, 1> {
  const float* bh;
  Packed zr, wn;
  float* dq;  // of reset before the product: (MR, H)
  Gru(const Job& j, float*& memory)
      : Cell(j, memory), bh(j.f(GruForward::bh)),
        zr(BACK ? Packed(j.f(A::Wh), 1, 3 * H, 2 * H, H, memory) : Packed(j.f(A::Wh), 3 * H, 1, H, 2 * H, memory)),
        wn(BACK ? Packed(j.f(A::Wh) + 2 * H, 1, 3 * H, H, H, memory)
                : Packed(j.f(A::Wh) + 2 * H, 3 * H, 1, H, H, memory)),
        dq(memory) {}
  static int64_t words(int64_t h) {
    return (BACK ? Packed::words(2 * h, h) : Packed::words(h, 2 * h)) + Packed::words(h, h) + MR * h;
  }

  void step(int64_t i, int64_t t, int count) const {
    zr.times(before(i, t), between(), count, gates(i, t), T * 3 * H, true);
    if (bh) wn.times(before(i, t), between(), count, kept(i, t), T * H, false);
    for (int r = 0; r < count; r++) reset(gates(i + r, t), before(i + r, t), kept(i + r, t));
    if (!bh) wn.times(kept(i, t), T * H, count, gates(i, t) + 2 * H, T * 3 * H, true);
    for (int r = 0; r < count; r++) {
      float *a = gates(i + r, t), *out = y(i + r, t), *after = next(i + r, t, 0), *h = before(i + r, t);
      by_vectors(H, [&](int64_t q, int64_t n) {
        vec z = part(a + q, n), fresh = tanh(part(a + 2 * H + q, n));
        vec v = fma(z, part(h + q, n) - fresh, fresh);
        put(a + 2 * H + q, fresh, n), put(after + q, v, n), put(out + q, v, n);
      });
    }
  }

  void reset(float* a, const float* h, float* kept) const {
    by_vectors(H, [&](int64_t q, int64_t n) {
      vec r = sigmoid(part(a + H + q, n));
      put(a + q, sigmoid(part(a + q, n)), n), put(a + H + q, r, n);
      vec k = bh ? part(kept + q, n) + part(bh + q, n) : r * part(h + q, n);
      put(kept + q, k, n);
      if (bh) put(a + 2 * H + q, fma(r, k, part(a + 2 * H + q, n)), n);
    });
  }

  void step_backward(int64_t i, int64_t t, int count, bool) const {
    for (int r = 0; r < count; r++) mix_backward(i + r, t, d(0, r));
    if (!bh) wn.times(gates(i, t) + 2 * H, T * 3 * H, count, dq, H, false);
    for (int r = 0; r < count; r++) reset_backward(i + r, t, d(0, r), dq + r * H);
    zr.times(gates(i, t), T * G * H, count, dstate, H, true);
    if (bh) wn.times(kept(i, t), T * H, count, dstate, H, true);
  }

  void mix_backward(int64_t i, int64_t t, float* dh) const {  // dz and dn; dh gets z's part
    float *a = gates(i, t), *dy = y(i, t), *h = before(i, t);
    by_vectors(H, [&](int64_t q, int64_t n) {
      vec one = set1(1), up = part(dh + q, n) + part_or_0(dy, q, n);
      vec z = part(a + q, n), fresh = part(a + 2 * H + q, n);
      put(a + q, up * (part(h + q, n) - fresh) * (z * (one - z)), n);
      put(a + 2 * H + q, up * (one - z) * fnma(fresh, fresh, one), n);
      put(dh + q, up * z, n);
    });
  }

  void reset_backward(int64_t i, int64_t t, float* dh, const float* dq) const {  // dr; what r scaled
    float *a = gates(i, t), *h = before(i, t), *k = kept(i, t);
    by_vectors(H, [&](int64_t q, int64_t n) {
      vec r = part(a + H + q, n), dn = part(a + 2 * H + q, n);
      vec dr = bh ? dn * part(k + q, n) : part(dq + q, n) * part(h + q, n);
      put(a + H + q, dr * (r * (set1(1) - r)), n);
      if (bh) put(k + q, dn * r, n);
      else put(dh + q, fma(part(dq + q, n), r, part(dh + q, n)), n);
    });
  }
};

// -- units: samples in tiles of the same size, a few tiles a unit so that Wh is laid out seldom

struct Tiles { int64_t rows, count, each; };

Tiles tiles_of(int64_t n) {
  int64_t count = (n + MR - 1) / MR;
  if (count > 1) count += count % 2;  // alike for two threads
  int64_t rows = count ? (n + count - 1) / count : 1;
  count = (n + rows - 1) / rows;
  return {rows, count, count > 32 ? count / 16 : 1};
}

int64_t units(const Job& j) {
  Tiles tiles = tiles_of(j.i(Steps::samples));
  return (tiles.count + tiles.each - 1) / tiles.each;
}

template <class Each>
void each_tile(const Job& j, int64_t begin, int64_t end, Each each) {
  int64_t n = j.i(Steps::samples);
  Tiles tiles = tiles_of(n);
  for (int64_t i = begin * tiles.each * tiles.rows; i < n && i < end * tiles.each * tiles.rows; i += tiles.rows)
    each(i, int(n - i < tiles.rows ? n - i : tiles.rows));
}

template <template <bool> class Kind>
void run_forward(const Job& j, int64_t begin, int64_t end, Scratch scratch) {
  Kind<false> cell(j, scratch.memory);
  each_tile(j, begin, end, [&](int64_t i, int count) {
    for (int s = 0; s < cell.S; s++)
      for (int r = 0; r < count; r++) fill(cell.before(i + r, 0) + s * cell.H, cell.edge(first_of(s), i + r), cell.H);
    for (int64_t t = 0; t < cell.T; t++) cell.step(i, t, count);
  });
}

template <template <bool> class Kind>
void run_backward(const Job& j, int64_t begin, int64_t end, Scratch scratch) {
  Kind<true> cell(j, scratch.memory);
  each_tile(j, begin, end, [&](int64_t i, int count) {
    for (int s = 0; s < cell.S; s++)
      for (int r = 0; r < count; r++) fill(cell.d(s, r), cell.edge(last_of(s), i + r), cell.H);
    for (int64_t t = cell.T - 1; t >= 0; t--) cell.step_backward(i, t, count, t > 0 || j.has(Steps::first_h));
    for (int s = 0; s < cell.S; s++)
      for (int r = 0; r < count; r++)
        if (float* first = cell.edge(first_of(s), i + r)) fill(first, cell.d(s, r), cell.H);
  });
}

// -- checks, costs -------------------------------------------------------------------------

void check(Check& c) {
  using A = Steps;
  int64_t rows = c.times(c.size(A::samples), c.size(A::steps)), h = c.size(A::units);
  int64_t wide = c.size(A::y_row), end = c.plus(c.size(A::y_column), h);
  c.require(end <= wide, "rows of y overlap");
  c.holds(A::y, rows ? c.plus(c.times(rows - 1, wide), end) : 0);
}

template <int G>
Cost cost(const Job& j) {
  using A = Steps;
  double rows = double(j.i(A::samples)) * double(j.i(A::steps)), h = double(j.i(A::units));
  return {rows * 2 * G * h * h, 4 * rows * h * (2 * G + 4)};
}

template <class Kind>
int64_t scratch(const Job& j) {
  return Kind::words(j.i(Steps::units)) + Kind::S * (1 + MR) * j.i(Steps::units);
}

// -- masked_steps: y[n, t, d] = x[n, t, d] · factor where bit n D + d of the mask is 1, else x · 0

HG_ARGS(MaskedSteps, (samples, size()), (steps, fixed(1, 1 << 30)), (width, fixed(1, 1 << 24)),
        (x, read(samples, steps, width)), (mask, read(samples, width).bits()), (y, write(samples, steps, width)),
        (factor, real()))

int64_t samples(const Job& j) { return j.i(MaskedSteps::samples); }

void run_masked_steps(const Job& j, int64_t begin, int64_t end, Scratch scratch) {
  using A = MaskedSteps;
  int64_t d = j.i(A::width), rows = j.i(A::steps);
  const uint8_t* mask = j.u(A::mask);
  float *factors = scratch.memory, factor = float(j.r(A::factor));
  for (int64_t i = begin; i < end; i++) {
    for (int64_t q = 0, bit = i * d; q < d; q++, bit++) factors[q] = mask[bit / 8] >> (bit % 8) & 1 ? factor : 0;
    for (int64_t at = i * rows * d; at < (i + 1) * rows * d; at += d)
      by_vectors(d, [&](int64_t q, int64_t n) {
        put(j.f(A::y) + at + q, part(j.f(A::x) + at + q, n) * part(factors + q, n), n);
      });
  }
}

Cost masked_cost(const Job& j) {
  using A = MaskedSteps;
  return {0, 8.0 * double(j.i(A::samples)) * double(j.i(A::steps)) * double(j.i(A::width))};
}

int64_t masked_scratch(const Job& j) { return j.i(MaskedSteps::width); }

template <class A, auto run, int G, class Kind>
constexpr Kernel kernel(const char* name) {
  return {.name = name, .args = A::all, .check = check, .units = units, .run = run, .cost = cost<G>,
          .scratch = scratch<Kind>};
}

const Kernel kernels[] = {
    {.name = "masked_steps", .args = MaskedSteps::all, .units = samples, .run = run_masked_steps,
     .cost = masked_cost, .scratch = masked_scratch},
    kernel<RnnForward, run_forward<Rnn>, 1, Rnn<false>>("rnn"),
    kernel<RnnBackward, run_backward<Rnn>, 1, Rnn<true>>("rnn_backward"),
    kernel<LstmForward, run_forward<Lstm>, 4, Lstm<false>>("lstm"),
    kernel<LstmBackward, run_backward<Lstm>, 4, Lstm<true>>("lstm_backward"),
    kernel<GruForward, run_forward<Gru>, 3, Gru<false>>("gru"),
    kernel<GruBackward, run_backward<Gru>, 3, Gru<true>>("gru_backward"),
};

}  // namespace

Family recurrent_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
