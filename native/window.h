// Windows on images that lie channels last, (N, H, W, C): where cell (kh, kw) of output (oh, ow)
// reads, line oh·sh + kh·dh − top and column ow·sw + kw·dw − left, and zero outside the image.
#pragma once
#include "row.h"
#include "simd.h"

namespace hg::HG_ISA {

constexpr int64_t kLongest = 1 << 16;  // of a side
constexpr int64_t kLargest = 1 << 27;  // words of an image

// The first arguments of every row with windows; and images under them, where `indexed` rows of the data.
#define HG_WINDOW                                                                                       \
  (images, size()), (height, fixed(1, kLongest)), (width, fixed(1, kLongest)),                          \
  (channels, fixed(1, kLongest)), (out_height, fixed(1, kLongest)), (out_width, fixed(1, kLongest)),    \
  (kernel_height, fixed(1, kLongest)), (kernel_width, fixed(1, kLongest)),                              \
  (stride_height, fixed(1, kLongest)), (stride_width, fixed(1, kLongest)),                              \
  (dilation_height, fixed(1, kLongest)), (dilation_width, fixed(1, kLongest)),                          \
  (pad_top, fixed(-kLongest, kLongest)), (pad_left, fixed(-kLongest, kLongest))
#define HG_IMAGES (x, read(images, height, width, channels).picked_by(indexed)), (indexed, flag())
HG_ARGS(Windows, HG_WINDOW)

struct Window {
  int64_t n, h, w, c, oh, ow, kh, kw, sh, sw, dh, dw, top, left;

  static Window of(const Job& j) {
    using A = Windows;
    return {j.i(A::images), j.i(A::height), j.i(A::width), j.i(A::channels), j.i(A::out_height), j.i(A::out_width),
            j.i(A::kernel_height), j.i(A::kernel_width), j.i(A::stride_height), j.i(A::stride_width),
            j.i(A::dilation_height), j.i(A::dilation_width), j.i(A::pad_top), j.i(A::pad_left)};
  }

  // Windows of ph × pw that tile images of oh × ow pixels.
  static Window tiles(int64_t oh, int64_t ow, int64_t channels, int64_t ph, int64_t pw) {
    return {1, oh, ow, channels, oh / ph, ow / pw, ph, pw, ph, pw, 1, 1, 0, 0};
  }

  int64_t pixels() const { return oh * ow; }
  int64_t lines(int64_t outputs) const { return (outputs - 1) * sh + (kh - 1) * dh + 1; }  // that these reach
  int64_t columns() const { return (ow - 1) * sw + (kw - 1) * dw + 1; }
  bool inside() const { return top == 0 && left == 0 && lines(oh) <= h && columns() <= w; }
};

// Words of the part of the padded image that windows reach; the sizes are all in range.
inline int64_t check_window(Check& c) {
  using A = Windows;
  int64_t h = c.size(A::height), w = c.size(A::width), channels = c.size(A::channels);
  int64_t sides[2] = {c.size(A::out_height), c.size(A::out_width)};
  for (int axis = 0; axis < 2; axis++) {
    int64_t steps = c.times(sides[axis] - 1, c.size(A::stride_height + axis));
    int64_t reach = c.times(c.size(A::kernel_height + axis) - 1, c.size(A::dilation_height + axis));
    sides[axis] = c.plus(c.plus(steps, reach), 1);
  }
  c.require(c.times(c.times(h, w), channels) <= kLargest, "an image is too large");
  int64_t reached = c.times(c.times(sides[0], sides[1]), channels);
  c.require(reached <= kLargest, "a padded image is too large");
  return reached;
}

template <class A>
inline const float* image(const Job& j, const Window& w, int64_t n) {
  return j.f(A::x) + (j.i(A::indexed) ? j.batch->rows[n] : n) * w.h * w.w * w.c;
}

inline void zero(float* p, int64_t n) { std::memset(p, 0, size_t(n) * 4); }

// Padded lines [first, first + count) of an image, `channels` of each pixel, `pixel` words apart.
inline void copy_padded(const Window& w, const float* x, int64_t first, int64_t count, int64_t channels,
                        int64_t pixel, float* out) {
  int64_t columns = w.columns(), begin = w.left > 0 ? w.left : 0;
  int64_t end = w.w + w.left < columns ? w.w + w.left : columns;
  if (begin > columns) begin = columns;
  for (int64_t line = first - w.top; count > 0; count--, line++, out += columns * pixel) {
    if (line < 0 || line >= w.h || begin >= end) {
      zero(out, columns * pixel);
      continue;
    }
    const float* from = x + (line * w.w + begin - w.left) * w.c;
    zero(out, begin * pixel);
    if (channels == w.c && pixel == w.c) {
      std::memcpy(out + begin * pixel, from, size_t((end - begin) * pixel) * 4);
    } else {
      for (int64_t q = begin; q < end; q++, from += w.c)
        by_vectors(channels, [&](int64_t i, int64_t k) { put(out + q * pixel + i, part(from + i, k), k); });
    }
    zero(out + end * pixel, (columns - end) * pixel);
  }
}

}  // namespace hg::HG_ISA
