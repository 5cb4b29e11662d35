// A program that is ready to run, and how one stage of it runs.
#pragma once
#include <cstdlib>
#include <new>
#include <vector>

#include "api.h"
#include "threads.h"

namespace hg {

struct Memory {  // aligned to 64 bytes
  void* start = nullptr;
  explicit Memory(int64_t bytes) {
    if (bytes <= 0) return;
    start = std::aligned_alloc(64, size_t(bytes + 63) / 64 * 64);
    if (!start) throw std::bad_alloc();
  }
  Memory(Memory&& other) noexcept : start(other.start) { other.start = nullptr; }
  ~Memory() { std::free(start); }
};

double now();  // seconds
const KernelTable* present_table();  // the kernels that serve this processor, or null

}  // namespace hg

struct hg_program {
  std::vector<hg::Row> rows;
  std::vector<const hg::Kernel*> kernels;
  std::vector<hg::Job> jobs;
  std::vector<hg::Memory> kept;
  std::vector<hg::Memory> scratch;  // of each thread
  std::vector<int64_t> held;
  int64_t round = 0;
  int64_t scratch_words = 0;
  int64_t batch = 0, data_rows = 0, hyper_width = 0;
  int64_t shards = 0, first_shard = 0, shard_size = 0;
  std::vector<int64_t> borders;         // of the shards here, in the present step
  std::vector<hg::ShardBlock> blocks;
  std::vector<double> expected;  // seconds of each row, roughly
  std::vector<int64_t> units;    // of each row of the present stage
  std::vector<size_t> ends;      // for each row, where its stage ends
  std::vector<double> spent;     // seconds of the calling thread in each row of the present stage
  std::vector<float*> bases;
  int64_t bound_n = -1;
  int32_t threads = 1;  // of the present call
  hg::Batch now{};
  int32_t fault = 0;
};

namespace hg {

// Rows [first, ends[first]) of the present step, none of which is Python's; with `times`, the seconds
// that each took are added there.
void run_stage(hg_program& p, size_t first, Team& team, double* times);

}  // namespace hg
