// The product for a B that was laid out in panels beforehand, by `pack`.
#pragma once
#include "product.h"

namespace hg::HG_ISA {

inline int64_t panel_words(int64_t K, int64_t columns) { return K * ((columns + 15) / 16 * 16); }  // at most

// each(first, columns, width) for the panels that `columns` make.
template <class Each>
inline void by_panels(int64_t columns, Each each) {
  for (int64_t j = 0, width; j < columns; j += width) {
    width = panel_width(columns - j);
    each(j, columns - j < width ? columns - j : width, width);
  }
}

// c[i · ldc + j] = Σ_k A(i, k) B(k, j) for i < rows, j < columns, or added to what is there; `finish` as in
// `multiply`.
template <class Finish>
inline void multiply_panels(const Operand& a, const float* panels, int64_t K, int64_t rows, int64_t columns,
                            float* c, int64_t ldc, bool add, Finish finish) {
  Blocks block(a);
  for (int64_t done = 0; done < K; done += block.length) {
    block.next();
    bool final = done + block.length == K;
    by_panels(columns, [&](int64_t j, int64_t here, int64_t width) {
      by_tiles<false>({panels + j * K + done * width, width, here, false}, [&](int64_t i) { return a.row(i); },
                      a.step, block.stretches, block.count, rows, c + j, ldc, add || done > 0,
                      [&](int64_t i, int height) { if (final) finish(i, height, j, here); });
    });
  }
}

}  // namespace hg::HG_ISA
