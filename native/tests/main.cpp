// Tests of the native code without Python.
//
//   isa                    which kernels serve this processor; an empty program is made and run
//   fuzz SEED ROUNDS       legal rows of every kernel, then spoilt ones: refused, or run without harm
//   bits SEED ROWS THREADS [ISA]
//                          legal rows of every kernel: for each, a digest of the row and one of the results
#include <signal.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "memory.h"

using namespace hg;
using namespace hg::tests;

extern "C" void __sanitizer_set_death_callback(void (*)()) __attribute__((weak));

namespace {

Table& table = *new Table;  // the one that is tried; there until the very end

void show() { print(table); }

void die(int number) {
  std::fprintf(stderr, "signal %d (14: it runs without end) in\n", number);
  show();
  _exit(1);
}

void watch() {
  for (int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM, SIGABRT}) signal(number, die);
  if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(show);
}

int isa() {
  Answer answer = ask(Table{});
  std::printf("%s\n", *hg_isa() ? hg_isa() : answer.rule.c_str());
  if (!answer.program) return 0;
  Random random(0);
  Table empty;
  Segments segments;
  int code = run(answer.program, random, empty, segments, 1, hg_threads());
  hg_program_free(answer.program);
  return code;
}

int64_t odd_number(Random& random) {
  const int64_t odd[] = {0, 1, -1, 2, 3, 7, 255, 256, 1 << 20, int64_t(1) << 31, int64_t(1) << 32,
                         int64_t(1) << 40, (int64_t(1) << 40) - 1, int64_t(1) << 62,
                         std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()};
  return random.one_in(4) ? random.below(100) - 50 : odd[random.below(16)];
}

void spoil(Random& random, Table& table) {
  Row& row = table.rows[size_t(random.below(int64_t(table.rows.size())))];
  int64_t& arg = row.args[random.below(kArgs)];
  const double reals[] = {0, -1, 1e300, 1e-300, std::numeric_limits<double>::infinity(),
                          std::numeric_limits<double>::quiet_NaN()};
  switch (random.below(11)) {
    case 0: case 1: arg = odd_number(random); break;
    case 2: arg = int64_t(uint64_t(arg) + uint64_t(random.below(5)) - 2); break;
    case 3: arg = row.args[random.below(kArgs)]; break;
    case 4: arg = (random.below(int64_t(table.words.size()) + 2) << kAddressBits) + random.below(40); break;
    case 5: row.scaled ^= uint64_t(1) << random.below(64); break;
    case 6: std::memcpy(&arg, &reals[random.below(6)], 8); break;
    case 7: (random.one_in(2) ? row.threads : row.waits) = int16_t(odd_number(random)); break;
    case 8: row.kernel = int32_t(random.one_in(2) ? odd_number(random) : random.below(hg_kernels())); break;
    case 9: table.batch = random.one_in(4) ? odd_number(random) : 1 + random.below(9); break;
    default: table.data_rows = random.one_in(4) ? odd_number(random) : random.below(9);
  }
}

// Runs the table with no sample, one, and a whole batch; false where it is refused.
bool try_out(Random& random, const Segments& segments, int64_t threads) {
  alarm(20);
  Answer answer = ask(table);
  if (!answer.program) return false;
  for (int64_t n : {int64_t(0), int64_t(1), table.batch})
    if (n <= 1000) run(answer.program, random, table, segments, n, threads);
  hg_program_free(answer.program);
  return true;
}

int fuzz(uint64_t seed, int64_t rounds) {
  Random random(seed);
  Segments segments;
  int64_t refused = 0, spoilt = 0;
  for (int64_t round = 0; round < rounds; round++)
    for (int kernel = 0; kernel < hg_kernels(); kernel++) {
      Table legal;
      legal.batch = 1 + random.below(6), legal.data_rows = 1 + random.below(6);
      if (!add_row(random, kernel, legal))
        return std::fprintf(stderr, "no legal row of %s\n", hg_kernel_name(kernel)), 1;
      if (random.one_in(4)) add_row(random, int(random.below(hg_kernels())), legal);
      for (Row& row : legal.rows) row.threads = int16_t(random.below(4));
      for (int64_t way = 0; way < 20; way++) {
        table = legal;
        segments.fill(random, table, random.one_in(2));
        for (int64_t s = way < 4 ? 0 : 1 + random.below(3); s > 0; s--) spoil(random, table);
        bool ran = try_out(random, segments, 1 + random.below(3));
        if (!ran && way < 4) return std::fprintf(stderr, "a legal row was refused\n"), show(), 1;
        spoilt += way >= 4, refused += !ran;
      }
    }
  std::printf("%" PRId64 " of %" PRId64 " spoilt tables were refused, the others run\n", refused, spoilt);
  return 0;
}

bool joined(Table& table, int16_t waits) {
  table.rows.back().waits = waits;
  Answer answer = ask(table);
  hg_program_free(answer.program);
  return answer.program;
}

// A second row, which waits for less than the first one, if the kernel may: the same, or another of its kind.
void add_stage(Random& random, int kernel, Table& table) {
  Table same = table, other = table;
  same.rows.push_back(same.rows[0]);
  if (joined(same, kForSamples)) table = same;
  else if (add_row(random, kernel, other) && joined(other, kForNone)) table = other;
}

int bits(uint64_t seed, int64_t rows, int64_t threads) {
  Segments segments;
  for (int kernel = 0; kernel < hg_kernels(); kernel++)
    for (int64_t i = 0; i < rows; i++) {
      Random random(seed + uint64_t(kernel * 1000 + i));
      table = {};
      table.batch = 1 + random.below(6), table.data_rows = 1 + random.below(6);
      if (!add_row(random, kernel, table)) continue;
      if (i % 2) add_stage(random, kernel, table);
      table.rows[0].threads = int16_t(threads);
      segments.fill(random, table, false);
      Answer answer = ask(table);
      int code = run(answer.program, random, table, segments, table.batch, threads);
      hg_program_free(answer.program);
      std::printf("%s %016" PRIx64 " %016" PRIx64 "\n", hg_kernel_name(kernel), digest(table),
                  code ? 0 : segments.digest(table));
    }
  return 0;
}

}  // namespace

int main(int count, char** words) {
  watch();
  auto number = [&](int i) { return i < count ? std::atoll(words[i]) : 0; };
  if (count > 1 && !std::strcmp(words[1], "isa")) return isa();
  if (count > 5 && hg_use_isa(words[5])) return std::fprintf(stderr, "%s is not there\n", words[5]), 2;
  if (count > 3 && !std::strcmp(words[1], "fuzz")) return fuzz(uint64_t(number(2)), number(3));
  if (count > 4 && !std::strcmp(words[1], "bits")) return bits(uint64_t(number(2)), number(3), number(4));
  return std::fprintf(stderr, "usage: see main.cpp\n"), 2;
}
