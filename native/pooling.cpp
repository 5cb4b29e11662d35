// Pooling on images that lie channels last: every vector is some channels of one pixel.
#include "pool.h"

namespace hg::HG_ISA {

namespace {

// After the args of every row with windows: 16 y, or the gradient that a row makes; the rest is
// each kernel's. Windows are not dilated, and each meets its image.
enum { Y = kWindowArgs, WHICH, ACT, SAVED, BOTTOM = WHICH, RIGHT, PADDED, AVERAGE_ACT, AVERAGE_SAVED };

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
  Window w = Window::of(j);
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

void run_max_pooling(const Job& j, int64_t begin, int64_t end, Scratch) {
  Window w = Window::of(j);
  int64_t each = w.pixels() * w.c;
  for (int64_t n = begin; n < end; n++)
    greatest(w, w.c, image(j, w, n), w.c, j.f(Y) + n * each, j.has(WHICH) ? bytes(j.f(WHICH)) + n * each : nullptr);
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

void run_max_gradient(const Job& j, int64_t begin, int64_t end, Scratch) {
  Window w = Window::of(j);
  Options options(j.reals);
  int64_t each = w.pixels() * w.c, size = w.h * w.w * w.c;
  for (int64_t n = begin; n < end; n++)
    send_back(w, w.c, j.i(ACT), options, j.f(X) + n * each, j.has(SAVED) ? j.f(SAVED) + n * each : nullptr,
              bytes(j.f(WHICH)) + n * each, w.c, j.f(Y) + n * size);
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
  Window w = Window::of(j);
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
  Window w = Window::of(j);
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
