// The product for a B that was laid out in panels beforehand, by `pack` or in its order.
#pragma once
#include "product.h"

namespace hg::HG_ISA {

// c[i · ldc + j] = Σ_k A(i, k) B(k, j) for i < rows, j < columns, or added to what is there; `epilogue` as in
// `multiply`.
template <class Epilogue>
inline void multiply_panels(const Operand& a, const float* panels, int64_t K, int64_t rows, int64_t columns,
                            float* c, int64_t ldc, bool add, Epilogue epilogue) {
  multiply(Product{a, nullptr, 0, 0, c, ldc, K, add, panels}, 0, rows, 0, columns, nullptr, epilogue);
}

}  // namespace hg::HG_ISA
