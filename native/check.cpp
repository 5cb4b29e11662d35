// Whether a row may run: every size in range, every place inside a segment.
#include "row.h"

namespace hg {

Check::Check(const Row& row, int64_t batch, int64_t data_rows, int64_t hyper_width,
             const int64_t* segment_words, const uint8_t* writable, int segments)
    : row_(row), batch_(batch), data_rows_(data_rows), hyper_width_(hyper_width),
      words_(segment_words), writable_(writable), segments_(segments) {}

void Check::require(bool holds, const char* rule) {
  if (!holds && !fault) fault = rule;
}

int64_t Check::times(int64_t a, int64_t b) {
  int64_t product = 0;
  require(a >= 0 && b >= 0 && !__builtin_mul_overflow(a, b, &product), "sizes overflow");
  return fault ? 0 : product;
}

int64_t Check::plus(int64_t a, int64_t b) {
  int64_t sum = 0;
  require(a >= 0 && b >= 0 && !__builtin_add_overflow(a, b, &sum), "sizes overflow");
  return fault ? 0 : sum;
}

int64_t Check::size(int k, int64_t least, int64_t most) {
  int64_t n = row_.args[k];
  if (row_.scaled >> k & 1) {
    require(n >= 0, "a size per sample is negative");
    n = times(n, batch_);
    least = 0;  // the batch may be empty
  }
  if (!(n >= least && n <= most) && !fault) fault = "a size is out of range", fault_arg = k;
  return fault ? 0 : n;
}

int64_t Check::fixed(int k, int64_t least, int64_t most) {
  if ((row_.scaled >> k & 1) && !fault) fault = "a size must not depend on the batch", fault_arg = k;
  return size(k, least, most);
}

void Check::touch(int k, int64_t count, bool write) {
  places |= uint64_t(1) << k;
  if (fault) return;
  int64_t place = row_.args[k], segment = (place >> kPlaceBits) - 1;
  int64_t word = place & ((int64_t(1) << kPlaceBits) - 1);
  if (place <= 0 || segment < 0 || segment >= segments_ || (row_.scaled >> k & 1))
    fault = "a place is in no segment", fault_arg = k;
  else if (count < 0 || word > words_[segment] || count > words_[segment] - word)
    fault = "a place reaches beyond its segment", fault_arg = k;
  else if (write && !writable_[segment])
    fault = "a row writes to data that may only be read", fault_arg = k;
}

void Check::reads(int k, int64_t count) { touch(k, count, false); }
void Check::writes(int k, int64_t count) { touch(k, count, true); }

void Check::data(int k, int64_t row_words) { touch(k, times(data_rows_, row_words), false); }

void Check::per_sample(int k) {
  require(row_.args[k] == 1 && (row_.scaled >> k & 1), "a row of the batch for each sample is needed");
}

void Check::hyper(int k) {
  bool scaled = row_.scaled >> k & 1;
  if (!(row_.args[k] >= 0 && row_.args[k] < hyper_width_ && !scaled) && !fault)
    fault = "there is no such number of the step", fault_arg = k;
}

}  // namespace hg
