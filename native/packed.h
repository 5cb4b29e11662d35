// A matrix that many small products share: laid out once in panels, so that the steps of a
// recurrent layer read it straight through.
#pragma once
#include "panels.h"

namespace hg::HG_ISA {

struct Packed {
  const float* panels = nullptr;
  int64_t K = 0, columns = 0;

  static int64_t words(int64_t K, int64_t columns) { return K * ((columns + W - 1) / W * W); }

  // B(k, j) = b[k · b_k + j · b_j]; `memory` holds `words` and is moved past them.
  Packed(const float* b, int64_t b_k, int64_t b_j, int64_t K, int64_t columns, float*& memory)
      : panels(memory), K(K), columns(columns) {
    pack(b, b_k, b_j, K, columns, memory);
    memory += words(K, columns);
  }

  // c[r · ldc + j] = Σ_k a[r · apart + k] B(k, j), or that added, for the rows r < `rows`.
  void times(const float* a, int64_t apart, int rows, float* c, int64_t ldc, bool add) const {
    Operand left{a};
    left.row_step = apart, left.run = K;
    multiply_panels(left, panels, K, rows, columns, c, ldc, add, nothing);
  }
};

}  // namespace hg::HG_ISA
