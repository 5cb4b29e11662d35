// A program is a table of rows; a row is one kernel call. This file says what a row holds, what a
// kernel must offer, and how a row is checked before it may run.
//
// Every number a row mentions is a size, an address, or an option. Addresses are words (4 bytes)
// counted from the start of a segment: the arena, the parameters, the data. A row that reaches
// beyond its segments is refused when the program is made, so that none can when it runs.
#pragma once
#include <cstdint>
#include <initializer_list>

#include "schema.h"

namespace hg {

constexpr int kArgs = 40;
constexpr int kSegments = 64;
constexpr int kMostSteps = 4096;  // of one run: so many losses are stored
constexpr int64_t kMostShards = 4096;
constexpr int64_t kAddressBits = 40;  // an address: (segment + 1) << 40 | word; 0 where there is none

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
};

// Shards of the batch that are one node of the tree in which shards are added: from which of the shards here
// on, and how many, a power of two.
struct ShardBlock { int64_t first, count; };

// What all kernels may read of the step that is running. Of a batch in shards, which may be computed in
// several places, it is the part that is computed here: see shards.h.
struct Batch {
  const int32_t* rows;  // which rows of the data make this batch, n of them
  int64_t n;
  int64_t step;         // number of the step in this call, from 0
  const double* hyper;  // numbers of this step: learning rates, counters of random layers
  int64_t whole = 0;        // samples of the batch, wherever they are computed
  int64_t all_shards = 0;   // shards of the batch; 0: it is not in shards
  int64_t first_shard = 0;  // number of the first one here
  int64_t shards = 0;       // how many are here: number i is the samples [borders[i], borders[i + 1]) of rows
  const int64_t* borders = nullptr;
  int64_t block_count = 0;  // the nodes of the tree that they are
  const ShardBlock* blocks = nullptr;
  int64_t sums_step = 0;    // words from the sums of one block to those of the next
};

// One row with its addresses and sizes resolved, ready to run.
struct Job {
  int64_t args[kArgs];
  const Batch* batch;
  int32_t* fault;  // what `fail` was told last
  int32_t threads;  // that share this row's units
  void* kept;  // what the kernel's `prepare` made for this row

  int64_t i(int k) const { return args[k]; }
  float* f(int k) const { return reinterpret_cast<float*>(args[k]); }
  int32_t* n(int k) const { return reinterpret_cast<int32_t*>(args[k]); }
  uint8_t* u(int k) const { return reinterpret_cast<uint8_t*>(args[k]); }
  double r(int k) const { return __builtin_bit_cast(double, args[k]); }
  double hyper(int k) const { return batch->hyper[args[k]]; }
  bool has(int k) const { return args[k] != 0; }
  void fail(Fault f) const { __atomic_store_n(fault, int32_t(f), __ATOMIC_RELAXED); }  // on a number of that kind
};

// What a program offers to its rows.
struct Bounds {
  int64_t batch, data_rows, hyper_width;
  const int64_t* segment_words;
  const uint8_t* writable;
  int64_t segments;
  int64_t sums = -1, sums_step = 0, shards = 0;  // the segment of what shards are added to, the words of a block
                                                 // there, and how many shards are here
  int64_t all_shards = 0;                        // ... or anywhere
};

// Whether a row may run: what its kernel's arguments declare, and then what only the kernel's `check` knows.
class Check {
 public:
  Check(const Row& row, const Args& args, const Bounds& bounds) : row_(row), args_(args), bounds_(bounds) {}

  void declared();  // every size in range, every array of declared length inside its segment
  void settled();   // every array's length was said
  bool has(int k) const { return row_.args[k] != 0; }
  int64_t size(int k);  // for the largest batch
  int64_t fixed(int k);  // ... that must be the same for every batch
  double real(int k) const { return __builtin_bit_cast(double, row_.args[k]); }
  void holds(int k, int64_t elements);  // the array k, if there is one, is at least so long
  void data(int k, int64_t row_words);  // batch->rows number rows of this length from args[k] on
  void per_sample(int k);               // args[k] must be one per sample: batch->rows has n entries
  void hyper(int k);                    // args[k] numbers an entry of batch->hyper
  void needs(int k);                    // an array that may be missing must be there
  bool in_shards() const { return bounds_.sums >= 0; }
  int64_t shards() const { return in_shards() ? bounds_.shards : 0; }  // of each batch, that are computed here
  int64_t all_shards() const { return in_shards() ? bounds_.all_shards : 0; }
  int64_t of_shard(int k);              // of a size that counts per sample, how much a shard has at most
  int64_t parts(int k, int64_t each);   // of so many elements, at most: of all, or of each shard that is here
  void by_shards(std::initializer_list<int> sums);  // these arrays, if there are any, are what shards are added to
  void require(bool holds, const char* rule, int k = -1);  // k: the argument that breaks it
  int64_t times(int64_t a, int64_t b);  // a · b, refused when it overflows
  int64_t plus(int64_t a, int64_t b);

  const char* fault = nullptr;  // the first rule that the row breaks
  int fault_arg = -1;

 private:
  void scalar(int k, const Arg& arg);
  void touch(int k, int64_t words);
  void refuse(bool broken, const char* rule, int k);
  bool scaled(int k) const { return row_.scaled >> k & 1; }
  const Row& row_;
  const Args& args_;
  const Bounds& bounds_;
  uint64_t said_ = 0;  // bit k: the length of array k
};

struct Scratch {  // one thread's own memory
  float* memory;  // aligned to 64 bytes
  int64_t words;
  int64_t round;  // number of this run of this row: no other has it
  int64_t* held;  // what the thread keeps in `memory` from one unit to the next, as the kernel numbers it; or 0
};

struct Cost { double flops, bytes; };

// A kernel splits its work into `units` parts that may run in any order, on any thread, and give
// the same bits: each output element is computed within one unit, in one order.
struct Kernel {
  const char* name;
  Args args;
  void (*check)(Check&) = nullptr;  // what the declaration of the arguments does not say
  int64_t (*units)(const Job&);
  void (*run)(const Job&, int64_t begin, int64_t end, Scratch);
  Cost (*cost)(const Job&);
  int64_t (*scratch)(const Job&) = nullptr;  // words that each thread needs
  int64_t (*prepare)(const Job&, void* kept) = nullptr;  // bytes of a table; fills it if kept
  // Of what the first argument counts, [first, last): all that is computed from these, and from nothing
  // that the work on others writes. For kernels that may wait for samples.
  void (*samples)(const Job&, int64_t first, int64_t last, Scratch) = nullptr;
  bool concurrent = false;  // may run at the same time as others of its kind
  bool shards = false;      // what it adds up over the batch it adds up by shards, where the batch is in shards
};

struct Family { const Kernel* kernels; int count; };  // the kernels of one file

struct KernelTable { const Kernel* kernels; int count; const char* isa; };

}  // namespace hg
