// Embedding: y = W[ids], and the sum of dy over the places of each id.
#include "row.h"
#include "simd.h"

namespace hg::HG_ISA {

namespace {

// args: 0 samples, 1 ids of a sample, 2 D, 3 V, 4 ids, 5 whether they are data, reached through the
// batch's rows; 6 W or dW (V, D), 7 y or dy; 8 touched: ids of the step before, or none, 9 how many.

enum { SAMPLES = 0, EACH, WIDTH, VOCABULARY, IDS, INDEXED, TABLE, Y, TOUCHED, MOST };

constexpr int64_t kRows = 64;      // rows in a unit of what goes by rows
constexpr int64_t kColumns = 32;   // columns in a unit of sums, so that each has one order

int64_t check_table(Check& c) {  // its width
  int64_t d = c.fixed(WIDTH, 1, 1 << 24), v = c.fixed(VOCABULARY, 1, int64_t(1) << 31);
  c.writes(TABLE, c.times(v, d));
  return d;
}

int64_t check_ids(Check& c) {  // how many there are
  int64_t n = c.size(SAMPLES), each = c.fixed(EACH, 0, 1 << 24);
  if (c.fixed(INDEXED, 0, 1)) {
    c.per_sample(SAMPLES);
    c.data(IDS, each);
  } else {
    c.reads(IDS, c.times(n, each));
  }
  return c.times(n, each);
}

struct Ids {  // the ids of the batch in order
  const Job& j;
  int64_t each = j.i(EACH), count = j.i(SAMPLES) * each;
  int64_t operator[](int64_t k) const {
    const int32_t* ids = j.n(IDS);
    return j.i(INDEXED) ? ids[j.batch->rows[k / each] * each + k % each] : ids[k];
  }
};

bool known(const Job& j, int64_t id) { return id >= 0 && id < j.i(VOCABULARY); }

// -- embedding: y[k] = W[ids[k]] -----------------------------------------------------------

void check_embedding(Check& c) {
  int64_t d = c.fixed(WIDTH, 1, 1 << 24), v = c.fixed(VOCABULARY, 1, int64_t(1) << 31), count = check_ids(c);
  c.reads(TABLE, c.times(v, d));
  c.writes(Y, c.times(count, d));
}

int64_t row_units(const Job& j) { return (j.i(SAMPLES) * j.i(EACH) + kRows - 1) / kRows; }

void run_embedding(const Job& j, int64_t begin, int64_t end, Scratch) {
  Ids ids{j};
  int64_t d = j.i(WIDTH), stop = end * kRows < ids.count ? end * kRows : ids.count;
  for (int64_t k = begin * kRows; k < stop; k++) {
    int64_t id = ids[k];
    if (!known(j, id)) return j.fail(kBadIndex);
    std::memcpy(j.f(Y) + k * d, j.f(TABLE) + id * d, size_t(d) * 4);
  }
}

Cost cost(const Job& j) { return {0, 12.0 * double(j.i(SAMPLES)) * double(j.i(EACH)) * double(j.i(WIDTH))}; }

// -- embedding_sums: dW[ids[k]] += dy[k], in the order of k; touched[k] = ids[k] ------------

void check_sums(Check& c) {
  int64_t d = check_table(c), count = check_ids(c);
  c.reads(Y, c.times(count, d));
  c.may_write(TOUCHED, count);
}

int64_t column_units(const Job& j) { return (j.i(WIDTH) + kColumns - 1) / kColumns; }

void run_sums(const Job& j, int64_t begin, int64_t end, Scratch) {
  Ids ids{j};
  int64_t d = j.i(WIDTH), at = begin * kColumns, columns = (end * kColumns < d ? end * kColumns : d) - at;
  for (int64_t k = 0; k < ids.count; k++) {
    int64_t id = ids[k];
    if (!known(j, id)) return j.fail(kBadIndex);
    if (begin == 0 && j.has(TOUCHED)) j.n(TOUCHED)[k] = int32_t(id);
    float* sum = j.f(TABLE) + id * d + at;
    const float* dy = j.f(Y) + k * d + at;
    by_vectors(columns, [&](int64_t q, int64_t n) { put(sum + q, part(sum + q, n) + part(dy + q, n), n); });
  }
}

// -- embedding_clear: dW = 0 ---------------------------------------------------------------
//
// Only the touched rows, for the others are still zero: but all rows in the first step of a run,
// since nobody knows what was written between two runs.

void check_clear(Check& c) {
  check_table(c);
  c.may_read(TOUCHED, c.fixed(MOST, 0, int64_t(1) << 31));
}

bool clears_all(const Job& j) { return !j.has(TOUCHED) || j.batch->step == 0; }

int64_t clear_units(const Job& j) {
  return clears_all(j) ? (j.i(VOCABULARY) + kRows - 1) / kRows : column_units(j);
}

void run_clear(const Job& j, int64_t begin, int64_t end, Scratch) {
  int64_t d = j.i(WIDTH), v = j.i(VOCABULARY);
  if (clears_all(j)) {
    int64_t from = begin * kRows, to = end * kRows < v ? end * kRows : v;
    std::memset(j.f(TABLE) + from * d, 0, size_t((to - from) * d) * 4);
    return;
  }
  int64_t at = begin * kColumns, columns = (end * kColumns < d ? end * kColumns : d) - at;
  for (int64_t k = 0; k < j.i(MOST); k++)
    if (known(j, j.n(TOUCHED)[k])) std::memset(j.f(TABLE) + j.n(TOUCHED)[k] * d + at, 0, size_t(columns) * 4);
}

Cost clear_cost(const Job& j) {
  double rows = double(clears_all(j) ? j.i(VOCABULARY) : j.i(MOST));
  return {0, 4 * rows * double(j.i(WIDTH))};
}

const Kernel kernels[] = {
    {"embedding", check_embedding, row_units, run_embedding, cost},
    {"embedding_sums", check_sums, column_units, run_sums, cost},
    {"embedding_clear", check_clear, clear_units, run_clear, clear_cost},
};

}  // namespace

Family embedding_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
