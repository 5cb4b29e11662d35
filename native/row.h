// A program is a table of rows; a row is one kernel call. This file says what a row holds, what a
// kernel must offer, and how a row is checked before it may run.
//
// Every number a row mentions is a size, a place in memory, or an option. Places are words (4
// bytes) counted from the start of a segment: the arena, the parameters, the data. A row that
// reaches beyond its segments is refused when the program is made, so that none can when it runs.
#pragma once
#include <cstdint>

namespace hg {

constexpr int kArgs = 32;
constexpr int kReals = 8;
constexpr int kSegments = 64;
constexpr int kMostSteps = 4096;  // of one run: so many losses are stored
constexpr int64_t kPlaceBits = 40;  // a place: (segment + 1) << 40 | word; 0 where there is none

enum Fault { kBadIndex = 1, kNotFinite = 2 };

// What a row waits for: for all rows before it to be done; for none of its stage, because it reads nothing
// that they write; or only for the same samples of the row before it. Rows up to the next that waits for
// all are a stage: threads do not meet between them.
enum Waits : int16_t { kForAll = 0, kForNone, kForSamples };

struct Row {
  int32_t kernel;   // number in the table of kernels
  int16_t threads;  // how many at most; 0: as many as pay
  int16_t waits;    // Waits
  uint64_t scaled;  // bit i: args[i] counts per sample, and is multiplied by the batch's size
  int64_t args[kArgs];
  double reals[kReals];
};

// What all kernels may read of the step that is running.
struct Batch {
  const int32_t* rows;  // which rows of the data make this batch, n of them
  int64_t n;
  int64_t step;         // number of the step in this call, from 0
  const double* hyper;  // numbers of this step: learning rates, counters of random layers
};

// One row with its places and sizes resolved, ready to run.
struct Job {
  int64_t args[kArgs];
  const double* reals;
  const Batch* batch;
  int32_t* fault;  // what `fail` was told last
  int32_t threads;  // that share this row's units
  void* kept;  // what the kernel's `prepare` made for this row

  int64_t i(int k) const { return args[k]; }
  float* f(int k) const { return reinterpret_cast<float*>(args[k]); }
  int32_t* n(int k) const { return reinterpret_cast<int32_t*>(args[k]); }
  bool has(int k) const { return args[k] != 0; }
  void fail(Fault f) const { __atomic_store_n(fault, int32_t(f), __ATOMIC_RELAXED); }  // on a number of that kind
};

// Collects what a row touches, and whether it may.
class Check {
 public:
  Check(const Row& row, int64_t batch, int64_t data_rows, int64_t hyper_width,
        const int64_t* segment_words, const uint8_t* writable, int segments);

  int64_t size(int k, int64_t least = 0, int64_t most = int64_t(1) << 31);  // a checked size
  int64_t fixed(int k, int64_t least, int64_t most);  // ... that is the same for every batch
  void reads(int k, int64_t words);   // the place args[k] has `words` words to read
  void writes(int k, int64_t words);  // ... to write
  void may_read(int k, int64_t words) { if (row_.args[k]) reads(k, words); }
  void may_write(int k, int64_t words) { if (row_.args[k]) writes(k, words); }
  void data(int k, int64_t row_words);  // batch->rows number rows of this length from args[k] on
  void per_sample(int k);               // args[k] must be one per sample: batch->rows has n entries
  void hyper(int k);                    // args[k] numbers an entry of batch->hyper
  void require(bool holds, const char* rule);
  int64_t times(int64_t a, int64_t b);  // a · b, refused when it overflows
  int64_t plus(int64_t a, int64_t b);
  double real(int k) const { return row_.reals[k]; }
  bool has(int k) const { return row_.args[k] != 0; }

  uint64_t places = 0;         // bit k: args[k] is a place
  const char* fault = nullptr; // the first rule that the row breaks
  int fault_arg = -1;

 private:
  void touch(int k, int64_t words, bool write);
  const Row& row_;
  int64_t batch_, data_rows_, hyper_width_;
  const int64_t* words_;
  const uint8_t* writable_;
  int segments_;
};

struct Scratch {  // one thread's own memory
  float* memory;  // aligned to 64 bytes
  int64_t words;
  int64_t round;  // number of this run of this row: no other has it
  int64_t* held;  // what the thread keeps in `memory` from one unit to the next, as the kernel numbers it; or 0
};

struct Cost { double flops, bytes; };

// A kernel splits its work into `units` parts that may run in any order, on any thread, and give
// the same bits: each output number is computed within one unit, in one order.
struct Kernel {
  const char* name;
  void (*check)(Check&);
  int64_t (*units)(const Job&);
  void (*run)(const Job&, int64_t begin, int64_t end, Scratch);
  Cost (*cost)(const Job&);
  int64_t (*scratch)(const Job&) = nullptr;  // words that each thread needs
  int64_t (*prepare)(const Job&, void* kept) = nullptr;  // bytes of a table; fills it if kept
  // Of what the first argument counts, [first, last): all that is computed from these, and from nothing
  // that the work on others writes. For kernels that may wait for samples.
  void (*samples)(const Job&, int64_t first, int64_t last, Scratch) = nullptr;
  bool beside = false;  // may run at the same time as others of its kind
};

struct Family { const Kernel* kernels; int count; };  // the kernels of one file

struct KernelTable { const Kernel* kernels; int count; const char* isa; };

}  // namespace hg
