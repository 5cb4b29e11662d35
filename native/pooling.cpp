// Pooling on images that lie channels last: every vector is some channels of one pixel.
#include "activation.h"
#include "window.h"

namespace hg::HG_ISA {

namespace {

// After the args of every row with windows: 16 y, or the gradient that a row makes; the rest is
// each kernel's. Windows are not dilated, and each meets its image.
enum { Y = kWindowArgs, WHICH, ACT, SAVED, BOTTOM = WHICH, RIGHT, PADDED, AVERAGE_ACT, AVERAGE_SAVED };

constexpr int kNone = 255;  // no cell: the window holds a NaN

// The cells of one output that lie inside the image.
struct Cells {
  int64_t line, column, h0, h1, w0, w1;  // of the window's first cell; cells from h0 to h1, w0 to w1
  Cells(const Window& w, int64_t oh, int64_t ow)
      : line(oh * w.sh - w.top), column(ow * w.sw - w.left), h0(line < 0 ? -line : 0),
        h1(line + w.kh < w.h ? w.kh : w.h - line), w0(column < 0 ? -column : 0),
        w1(column + w.kw < w.w ? w.kw : w.w - column) {}
  int64_t pixel(const Window& w, int64_t h, int64_t q) const { return ((line + h) * w.w + column + q) * w.c; }
};

// each(output, cells) for every output of one image.
template <class Each>
inline void by_outputs(const Window& w, Each each) {
  for (int64_t oh = 0; oh < w.oh; oh++)
    for (int64_t ow = 0; ow < w.ow; ow++) each(oh * w.ow + ow, Cells(w, oh, ow));
}

struct Extent { int64_t x, y; };  // words of all images, of all outputs

Extent check_pooling(Check& c) {
  check_window(c);
  for (int axis = 0; axis < 2; axis++) {
    int64_t pad = c.fixed(TOP + axis, 0, kLongest), size = c.fixed(H + axis, 1, kLongest);
    int64_t last = c.times(c.fixed(OH + axis, 1, kLongest) - 1, c.fixed(SH + axis, 1, kLongest));
    c.fixed(DH + axis, 1, 1);
    c.require(pad < c.fixed(KH + axis, 1, kLongest) && last < size + pad, "a window misses the image");
  }
  int64_t each = c.times(c.size(N), c.fixed(C, 1, kLongest));
  return {c.times(each, c.times(c.fixed(H, 1, kLongest), c.fixed(WIDTH, 1, kLongest))),
          c.times(each, c.times(c.fixed(OH, 1, kLongest), c.fixed(OW, 1, kLongest)))};
}

int64_t images(const Job& j) { return j.i(N); }

Cost pooling_cost(const Job& j) {
  Window w(j);
  return {0, 4.0 * double(w.n * w.c) * double(w.h * w.w + w.pixels())};
}

// -- max_pooling: y = the greatest of each window, and which cell that is --------------------
//
// args: 14 x, 15 whether it is rows of the data; 16 y; 17 or none: the number of the first cell
// that is the greatest, a byte for each y, or 255 where there is a NaN.

void check_max_pooling(Check& c) {
  Extent e = check_pooling(c);
  c.require(c.times(c.fixed(KH, 1, kNone), c.fixed(KW, 1, kNone)) <= kNone, "a window has too many cells");
  check_images(c);
  c.writes(Y, e.y);
  c.may_write(WHICH, (e.y + 3) / 4);
}

void greatest(const Window& w, const float* x, float* y, uint8_t* which) {
  by_outputs(w, [&](int64_t o, const Cells& cells) {
    by_vectors(w.c, [&](int64_t i, int64_t n) {
      vec most = part(x + cells.pixel(w, cells.h0, cells.w0) + i, n);
      vec cell = as_float(iset1(int32_t(cells.h0 * w.kw + cells.w0)));
      for (int64_t h = cells.h0; h < cells.h1; h++)
        for (int64_t q = cells.w0; q < cells.w1; q++) {
          vec v = part(x + cells.pixel(w, h, q) + i, n);
          cell = lt(most, v, as_float(iset1(int32_t(h * w.kw + q))), cell);
          most = eq(v, v, lt(most, v, v, most), v);  // a NaN stays
        }
      put(y + o * w.c + i, most, n);
      if (which) store_bytes(which + o * w.c + i, as_int(eq(most, most, cell, as_float(iset1(kNone)))), n);
    });
  });
}

void run_max_pooling(const Job& j, int64_t begin, int64_t end, Scratch) {
  Window w(j);
  int64_t each = w.pixels() * w.c;
  for (int64_t n = begin; n < end; n++)
    greatest(w, image(j, w, n), j.f(Y) + n * each, j.has(WHICH) ? reinterpret_cast<uint8_t*>(j.f(WHICH)) + n * each : nullptr);
}

// -- max_pooling_gradient: dx = dy where the greatest was ------------------------------------
//
// args: 14 dy; 16 dx; 17 the cells; 18 activation that made x, 19 y, whose slope multiplies dy, or none.

void check_max_gradient(Check& c) {
  Extent e = check_pooling(c);
  c.fixed(INDEXED, 0, 0);
  c.reads(X, e.y);
  c.writes(Y, e.x);
  c.reads(WHICH, (e.y + 3) / 4);
  c.fixed(ACT, 0, kActivations - 1);
  c.may_read(SAVED, e.y);
}

bool tiled(const Window& w) { return w.sh == w.kh && w.sw == w.kw && w.inside() && w.oh * w.sh == w.h && w.ow * w.sw == w.w; }

template <int code>
void send_back(const Window& w, const Options& options, const float* dy, const float* y, const uint8_t* which, float* dx) {
  bool alone = w.sh >= w.kh && w.sw >= w.kw;  // each pixel lies in one window at most
  if (!tiled(w)) zero(dx, w.h * w.w * w.c);
  by_outputs(w, [&](int64_t o, const Cells& cells) {
    by_vectors(w.c, [&](int64_t i, int64_t n) {
      vec g = part(dy + o * w.c + i, n), cell = to_float(load_bytes(which + o * w.c + i, n));
      if (y) g = g * slope<code>(part(y + o * w.c + i, n), options);
      for (int64_t h = cells.h0; h < cells.h1; h++)
        for (int64_t q = cells.w0; q < cells.w1; q++) {
          float* to = dx + cells.pixel(w, h, q) + i;
          vec here = eq(cell, set1(float(h * w.kw + q)), g, set1(0));
          put(to, alone ? here : part(to, n) + here, n);
        }
    });
  });
}

void run_max_gradient(const Job& j, int64_t begin, int64_t end, Scratch) {
  Window w(j);
  Options options(j.reals);
  int64_t each = w.pixels() * w.c, size = w.h * w.w * w.c;
  with_code<kActivations>(j.i(ACT), [&](auto code) {
    for (int64_t n = begin; n < end; n++)
      send_back<code()>(w, options, j.f(X) + n * each, j.has(SAVED) ? j.f(SAVED) + n * each : nullptr,
                        reinterpret_cast<const uint8_t*>(j.f(WHICH)) + n * each, j.f(Y) + n * size);
  });
}

// -- average_pooling: y = Σ of a window / its cells -----------------------------------------
//
// args: 14 x, 15 whether it is rows of the data; 16 y; 17, 18 pad below and to the right; 19 whether
// cells on the padding count.

int64_t counted(int64_t first, int64_t cells, int64_t low, int64_t high) {  // cells from low to high
  int64_t begin = first > low ? first : low, end = first + cells < high ? first + cells : high;
  return end - begin;
}

float share(const Job& j, const Window& w, const Cells& c) {
  bool padded = j.i(PADDED);
  int64_t lines = counted(c.line, w.kh, padded ? -w.top : 0, w.h + (padded ? j.i(BOTTOM) : 0));
  int64_t columns = counted(c.column, w.kw, padded ? -w.left : 0, w.w + (padded ? j.i(RIGHT) : 0));
  return 1.0f / float(lines * columns);
}

Extent check_average(Check& c) {
  Extent e = check_pooling(c);
  c.fixed(BOTTOM, 0, kLongest);
  c.fixed(RIGHT, 0, kLongest);
  c.fixed(PADDED, 0, 1);
  return e;
}

void check_average_pooling(Check& c) {
  Extent e = check_average(c);
  check_images(c);
  c.writes(Y, e.y);
}

void run_average_pooling(const Job& j, int64_t begin, int64_t end, Scratch) {
  Window w(j);
  for (int64_t n = begin; n < end; n++) {
    const float* x = image(j, w, n);
    float* y = j.f(Y) + n * w.pixels() * w.c;
    by_outputs(w, [&](int64_t o, const Cells& cells) {
      vec one = set1(share(j, w, cells));
      by_vectors(w.c, [&](int64_t i, int64_t count) {
        vec sum = set1(0);
        for (int64_t h = cells.h0; h < cells.h1; h++)
          for (int64_t q = cells.w0; q < cells.w1; q++) sum = sum + part(x + cells.pixel(w, h, q) + i, count);
        put(y + o * w.c + i, sum * one, count);
      });
    });
  }
}

// -- average_pooling_gradient: dx = Σ dy / the cells -----------------------------------------
//
// args: 14 dy; 16 dx; 17 to 19 as above; 20 activation that made x, 21 x, whose slope multiplies
// dx, or none.

void check_average_gradient(Check& c) {
  Extent e = check_average(c);
  c.fixed(INDEXED, 0, 0);
  c.reads(X, e.y);
  c.writes(Y, e.x);
  c.fixed(AVERAGE_ACT, 0, kActivations - 1);
  c.may_read(AVERAGE_SAVED, e.x);
}

void run_average_gradient(const Job& j, int64_t begin, int64_t end, Scratch) {
  Window w(j);
  Options options(j.reals);
  int64_t size = w.h * w.w * w.c;
  for (int64_t n = begin; n < end; n++) {
    const float* dy = j.f(X) + n * w.pixels() * w.c;
    float* dx = j.f(Y) + n * size;
    zero(dx, size);
    by_outputs(w, [&](int64_t o, const Cells& cells) {
      vec one = set1(share(j, w, cells));
      by_vectors(w.c, [&](int64_t i, int64_t count) {
        vec g = part(dy + o * w.c + i, count) * one;
        for (int64_t h = cells.h0; h < cells.h1; h++)
          for (int64_t q = cells.w0; q < cells.w1; q++) {
            float* to = dx + cells.pixel(w, h, q) + i;
            put(to, part(to, count) + g, count);
          }
      });
    });
    finish(j.i(AVERAGE_ACT), options, dx, w.c, int(w.h * w.w), w.c, nullptr,
           j.has(AVERAGE_SAVED) ? j.f(AVERAGE_SAVED) + n * size : nullptr);
  }
}

const Kernel kernels[] = {
    {"max_pooling", check_max_pooling, images, run_max_pooling, pooling_cost},
    {"max_pooling_gradient", check_max_gradient, images, run_max_gradient, pooling_cost},
    {"average_pooling", check_average_pooling, images, run_average_pooling, pooling_cost},
    {"average_pooling_gradient", check_average_gradient, images, run_average_gradient, pooling_cost},
};

}  // namespace

Family pooling_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
