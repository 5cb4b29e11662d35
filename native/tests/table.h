// Random tables of legal rows, for any kernel: drawn as it declares its arguments, and checked by it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "../api.h"

namespace hg::tests {

class Random {  // splitmix64: the same numbers on every machine
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  int64_t below(int64_t n) { return int64_t(next() % uint64_t(n)); }
  bool one_in(int64_t n) { return below(n) == 0; }

 private:
  uint64_t state_;
};

class Digest {  // FNV-1a
 public:
  void add(uint64_t word) { sum_ = (sum_ ^ word) * 0x100000001b3; }
  uint64_t sum() const { return sum_; }

 private:
  uint64_t sum_ = 0xcbf29ce484222325;
};

constexpr int64_t kMostWords = 1 << 15;  // of a segment here
constexpr int64_t kHyper = 4;

// Rows, and segments just long enough for them.
struct Table {
  std::vector<Row> rows;
  std::vector<int64_t> words;
  std::vector<uint8_t> writable;
  int64_t batch = 1, data_rows = 1;
};

struct Answer {
  hg_program* program;
  std::string rule;
  int64_t arg;
};

Answer ask(const Table&);  // the program, or why there is none

// Adds a legal row of the kernel, each of its arrays in a segment of its own; false if none was found.
bool add_row(Random&, int kernel, Table&);

uint64_t digest(const Table&);  // one number for all that it holds
void print(const Table&);       // to standard error

}  // namespace hg::tests
