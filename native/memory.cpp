// Moving numbers: rows of the data into the batch.
#include "row.h"
#include "simd.h"

namespace hg::HG_ISA {

namespace {

// -- gather: y[i] = data[batch row i] ------------------------------------------------------
// args: 0 samples, 1 words of a row, 2 data, 3 y

void check_gather(Check& c) {
  int64_t n = c.size(0), words = c.size(1);
  c.per_sample(0);
  c.data(2, words);
  c.writes(3, c.times(n, words));
}

int64_t gather_units(const Job& j) { return j.i(0); }

void run_gather(const Job& j, int64_t begin, int64_t end, Scratch) {
  int64_t words = j.i(1);
  for (int64_t i = begin; i < end; i++)
    std::memmove(j.f(3) + i * words, j.f(2) + j.batch->rows[i] * words, size_t(words) * 4);
}

Cost gather_cost(const Job& j) { return {0, 8.0 * double(j.i(0)) * double(j.i(1))}; }

// -- copy: y = x ---------------------------------------------------------------------------
// args: 0 words, 1 x, 2 y

constexpr int64_t kCopyWords = 1 << 14;

void check_copy(Check& c) {
  int64_t words = c.size(0);
  c.reads(1, words);
  c.writes(2, words);
}

int64_t copy_units(const Job& j) { return (j.i(0) + kCopyWords - 1) / kCopyWords; }

void run_copy(const Job& j, int64_t begin, int64_t end, Scratch) {
  int64_t from = begin * kCopyWords, to = end * kCopyWords < j.i(0) ? end * kCopyWords : j.i(0);
  std::memmove(j.f(2) + from, j.f(1) + from, size_t(to - from) * 4);
}

Cost copy_cost(const Job& j) { return {0, 8.0 * double(j.i(0))}; }

const Kernel kernels[] = {
    {"copy", check_copy, copy_units, run_copy, copy_cost},
    {"gather", check_gather, gather_units, run_gather, gather_cost},
};

}  // namespace

Family memory_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
