// What this machine can do at most: multiply-adds on values that never leave the registers.
#include "row.h"
#include "simd.h"

namespace hg::HG_ISA {

namespace {

HG_ARGS(Peak, (units, size(1, 1 << 16)),
        (rounds, size(1, 1 << 16)),  // thousands in each
        (y, write(units)))           // so that the work is not left out

constexpr int kChains = 12;  // independent sums: latency times throughput of multiply-add, and more

int64_t peak_units(const Job& j) { return j.i(Peak::units); }

void run_peak(const Job& j, int64_t begin, int64_t end, Scratch) {
  vec a = set1(0.999f), b = set1(1e-3f);
  for (int64_t u = begin; u < end; u++) {
    vec x[kChains];
    for (int c = 0; c < kChains; c++) x[c] = set1(float(u + c));
    for (int64_t round = 0; round < 1000 * j.i(Peak::rounds); round++)
      for (int c = 0; c < kChains; c++) x[c] = fma(x[c], a, b);
    vec total = x[0];
    for (int c = 1; c < kChains; c++) total = total + x[c];
    store(j.f(Peak::y) + u, total, 1);
  }
}

Cost peak_cost(const Job& j) {
  return {2.0 * W * kChains * 1000 * double(j.i(Peak::units)) * double(j.i(Peak::rounds)), 0};
}

const Kernel kernels[] = {
    {.name = "peak", .args = Peak::all, .units = peak_units, .run = run_peak, .cost = peak_cost}};

}  // namespace

Family peak_kernels() { return {kernels, 1}; }

}  // namespace hg::HG_ISA
