// The table of kernels: each family gives its own.
#include "row.h"
#include "simd.h"

namespace hg::HG_ISA {

Family affine_kernels();
Family convolution_kernels();
Family elementwise_kernels();
Family filters_kernels();
Family loss_kernels();
Family recurrent_kernels();
Family layout_kernels();
Family embedding_kernels();
Family normalization_kernels();
Family batch_normalization_kernels();
Family optim_kernels();
Family random_kernels();
Family reduce_kernels();
Family attention_kernels();
Family memory_kernels();
Family peak_kernels();
Family pooling_kernels();

namespace {
constexpr int kMost = 128;
constinit Kernel all[kMost] = {};  // no code that runs when the library is loaded
int count = 0;

void add(Family family) {
  for (int i = 0; i < family.count && count < kMost; i++) all[count++] = family.kernels[i];
}
}  // namespace

const KernelTable* table() {
  static const KernelTable made = [] {
    add(affine_kernels());
    add(convolution_kernels());
    add(elementwise_kernels());
    add(filters_kernels());
    add(loss_kernels());
    add(recurrent_kernels());
    add(layout_kernels());
    add(embedding_kernels());
    add(normalization_kernels());
    add(batch_normalization_kernels());
    add(optim_kernels());
    add(random_kernels());
    add(reduce_kernels());
    add(attention_kernels());
    add(memory_kernels());
    add(peak_kernels());
    add(pooling_kernels());
    return KernelTable{all, count, HG_ISA_NAME};
  }();
  return &made;
}

}  // namespace hg::HG_ISA
