// Which table of kernels serves this processor.
#include <cstring>

#include "program.h"

namespace hg {

// Of these, the instruction sets that were compiled: see CMakeLists.txt.
namespace v3 { const KernelTable* table(); }
namespace v4 { const KernelTable* table(); }
namespace neon { const KernelTable* table(); }

namespace {

int available(const KernelTable** tables) {  // the widest first
  int count = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
#if defined(HG_v4)
  if (__builtin_cpu_supports("x86-64-v4")) tables[count++] = v4::table();
#endif
#if defined(HG_v3)
  if (__builtin_cpu_supports("x86-64-v3")) tables[count++] = v3::table();
#endif
#else
  tables[count++] = neon::table();
#endif
  return count;
}

const KernelTable* chosen = nullptr;

}  // namespace

const KernelTable* present_table() {
  const KernelTable* tables[2] = {nullptr, nullptr};
  if (!chosen && available(tables)) chosen = tables[0];
  return chosen;
}

}  // namespace hg

extern "C" {

const char* hg_isa() { return hg::present_table() ? hg::present_table()->isa : ""; }

int hg_use_isa(const char* name) {
  const hg::KernelTable* tables[2] = {nullptr, nullptr};
  int count = hg::available(tables);
  for (int i = 0; i < count; i++)
    if (!std::strcmp(tables[i]->isa, name)) return hg::chosen = tables[i], 0;
  return -1;
}

int hg_kernels() { return hg::present_table() ? hg::present_table()->count : 0; }

const char* hg_kernel_name(int kernel) {
  return kernel >= 0 && kernel < hg_kernels() ? hg::present_table()->kernels[kernel].name : "";
}

const hg::Args* hg_kernel_args(int kernel) {
  return kernel >= 0 && kernel < hg_kernels() ? &hg::present_table()->kernels[kernel].args : nullptr;
}

int hg_threads() { return hg::usable_threads(); }

}
