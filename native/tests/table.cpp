#include "table.h"

#include <cinttypes>
#include <cstdio>
#include <cstring>

namespace hg::tests {
namespace {

constexpr int kStarts = 200, kChanges = 4000;

int64_t any_size(Random& random) {
  if (random.one_in(40)) return 100 + random.below(500);
  int64_t kind = random.below(8);
  return kind < 1 ? 0 : kind < 4 ? 1 : kind < 7 ? 2 + random.below(8) : 10 + random.below(30);
}

// An argument of the kind that its kernel declares; an array has no address yet, or is missing where it may.
void draw(Random& random, Row& row, int k) {
  const Arg& arg = hg_kernel_args(row.kernel)->list[k];
  double real = double(random.below(17)) / 8;
  int64_t size = any_size(random), &value = row.args[k];
  row.scaled &= ~(uint64_t(1) << k);
  switch (arg.kind) {
    case Kind::kSize: case Kind::kFixed:
      value = size < arg.least ? arg.least : size > arg.most ? arg.most : size;
      if (arg.least < 0 && random.one_in(3)) value = -value;
      if (arg.kind == Kind::kSize && random.one_in(4)) row.scaled |= uint64_t(1) << k, value = 1 + random.below(3);
      break;
    case Kind::kFlag: case Kind::kOption: value = random.below(arg.most + 1); break;
    case Kind::kHyper: value = random.below(kHyper); break;
    case Kind::kReal: std::memcpy(&value, &real, 8); break;
    case Kind::kInteger: value = size; break;
    default: value = arg.optional && random.one_in(2) ? 0 : 1;
  }
}

Row any_row(Random& random, int kernel) {
  Row row{};
  row.kernel = kernel;
  for (int k = 0; k < hg_kernel_args(kernel)->count; k++) draw(random, row, k);
  return row;
}

bool accepts(const Table& table) {
  Answer answer = ask(table);
  hg_program_free(answer.program);
  return answer.program;
}

// The array that was refused gets a segment, or a longer one; false where it would be too long.
bool make_room(Table& table, Row& row, int64_t arg, bool in_no_segment) {
  if (in_no_segment) {
    table.words.push_back(0), table.writable.push_back(1);
    row.args[arg] = int64_t(table.words.size()) << kAddressBits;
    row.scaled &= ~(uint64_t(1) << arg);
    return true;
  }
  int64_t& words = table.words[size_t(row.args[arg] >> kAddressBits) - 1];
  if (words >= kMostWords) return false;
  words = words ? words * 2 : 1;
  return true;
}

bool empty(const Table& table, size_t first) {
  for (size_t s = first; s < table.words.size(); s++)
    if (table.words[s]) return false;
  return true;
}

// Every segment from `first` on as short as the rows allow, and read-only where they only read.
void tighten(Table& table, size_t first) {
  for (size_t s = first; s < table.words.size(); s++) {
    int64_t low = 0, high = table.words[s];
    while (low < high) {
      table.words[s] = (low + high) / 2;
      if (accepts(table)) high = table.words[s];
      else low = table.words[s] + 1;
    }
    table.words[s] = high;
    table.writable[s] = 0;
    table.writable[s] = !accepts(table);
  }
}

}  // namespace

Answer ask(const Table& table) {
  hg_spec spec{table.rows.data(), int64_t(table.rows.size()), table.batch, table.data_rows, kHyper,
               table.words.data(), table.writable.data(), int64_t(table.words.size()), -1, -1, nullptr, 0, 0, 0, 0, 0};
  hg_program* program = hg_program_new(&spec);
  return {program, program ? "" : spec.rule, spec.bad_arg};
}

bool add_row(Random& random, int kernel, Table& table) {
  size_t segments = table.words.size();
  table.rows.emplace_back();
  for (int start = 0; start < kStarts; start++) {
    table.words.resize(segments), table.writable.resize(segments);
    Row& row = table.rows.back() = any_row(random, kernel);
    for (int change = 0; change < kChanges && table.words.size() <= kSegments; change++) {
      Answer answer = ask(table);
      if (answer.program) {
        hg_program_free(answer.program);
        if (empty(table, segments) && !random.one_in(8)) break;  // nothing to do: legal, and dull
        tighten(table, segments);
        return true;
      }
      bool nowhere = answer.rule == "an address is in no segment";
      if (nowhere || answer.rule == "an array reaches beyond its segment") {
        if (make_room(table, row, answer.arg, nowhere)) continue;
        const Arg& array = hg_kernel_args(kernel)->list[answer.arg];  // it would be too long
        if (array.rank <= 0) break;
        draw(random, row, array.dims[random.below(array.rank)]);
        continue;
      }
      int k = answer.arg >= 0 ? int(answer.arg) : int(random.below(hg_kernel_args(kernel)->count));
      if (answer.arg >= 0 || row.args[k] >> kAddressBits == 0) draw(random, row, k);  // addresses are good already
    }
  }
  table.rows.pop_back();
  table.words.resize(segments), table.writable.resize(segments);
  return false;
}

uint64_t digest(const Table& table) {
  Digest digest;
  for (const Row& row : table.rows) {
    digest.add(uint64_t(row.kernel)), digest.add(row.scaled);
    for (int64_t arg : row.args) digest.add(uint64_t(arg));
  }
  for (int64_t words : table.words) digest.add(uint64_t(words));
  digest.add(uint64_t(table.batch)), digest.add(uint64_t(table.data_rows));
  return digest.sum();
}

void print(const Table& table) {
  std::fprintf(stderr, "batch %" PRId64 ", %" PRId64 " rows of data\n", table.batch, table.data_rows);
  for (const Row& row : table.rows) {
    std::fprintf(stderr, "%s, %d threads:", hg_kernel_name(row.kernel), row.threads);
    const Args* args = hg_kernel_args(row.kernel);  // none where the number was spoilt
    for (int k = 0; k < kArgs; k++)
      std::fprintf(stderr, " %s=%" PRId64 "%s", args && k < args->count ? args->list[k].name : "", row.args[k],
                   row.scaled >> k & 1 ? "n" : "");
    std::fprintf(stderr, "\n");
  }
  for (size_t s = 0; s < table.words.size(); s++)
    std::fprintf(stderr, "segment %zu: %" PRId64 " words%s\n", s, table.words[s],
                 table.writable[s] ? "" : ", read-only");
}

}  // namespace hg::tests
