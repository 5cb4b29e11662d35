// Windows on images that lie channels last, (N, H, W, C): where cell (kh, kw) of output (oh, ow)
// reads, line oh·sh + kh·dh − top and column ow·sw + kw·dw − left, and zero outside the image.
#pragma once
#include "row.h"
#include "simd.h"

namespace hg::HG_ISA {

// The first args of every row with windows.
enum { N = 0, H, WIDTH, C, OH, OW, KH, KW, SH, SW, DH, DW, TOP, LEFT, X, INDEXED, kWindowArgs };

struct Window {
  int64_t n, h, w, c, oh, ow, kh, kw, sh, sw, dh, dw, top, left;

  static Window of(const Job& j) {
    return {j.i(N), j.i(H), j.i(WIDTH), j.i(C), j.i(OH), j.i(OW), j.i(KH), j.i(KW), j.i(SH), j.i(SW), j.i(DH), j.i(DW),
            j.i(TOP), j.i(LEFT)};
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

constexpr int64_t kLongest = 1 << 16;  // of a side
constexpr int64_t kLargest = 1 << 27;  // words of an image

// Words of the part of the padded image that windows reach; the sizes are all in range.
inline int64_t check_window(Check& c) {
  c.size(N);
  int64_t h = c.fixed(H, 1, kLongest), w = c.fixed(WIDTH, 1, kLongest), channels = c.fixed(C, 1, kLongest);
  int64_t sides[2] = {c.fixed(OH, 1, kLongest), c.fixed(OW, 1, kLongest)};
  for (int axis = 0; axis < 2; axis++) {
    int64_t steps = c.times(sides[axis] - 1, c.fixed(SH + axis, 1, kLongest));
    int64_t reach = c.times(c.fixed(KH + axis, 1, kLongest) - 1, c.fixed(DH + axis, 1, kLongest));
    sides[axis] = c.plus(c.plus(steps, reach), 1);
    c.fixed(TOP + axis, -kLongest, kLongest);
  }
  c.require(c.times(c.times(h, w), channels) <= kLargest, "an image is too large");
  int64_t reached = c.times(c.times(sides[0], sides[1]), channels);
  c.require(reached <= kLargest, "a padded image is too large");
  return reached;
}

inline void check_images(Check& c) {  // x (N, H, W, C), or rows of the data
  int64_t words = c.times(c.times(c.fixed(H, 1, kLongest), c.fixed(WIDTH, 1, kLongest)), c.fixed(C, 1, kLongest));
  if (c.fixed(INDEXED, 0, 1)) c.data(X, words), c.per_sample(N);
  else c.reads(X, c.times(c.size(N), words));
}

inline const float* image(const Job& j, const Window& w, int64_t n) {
  return j.f(X) + (j.i(INDEXED) ? j.batch->rows[n] : n) * w.h * w.w * w.c;
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
