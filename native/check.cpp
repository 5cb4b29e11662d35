// Whether a row may run: every size in range, every array inside its segment.
#include "row.h"

namespace hg {

void Check::refuse(bool broken, const char* rule, int k) {
  if (broken && !fault) fault = rule, fault_arg = k;
}

void Check::require(bool holds, const char* rule, int k) { refuse(!holds, rule, k); }

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

int64_t Check::size(int k) {
  int64_t n = row_.args[k];
  if (!scaled(k) || fault) return fault ? 0 : n;
  refuse(n < 0, "a size per sample is negative", k);
  return times(n, bounds_.batch);
}

int64_t Check::fixed(int k) {
  refuse(scaled(k), "a size must not depend on the batch", k);
  return size(k);
}

void Check::scalar(int k, const Arg& arg) {
  int64_t n = row_.args[k];
  switch (arg.kind) {
    case Kind::kSize:
      n = size(k);  // a batch may be empty
      return refuse(n < (scaled(k) ? 0 : arg.least) || n > arg.most, "a size is out of range", k);
    case Kind::kHyper:
      return arg.optional ? void() : hyper(k);
    case Kind::kReal:
      return refuse(scaled(k), "a real option must not depend on the batch", k);
    default:
      refuse(scaled(k), "a size must not depend on the batch", k);
      refuse(n < arg.least || n > arg.most, "a size is out of range", k);
  }
}

void Check::declared() {
  for (int k = 0; k < kArgs; k++)  // also what the kernel does not read: all are multiplied
    if (scaled(k)) times(row_.args[k], bounds_.batch);
  for (int k = 0; k < args_.count; k++)
    if (!args_.list[k].array()) scalar(k, args_.list[k]);
  for (int k = 0; k < args_.count && !fault; k++) {
    const Arg& arg = args_.list[k];
    if (!arg.array() || arg.rank == kUnsaid || (arg.optional && !has(k))) continue;
    int64_t elements = arg.times, first = arg.picked != kUnsaid && row_.args[arg.picked] ? 1 : 0;
    for (int d = first; d < arg.rank; d++) elements = times(elements, size(arg.dims[d]));
    if (!first) holds(k, elements);
    else per_sample(arg.dims[0]), data(k, elements);
  }
}

int64_t Check::of_shard(int k) {
  refuse(!scaled(k), "a sum over the batch counts per sample", k);
  return shards() && !fault ? row_.args[k] * ((bounds_.batch + shards() - 1) / shards()) : 0;
}

int64_t Check::parts(int k, int64_t each) {
  int64_t length = in_shards() ? of_shard(k) : size(k);
  require(each > 0, "a part is empty", k);
  return fault ? 0 : times(in_shards() ? shards() : 1, plus(length, each - 1) / each);
}

void Check::by_shards(std::initializer_list<int> sums) {
  require(in_shards(), "the batch is not in shards");
  auto elsewhere = [&](int k) { return has(k) && row_.args[k] >> kAddressBits != bounds_.sums + 1; };
  for (int k : sums) refuse(elsewhere(k), "shards are added elsewhere", k);
}

void Check::settled() {
  for (int k = 0; k < args_.count; k++)
    refuse(args_.list[k].array() && has(k) && !(said_ >> k & 1), "nothing says how long an array is", k);
}

void Check::touch(int k, int64_t count) {
  said_ |= uint64_t(1) << k;
  if (fault) return;
  int64_t address = row_.args[k], segment = (address >> kAddressBits) - 1;
  int64_t word = address & ((int64_t(1) << kAddressBits) - 1);
  bool nowhere = address <= 0 || segment < 0 || segment >= bounds_.segments || scaled(k);
  refuse(nowhere, "an address is in no segment", k);
  if (fault) return;
  int64_t words = segment == bounds_.sums ? bounds_.sums_step : bounds_.segment_words[segment];
  refuse(count < 0 || word > words || count > words - word, "an array reaches beyond its segment", k);
  bool write = args_.list[k].kind != Kind::kRead;
  refuse(write && !bounds_.writable[segment], "a row writes to data that may only be read", k);
}

void Check::holds(int k, int64_t elements) {
  const Arg& arg = args_.list[k];
  if (arg.optional && !has(k)) return;
  if (arg.type == Type::kByte) elements = plus(elements, 3) / 4;
  if (arg.type == Type::kBit) elements = plus(elements, 31) / 32;
  touch(k, elements);
}

void Check::data(int k, int64_t row_words) { touch(k, times(bounds_.data_rows, row_words)); }

void Check::per_sample(int k) {
  require(row_.args[k] == 1 && scaled(k), "a row of the batch for each sample is needed");
}

void Check::needs(int k) { refuse(!has(k), "an address is in no segment", k); }

void Check::hyper(int k) {
  bool there = row_.args[k] >= 0 && row_.args[k] < bounds_.hyper_width && !scaled(k);
  refuse(!there, "there is no such number of the step", k);
}

}  // namespace hg
