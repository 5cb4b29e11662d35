// Copies: rows of the data into the batch, and one array to another.
#include "row.h"
#include "simd.h"

namespace hg::HG_ISA {

namespace {

// -- gather: y[i] = data[batch row i] ------------------------------------------------------

HG_ARGS(Gather, (samples, size()), (row, size()), (data, reads()), (y, write(samples, row)))

void check_gather(Check& c) {
  using A = Gather;
  c.per_sample(A::samples);
  c.data(A::data, c.size(A::row));
}

int64_t gather_units(const Job& j) { return j.i(Gather::samples); }

void run_gather(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = Gather;
  int64_t words = j.i(A::row);
  for (int64_t i = begin; i < end; i++)
    std::memmove(j.f(A::y) + i * words, j.f(A::data) + j.batch->rows[i] * words, size_t(words) * 4);
}

Cost gather_cost(const Job& j) { return {0, 8.0 * double(j.i(Gather::samples)) * double(j.i(Gather::row))}; }

// -- copy: y = x ---------------------------------------------------------------------------

HG_ARGS(Copy, (count, size()), (x, read(count)), (y, write(count)))

constexpr int64_t kCopyWords = 1 << 14;

int64_t copy_units(const Job& j) { return (j.i(Copy::count) + kCopyWords - 1) / kCopyWords; }

void run_copy(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = Copy;
  int64_t from = begin * kCopyWords, to = end * kCopyWords < j.i(A::count) ? end * kCopyWords : j.i(A::count);
  std::memmove(j.f(A::y) + from, j.f(A::x) + from, size_t(to - from) * 4);
}

Cost copy_cost(const Job& j) { return {0, 8.0 * double(j.i(Copy::count))}; }

const Kernel kernels[] = {
    {.name = "copy", .args = Copy::all, .units = copy_units, .run = run_copy, .cost = copy_cost},
    {.name = "gather", .args = Gather::all, .check = check_gather, .units = gather_units, .run = run_gather,
     .cost = gather_cost},
};

}  // namespace

Family memory_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
