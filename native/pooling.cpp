// Pooling on images that lie channels last: every vector is some channels of one pixel.
#include "pool.h"

namespace hg::HG_ISA {

namespace {

void check_pooling(Check& c) {  // windows are not dilated, and each meets its image
  using A = Windows;
  check_window(c);
  for (int axis = 0; axis < 2; axis++) {
    int64_t pad = c.size(A::pad_top + axis), size = c.size(A::height + axis);
    int64_t last = c.times(c.size(A::out_height + axis) - 1, c.size(A::stride_height + axis));
    c.require(pad >= 0, "a pooling window is cut", A::pad_top + axis);
    c.require(c.size(A::dilation_height + axis) == 1, "a pooling window is dilated", A::dilation_height + axis);
    c.require(pad < c.size(A::kernel_height + axis), "a window misses the image", A::pad_top + axis);
    c.require(last < size + pad, "a window misses the image", A::out_height + axis);
  }
}

int64_t images(const Job& j) { return j.i(Windows::images); }

Cost pooling_cost(const Job& j) {
  Window w = Window::of(j);
  return {0, 4.0 * double(w.n * w.c) * double(w.h * w.w + w.pixels())};
}

// -- max_pooling: y = the max of each window, and which cell that is --------------------
//
// which: the index of the first cell that is the max, a byte for each y, or 255 where there is a NaN.

HG_ARGS(MaxPooling, HG_WINDOW, HG_IMAGES, (y, write(images, out_height, out_width, channels)),
        (which, write(images, out_height, out_width, channels).bytes().maybe()))

void check_max_pooling(Check& c) {
  using A = Windows;
  check_pooling(c);
  c.require(c.times(c.size(A::kernel_height), c.size(A::kernel_width)) <= kNone, "a window has too many cells");
}

void run_max_pooling(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = MaxPooling;
  Window w = Window::of(j);
  int64_t each = w.pixels() * w.c;
  for (int64_t n = begin; n < end; n++)
    max_pool(w, w.c, image<MaxPooling>(j, w, n), w.c, j.f(A::y) + n * each,
             j.has(A::which) ? j.u(A::which) + n * each : nullptr);
}

// -- max_pooling_gradient: dx = dy where the max was ------------------------------------

HG_ARGS(MaxGradient, HG_WINDOW, (dy, read(images, out_height, out_width, channels)),
        (dx, write(images, height, width, channels)),
        (which, read(images, out_height, out_width, channels).bytes()),
        (op, option<Activation>()),  // what made x
        (derivative_at, read(images, out_height, out_width, channels).maybe()),  // y, whose derivative multiplies dy
        HG_OP_OPTIONS)

void run_max_gradient(const Job& j, int64_t begin, int64_t end, Scratch) {
  Window w = Window::of(j);
  using A = MaxGradient;
  Options options(j, A::op_a);
  int64_t each = w.pixels() * w.c, size = w.h * w.w * w.c;
  for (int64_t n = begin; n < end; n++)
    send_back(w, w.c, j.i(A::op), options, j.f(A::dy) + n * each,
              j.has(A::derivative_at) ? j.f(A::derivative_at) + n * each : nullptr, j.u(A::which) + n * each, w.c,
              j.f(A::dx) + n * size);
}

// -- average_pooling: y = Σ of a window / its cells -----------------------------------------

#define HG_AVERAGE                                                    \
  HG_WINDOW, (pad_bottom, fixed(0, kLongest)), (pad_right, fixed(0, kLongest)), \
  (padded, flag()) /* whether cells on the padding count */
HG_ARGS(Average, HG_AVERAGE)
HG_ARGS(AveragePooling, HG_AVERAGE, HG_IMAGES, (y, write(images, out_height, out_width, channels)))

int64_t counted(int64_t first, int64_t cells, int64_t low, int64_t high) {  // cells from low to high
  int64_t begin = first > low ? first : low, end = first + cells < high ? first + cells : high;
  return end - begin;
}

float share(const Job& j, const Window& w, const Cells& c) {
  using A = Average;
  bool padded = j.i(A::padded);
  int64_t lines = counted(c.line, w.kh, padded ? -w.top : 0, w.h + (padded ? j.i(A::pad_bottom) : 0));
  int64_t columns = counted(c.column, w.kw, padded ? -w.left : 0, w.w + (padded ? j.i(A::pad_right) : 0));
  return 1.0f / float(lines * columns);
}

void run_average_pooling(const Job& j, int64_t begin, int64_t end, Scratch) {
  Window w = Window::of(j);
  for (int64_t n = begin; n < end; n++) {
    const float* x = image<AveragePooling>(j, w, n);
    float* y = j.f(AveragePooling::y) + n * w.pixels() * w.c;
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

HG_ARGS(AverageGradient, HG_AVERAGE, (dy, read(images, out_height, out_width, channels)),
        (dx, write(images, height, width, channels)),
        (op, option<Activation>()),  // what made x, whose derivative multiplies dx
        (derivative_at, read(images, height, width, channels).maybe()), HG_OP_OPTIONS)

void run_average_gradient(const Job& j, int64_t begin, int64_t end, Scratch) {
  Window w = Window::of(j);
  using A = AverageGradient;
  Options options(j, A::op_a);
  int64_t size = w.h * w.w * w.c;
  for (int64_t n = begin; n < end; n++) {
    const float* dy = j.f(A::dy) + n * w.pixels() * w.c;
    float* dx = j.f(A::dx) + n * size;
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
    epilogue(j.i(A::op), options, dx, w.c, int(w.h * w.w), w.c, nullptr,
             j.has(A::derivative_at) ? j.f(A::derivative_at) + n * size : nullptr);
  }
}

const Kernel kernels[] = {
    {.name = "max_pooling", .args = MaxPooling::all, .check = check_max_pooling, .units = images,
     .run = run_max_pooling, .cost = pooling_cost},
    {.name = "max_pooling_gradient", .args = MaxGradient::all, .check = check_pooling, .units = images,
     .run = run_max_gradient, .cost = pooling_cost},
    {.name = "average_pooling", .args = AveragePooling::all, .check = check_pooling, .units = images,
     .run = run_average_pooling, .cost = pooling_cost},
    {.name = "average_pooling_gradient", .args = AverageGradient::all, .check = check_pooling, .units = images,
     .run = run_average_gradient, .cost = pooling_cost},
};

}  // namespace

Family pooling_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
