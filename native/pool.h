// The maximum of windows and the way back, for one image: by itself, or behind a convolution.
#pragma once
#include "activation.h"
#include "window.h"

namespace hg::HG_ISA {

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

// The max of each window, of some channels, `step` words from one output to the next, and the number
// of the first cell that has it, kNone where there is a NaN.
inline void max_pool(const Window& w, int64_t channels, const float* x, int64_t step, float* y, uint8_t* which) {
  by_outputs(w, [&](int64_t o, const Cells& cells) {
    by_vectors(channels, [&](int64_t i, int64_t n) {
      vec most = part(x + cells.pixel(w, cells.h0, cells.w0) + i, n);
      vec cell = as_float(iset1(int32_t(cells.h0 * w.kw + cells.w0)));
      for (int64_t h = cells.h0; h < cells.h1; h++)
        for (int64_t q = cells.w0; q < cells.w1; q++) {
          vec v = part(x + cells.pixel(w, h, q) + i, n);
          cell = lt(most, v, as_float(iset1(int32_t(h * w.kw + q))), cell);
          most = eq(v, v, lt(most, v, v, most), v);  // a NaN stays
        }
      put(y + o * step + i, most, n);
      if (which) store_bytes(which + o * step + i, as_int(eq(most, most, cell, as_float(iset1(kNone)))), n);
    });
  });
}

// Whether each pixel lies in just one window.
inline bool tiled(const Window& w) {
  return w.sh == w.kh && w.sw == w.kw && w.top == 0 && w.left == 0 && w.oh * w.sh == w.h && w.ow * w.sw == w.w;
}

template <int code>
inline void send_back_code(const Window& w, int64_t channels, const Options& options, const float* dy, const float* y,
                           const uint8_t* which, int64_t step, float* dx) {
  bool alone = w.sh >= w.kh && w.sw >= w.kw;  // each pixel lies in one window at most
  if (!tiled(w)) zero(dx, w.h * w.w * w.c);
  by_outputs(w, [&](int64_t o, const Cells& cells) {
    by_vectors(channels, [&](int64_t i, int64_t n) {
      vec g = part(dy + o * step + i, n), cell = to_float(load_bytes(which + o * step + i, n));
      if (y) g = g * derivative<code>(part(y + o * step + i, n), options);
      for (int64_t h = cells.h0; h < cells.h1; h++)
        for (int64_t q = cells.w0; q < cells.w1; q++) {
          float* to = dx + cells.pixel(w, h, q) + i;
          vec here = eq(cell, set1(float(h * w.kw + q)), g, set1(0));
          put(to, alone ? here : part(to, n) + here, n);
        }
    });
  });
}

// dy, times the derivative at y if there is one, to the cells that `max_pool` found; elsewhere dx is 0.
inline void send_back(const Window& w, int64_t channels, int64_t activation, const Options& options, const float* dy,
                      const float* y, const uint8_t* which, int64_t step, float* dx) {
  with_code<Activation::kCount>(activation, [&](auto code) {
    send_back_code<code()>(w, channels, options, dy, y, which, step, dx);
  });
}

}  // namespace hg::HG_ISA
