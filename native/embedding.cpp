// Embedding: y = W[ids], and the sum of dy over the positions of each id.
#include "row.h"
#include "simd.h"

namespace hg::HG_ISA {

namespace {

// A table (vocabulary, width), and `each` ids of a sample; indexed: these are data, reached through the
// batch's rows.
#define HG_TABLE (width, fixed(1, 1 << 24)), (vocabulary, fixed(1))
#define HG_IDS                                                                             \
  HG_TABLE, (samples, size()), (each, fixed(0, 1 << 24)),                                  \
  (ids, read(samples, each).ints().picked_by(indexed)), (indexed, flag())
HG_ARGS(Table, HG_TABLE)
HG_ARGS(Indices, HG_IDS)

constexpr int64_t kRows = 64;      // rows in a unit of what goes by rows
constexpr int64_t kColumns = 32;   // columns in a unit of sums, so that each has one order

struct Ids {  // the ids of the batch in order
  const Job& j;
  int64_t each = j.i(Indices::each), count = j.i(Indices::samples) * each;
  int64_t operator[](int64_t k) const {
    const int32_t* ids = j.n(Indices::ids);
    return j.i(Indices::indexed) ? ids[j.batch->rows[k / each] * each + k % each] : ids[k];
  }
};

bool known(const Job& j, int64_t id) { return id >= 0 && id < j.i(Table::vocabulary); }

// -- embedding: y[k] = W[ids[k]] -----------------------------------------------------------

HG_ARGS(Embedding, HG_IDS, (W, read(vocabulary, width)), (y, write(samples, each, width)))

int64_t row_units(const Job& j) { return (j.i(Indices::samples) * j.i(Indices::each) + kRows - 1) / kRows; }

void run_embedding(const Job& j, int64_t begin, int64_t end, Scratch) {
  Ids ids{j};
  int64_t d = j.i(Table::width), stop = end * kRows < ids.count ? end * kRows : ids.count;
  for (int64_t k = begin * kRows; k < stop; k++) {
    int64_t id = ids[k];
    if (!known(j, id)) return j.fail(kBadIndex);
    std::memcpy(j.f(Embedding::y) + k * d, j.f(Embedding::W) + id * d, size_t(d) * 4);
  }
}

Cost cost(const Job& j) {
  return {0, 12.0 * double(j.i(Indices::samples)) * double(j.i(Indices::each)) * double(j.i(Table::width))};
}

// -- codes: ids[n, c] = x[n, columns[c]] rounded + starts[c], below starts[c] + sizes[c] ------

HG_ARGS(Codes, (width, fixed(1, 1 << 24)), (each, fixed(1, 1 << 24)), (samples, size()), (x, read(samples, width)),
        (columns, read(each).ints()), (starts, read(each).ints()), (sizes, read(each).ints()),
        (ids, write(samples, each).ints()))

int64_t code_units(const Job& j) { return (j.i(Codes::samples) + kRows - 1) / kRows; }

void run_codes(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = Codes;
  int64_t each = j.i(A::each), last = end * kRows < j.i(A::samples) ? end * kRows : j.i(A::samples);
  for (int64_t n = begin * kRows; n < last; n++)
    for (int64_t c = 0; c < each; c++) {
      int64_t column = j.n(A::columns)[c];
      if (column < 0 || column >= j.i(A::width)) return j.fail(kBadIndex);
      float code = __builtin_rintf(j.f(A::x)[n * j.i(A::width) + column]);
      if (!(code >= 0 && code < float(j.n(A::sizes)[c]))) return j.fail(kBadIndex);
      j.n(A::ids)[n * each + c] = int32_t(code) + j.n(A::starts)[c];
    }
}

Cost code_cost(const Job& j) { return {0, 8.0 * double(j.i(Codes::samples)) * double(j.i(Codes::each))}; }

// -- embedding_sums: dW[ids[k]] += dy[k], in the order of k; touched[k] = ids[k] ------------

HG_ARGS(Sums, HG_IDS, (dW, update(vocabulary, width)), (dy, read(samples, each, width)),
        (touched, write(samples, each).ints().maybe()))

int64_t column_units(const Job& j) { return (j.i(Table::width) + kColumns - 1) / kColumns; }

void run_sums(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = Sums;
  Ids ids{j};
  int64_t d = j.i(Table::width), at = begin * kColumns, columns = (end * kColumns < d ? end * kColumns : d) - at;
  for (int64_t k = 0; k < ids.count; k++) {
    int64_t id = ids[k];
    if (!known(j, id)) return j.fail(kBadIndex);
    if (begin == 0 && j.has(A::touched)) j.n(A::touched)[k] = int32_t(id);
    float* sum = j.f(A::dW) + id * d + at;
    const float* dy = j.f(A::dy) + k * d + at;
    by_vectors(columns, [&](int64_t q, int64_t n) { put(sum + q, part(sum + q, n) + part(dy + q, n), n); });
  }
}

// -- embedding_clear: dW = 0 ---------------------------------------------------------------
//
// Only the touched rows, whose ids the step before left, for the others are still zero: but all rows in
// the first step of a run, since nothing says what was written between two runs.

HG_ARGS(Clear, HG_TABLE, (dW, write(vocabulary, width)), (touched, read(most).ints().maybe()), (most, fixed().maybe()))

bool clears_all(const Job& j) { return !j.has(Clear::touched) || j.batch->step == 0; }

int64_t clear_units(const Job& j) {
  return clears_all(j) ? (j.i(Table::vocabulary) + kRows - 1) / kRows : column_units(j);
}

void run_clear(const Job& j, int64_t begin, int64_t end, Scratch) {
  using A = Clear;
  int64_t d = j.i(Table::width), v = j.i(Table::vocabulary);
  if (clears_all(j)) {
    int64_t from = begin * kRows, to = end * kRows < v ? end * kRows : v;
    std::memset(j.f(A::dW) + from * d, 0, size_t((to - from) * d) * 4);
    return;
  }
  int64_t at = begin * kColumns, columns = (end * kColumns < d ? end * kColumns : d) - at;
  for (int64_t k = 0; k < j.i(A::most); k++)
    if (known(j, j.n(A::touched)[k])) std::memset(j.f(A::dW) + j.n(A::touched)[k] * d + at, 0, size_t(columns) * 4);
}

Cost clear_cost(const Job& j) {
  double rows = double(clears_all(j) ? j.i(Table::vocabulary) : j.i(Clear::most));
  return {0, 4 * rows * double(j.i(Table::width))};
}

const Kernel kernels[] = {
    {.name = "embedding", .args = Embedding::all, .units = row_units, .run = run_embedding, .cost = cost},
    {.name = "codes", .args = Codes::all, .units = code_units, .run = run_codes, .cost = code_cost},
    {.name = "embedding_sums", .args = Sums::all, .units = column_units, .run = run_sums, .cost = cost},
    {.name = "embedding_clear", .args = Clear::all, .units = clear_units, .run = run_clear, .cost = clear_cost},
};

}  // namespace

Family embedding_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
