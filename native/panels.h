// The product for a B that was laid out beforehand: panels of NR columns, each K rows of its width
// (whole vectors, the rest zero), one after the other, the way tiles read it.
#pragma once
#include "product.h"

namespace hg::HG_ISA {

inline int64_t panel_width(int64_t left) { return left < NR ? (left + W - 1) / W * W : NR; }
inline int64_t panel_words(int64_t K, int64_t columns) { return K * ((columns + 15) / 16 * 16); }  // at most

// c[i · ldc + j] = Σ_k A(i, k) B(k, j) for i < rows, j < columns, or added to what is there; `finish` as in
// `multiply`.
template <class Finish>
inline void multiply_panels(const Operand& a, const float* panels, int64_t K, int64_t rows, int64_t columns,
                            float* c, int64_t ldc, bool add, Finish finish) {
  Blocks block(a);
  int64_t tiles = (rows + MR - 1) / MR, low = tiles ? rows / tiles : 0;  // tiles of nearly equal heights
  for (int64_t done = 0; done < K; done += block.length) {
    block.next();
    for (int64_t j = 0; j < columns; j += NR) {
      int64_t here = columns - j < NR ? columns - j : NR, width = panel_width(here);
      int vectors = int(width / W);
      Tile lower = choose_tile(int(low), vectors, false), higher = choose_tile(int(low) + 1, vectors, false);
      for (int64_t i = 0, high = rows - tiles * low; i < rows; high--) {
        int height = int(low) + (high > 0);
        const float* row[MR];
        for (int r = 0; r < height; r++) row[r] = a.row(i + r);
        (high > 0 ? higher : lower)(row, a.step, block.stretches, block.count, panels + j * K + done * width, width,
                                    here - (vectors - 1) * W, c + i * ldc + j, ldc, add || done > 0);
        if (done + block.length == K) finish(i, height, j, here);
        i += height;
      }
    }
  }
}

}  // namespace hg::HG_ISA
