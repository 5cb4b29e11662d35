// The C interface: what Python calls.
#pragma once
#include "row.h"

extern "C" {
#pragma GCC visibility push(default)

struct hg_program;

constexpr int kStructs = 6;                // grows with every change of what this file or row.h's Row means
const char* hg_schema();                   // the kernels and their arguments, and the structs' sizes: see schema.cpp
uint32_t hg_abi();                         // the CRC-32 of that
const char* hg_isa();                      // "AVX-512", "AVX2", "NEON", or "" where none will do
int hg_use_isa(const char* name);          // choose a narrower one; 0, or -1 where it is not there
int hg_kernels();                          // how many kernels there are
const char* hg_kernel_name(int kernel);
const hg::Args* hg_kernel_args(int kernel);
int hg_threads();                          // how many threads this process may use

// What a program is made from: rows over segments of memory, for batches of at most `batch`
// samples out of `data_rows`, with `hyper_width` values for each step. With `shards`, each batch falls into so
// many, of which [first_shard, stop_shard) are computed here; `batch` counts the samples of these.
struct hg_spec {
  const hg::Row* rows;
  int64_t count, batch, data_rows, hyper_width;
  const int64_t* segment_words;
  const uint8_t* writable;
  int64_t segments;
  int64_t bad_row, bad_arg;  // set where a row is not legal, and to -1 otherwise
  const char* rule;          // the rule that it breaks
  int64_t shards, first_shard, stop_shard;  // a power of two, or 0
  int64_t sums, sums_step;   // the segment of what shards are added to, a row of so many words for each block
};

hg_program* hg_program_new(hg_spec*);  // null where a row is not legal
void hg_program_free(hg_program*);
void hg_program_cost(const hg_program*, int row, double* flops, double* bytes);

struct hg_run {
  float* const* segments;       // where each segment begins
  const int32_t* order;         // rows of the data, batch after batch
  int64_t order_length;
  const int64_t* starts;        // of each step: where its batch begins in `order` ...
  const int64_t* counts;        // ... and how many samples it has, in all shards
  int64_t steps;
  const double* hyper;          // hyper_width values for each step
  int64_t threads;
  double seconds;               // return after about this long, to be called again
  int64_t step, row;            // where to go on; both 0 at first
  double* times;                // seconds spent in each row, added up; or null
  int (*python)(int64_t id, int64_t n, int64_t step);  // runs a layer that has no native form
};

// 0: all steps are done. 1: time is up, call again. 2: a row met a bad number (step and row say
// where). 3: `python` failed. 4: a batch does not fit the program. 5: a loss is not finite.
// 6: there is not enough memory.
int hg_program_run(hg_program*, hg_run*);

// One more step of a run whose `steps` were all done; what hg_program_run returns, or 7 where one of `count`
// numbers is not finite: nothing is done then.
int hg_program_step(hg_program*, hg_run*, const float* numbers, int64_t count);

#pragma GCC visibility pop
}
