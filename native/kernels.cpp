// The table of kernels: each family, which is a file of kernels, gives its own.
#include "row.h"
#include "simd.h"

namespace hg::HG_ISA {

#define FAMILY(name) Family name##_kernels();
#include "families.inc"  // made by CMake
#undef FAMILY

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
#define FAMILY(name) add(name##_kernels());
#include "families.inc"
    return KernelTable{all, count, HG_ISA_NAME};
  }();
  return &made;
}

}  // namespace hg::HG_ISA
