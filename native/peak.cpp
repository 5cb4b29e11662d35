// What this machine can do at most: multiply-adds on numbers that never leave the registers.
#include "row.h"
#include "simd.h"

namespace hg::HG_ISA {

namespace {

// args: 0 units, 1 thousands of rounds in each, 2 y (units): so that the work is not left out

constexpr int kChains = 12;  // independent sums: latency times throughput of multiply-add, and more

void check_peak(Check& c) {
  int64_t units = c.size(0, 1, 1 << 16);
  c.size(1, 1, 1 << 16);
  c.writes(2, units);
}

int64_t peak_units(const Job& j) { return j.i(0); }

void run_peak(const Job& j, int64_t begin, int64_t end, Scratch) {
  vec a = set1(0.999f), b = set1(1e-3f);
  for (int64_t u = begin; u < end; u++) {
    vec x[kChains];
    for (int c = 0; c < kChains; c++) x[c] = set1(float(u + c));
    for (int64_t round = 0; round < 1000 * j.i(1); round++)
      for (int c = 0; c < kChains; c++) x[c] = fma(x[c], a, b);
    vec total = x[0];
    for (int c = 1; c < kChains; c++) total = total + x[c];
    store(j.f(2) + u, total, 1);
  }
}

Cost peak_cost(const Job& j) {
  return {2.0 * W * kChains * 1000 * double(j.i(0)) * double(j.i(1)), 0};
}

const Kernel kernels[] = {{"peak", check_peak, peak_units, run_peak, peak_cost}};

}  // namespace

Family peak_kernels() { return {kernels, 1}; }

}  // namespace hg::HG_ISA
