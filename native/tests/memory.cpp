#include "memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

namespace hg::tests {
namespace {

constexpr int64_t kPage = 1 << 16;  // a multiple of every machine's
constexpr int64_t kRoom = kMostWords * 4, kEach = kRoom + kPage;
static_assert(kRoom % kPage == 0);

// Numbers, small integers (labels and the like), zeros, and what is not expected.
uint32_t any_word(Random& random, int64_t kind) {
  float number = float(random.below(1 << 16) - (1 << 15)) / (1 << 13);
  uint32_t word = uint32_t(random.below(4));
  const uint32_t odd[] = {0x7fc00000, 0x7f800000, 0xff800000, 0x80000000, 0x7f7fffff, 1, 0xffffffff, 0x7fffffff};
  if (kind == 0 || (kind == 3 && !random.one_in(8))) std::memcpy(&word, &number, 4);
  else if (kind == 2) word = 0;
  else if (kind == 3) word = odd[random.below(8)];
  return word;
}

}  // namespace

Segments::Segments() {
  void* pages = mmap(nullptr, size_t(kPage + kSegments * kEach), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) std::abort();
  pages_ = static_cast<char*>(pages);
}

Segments::~Segments() { munmap(pages_, size_t(kPage + kSegments * kEach)); }

void Segments::fill(Random& random, const Table& table, bool at_end) {
  for (size_t s = 0; s < table.words.size(); s++) {
    char* room = pages_ + kPage + int64_t(s) * kEach;
    if (mprotect(room, kRoom, PROT_READ | PROT_WRITE)) std::abort();
    starts_[s] = reinterpret_cast<float*>(room + (at_end ? kRoom - table.words[s] * 4 : 0));
    int64_t eighth = random.below(8), kind = eighth < 4 ? 0 : eighth < 6 ? 1 : eighth - 4;
    for (int64_t i = 0; i < table.words[s]; i++) {
      uint32_t word = any_word(random, kind);
      std::memcpy(starts_[s] + i, &word, 4);
    }
    if (!table.writable[s] && mprotect(room, kRoom, PROT_READ)) std::abort();
  }
}

uint64_t Segments::digest(const Table& table) const {
  Digest digest;
  for (size_t s = 0; s < table.words.size(); s++)
    for (int64_t i = 0; i < table.words[s]; i++) {
      uint32_t word;
      std::memcpy(&word, starts_[s] + i, 4);
      if ((word & 0x7fffffff) > 0x7f800000) word = 0x7fc00000;
      if (!(word & 0x7f800000)) word &= 0x80000000;  // not all emulators make 0 of subnormal numbers
      digest.add(word);
    }
  return digest.sum();
}

int run(hg_program* program, Random& random, const Table& table, const Segments& segments, int64_t n,
        int64_t threads) {
  std::vector<int32_t> order(size_t(n) + 1);
  for (int32_t& row : order) row = int32_t(random.below(table.data_rows ? table.data_rows : 1));
  double hyper[kHyper];
  for (double& number : hyper) number = double(random.below(9)) / 8;
  int64_t start = 0;
  hg_run run{segments.starts(), order.data(), n, &start, &n, 1, hyper, threads, 0, 0, 0, nullptr, nullptr};
  return hg_program_run(program, &run);
}

}  // namespace hg::tests
