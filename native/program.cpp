// Programs: made once from a table of rows that are all checked, then run step by step.
#include <chrono>
#include <cstring>
#include <memory>

#include "program.h"
#include "subnormal.h"

using namespace hg;

namespace hg {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace hg

namespace {

constexpr int64_t kLargest = int64_t(1) << 31;
constexpr int32_t kPython = -1;      // the row calls a layer's own Python code
constexpr double kLook = 1e-3;        // seconds of work between looks at the clock
constexpr double kWorthThreads = 5e-6;  // seconds of work below which threads cost more than they bring

double expected_seconds(Cost c) { return c.flops / 80e9 + c.bytes / 50e9; }

void resolve(hg_program& p, size_t r, int64_t n, float* const* bases) {
  const Row& row = p.rows[r];
  Job& job = p.jobs[r];
  for (int k = 0; p.kernels[r] && k < p.kernels[r]->args.count; k++) {
    int64_t value = row.args[k], word = value & ((int64_t(1) << kAddressBits) - 1);
    if (row.scaled >> k & 1) value *= n;
    else if (value && p.kernels[r]->args.list[k].array())
      value = reinterpret_cast<int64_t>(bases[(value >> kAddressBits) - 1] + word);
    job.args[k] = value;
  }
  job.batch = &p.now;
  job.fault = &p.fault;
  p.expected[r] = p.kernels[r] ? expected_seconds(p.kernels[r]->cost(job)) : 0;
}

// How many threads a stage is worth.
void share(hg_program& p, size_t first) {
  double seconds = 0;
  for (size_t r = first; r < p.ends[first]; r++) seconds += p.expected[r];
  int asked = p.rows[first].threads, threads = asked > 0 && asked < p.threads ? asked : p.threads;
  if (asked <= 0 && seconds < kWorthThreads) threads = 1;
  for (size_t r = first; r < p.ends[first]; r++) p.jobs[r].threads = threads;
}

void bind(hg_program& p, const hg_run& run, int64_t n, int threads) {
  bool moved = std::memcmp(p.bases.data(), run.segments, p.bases.size() * sizeof(float*)) != 0;
  if (n == p.bound_n && !moved && threads == p.threads) return;
  p.threads = threads;
  std::memcpy(p.bases.data(), run.segments, p.bases.size() * sizeof(float*));
  for (size_t r = 0; r < p.rows.size(); r++) resolve(p, r, n, run.segments);
  for (size_t r = 0; r < p.rows.size(); r = p.ends[r]) share(p, r);
  p.bound_n = n;
}

bool run_python(hg_program& p, size_t r, hg_run& run, FlushSubnormals& flush) {
  double before = run.times ? now() : 0;
  bool done = !run.python || flush.without([&] { return run.python(p.rows[r].args[0], p.now.n, p.now.step) == 0; });
  if (run.times) run.times[r] += now() - before;
  return done;
}

void make_scratch(hg_program& p, size_t threads) {
  while (p.scratch.size() < threads) p.scratch.emplace_back(p.scratch_words * 4);
  p.held.resize(p.scratch.size());
}

bool check_row(hg_program& p, hg_spec& spec, const KernelTable& table, size_t r) {
  const Row& row = p.rows[r];
  const Kernel* kernel = row.kernel >= 0 && row.kernel < table.count ? &table.kernels[row.kernel] : nullptr;
  const Bounds bounds{spec.batch, spec.data_rows, spec.hyper_width, spec.segment_words, spec.writable, spec.segments,
                      spec.shards ? spec.sums : -1, spec.sums_step, p.now.shards, spec.shards};
  const Args none{nullptr, 0};
  Check check(row, kernel ? kernel->args : none, bounds);
  check.require(kernel || row.kernel == kPython, "there is no such kernel");
  check.declared();
  if (kernel && kernel->check && !check.fault) kernel->check(check);
  check.settled();
  if (check.fault) spec.bad_row = int64_t(r), spec.bad_arg = check.fault_arg, spec.rule = check.fault;
  p.kernels.push_back(kernel);
  return !check.fault;
}

// Whether a row may wait for less than all rows before it.
bool may_wait(const hg_program& p, size_t r) {
  if (p.rows[r].waits == kForAll) return true;
  const Kernel *kernel = p.kernels[r], *before = r ? p.kernels[r - 1] : nullptr;
  if (!kernel || !before) return false;
  if (p.rows[r].waits == kForNone) return kernel == before && kernel->concurrent && p.rows[r - 1].waits != kForSamples;
  bool counted = p.rows[r].scaled & p.rows[r - 1].scaled & 1;
  return p.rows[r].waits == kForSamples && kernel->samples && before->samples && counted &&
         p.rows[r - 1].waits != kForNone;
}

void find_stages(hg_program& p) {
  p.ends.assign(p.rows.size(), p.rows.size());
  for (size_t r = p.rows.size(); r-- > 1;) p.ends[r - 1] = p.rows[r].waits == kForAll ? r : p.ends[r];
}

// The row's table and scratch memory, for the largest batch: a step allocates nothing.
void prepare_row(hg_program& p, size_t r) {
  std::vector<float*> nowhere(p.bases.size() + 1, nullptr);
  resolve(p, r, p.batch, nowhere.data());
  p.jobs[r].threads = 1;
  const Kernel* kernel = p.kernels[r];
  p.kept.emplace_back(kernel && kernel->prepare ? kernel->prepare(p.jobs[r], nullptr) : 0);
  if ((p.jobs[r].kept = p.kept.back().start)) kernel->prepare(p.jobs[r], p.jobs[r].kept);
  if (kernel && kernel->scratch) {
    int64_t words = kernel->scratch(p.jobs[r]);
    if (words > p.scratch_words) p.scratch_words = (words + 15) / 16 * 16;
  }
}

// The largest nodes of the tree of `all` shards that make up the shards [first, stop).
std::vector<ShardBlock> blocks_of(int64_t all, int64_t first, int64_t stop) {
  std::vector<ShardBlock> blocks;
  for (int64_t at = first, size; at < stop; at += size) {
    size = at ? at & -at : all;
    while (at + size > stop) size /= 2;
    blocks.push_back({at - first, size});
  }
  return blocks;
}

bool set_shards(hg_program& p, const hg_spec& spec) {
  int64_t all = spec.shards, first = spec.first_shard, stop = spec.stop_shard;
  if (all == 0) return true;
  if (all < 0 || all > kMostShards || (all & (all - 1)) || first < 0 || first > stop || stop > all) return false;
  p.shards = all, p.first_shard = first;
  p.borders.assign(size_t(stop - first + 1), 0);
  p.blocks = blocks_of(all, first, stop);
  p.now.all_shards = all, p.now.first_shard = first, p.now.shards = stop - first, p.now.borders = p.borders.data();
  p.now.block_count = int64_t(p.blocks.size()), p.now.blocks = p.blocks.data(), p.now.sums_step = spec.sums_step;
  p.shard_size = first < stop ? (spec.batch + stop - first - 1) / (stop - first) : kLargest;
  int64_t rows = p.blocks.empty() ? 1 : int64_t(p.blocks.size());
  return spec.sums >= 0 && spec.sums < spec.segments && spec.sums_step >= 0 && spec.sums_step < kLargest &&
         spec.segment_words[spec.sums] >= rows * spec.sums_step;
}

// The most samples of a shard of a batch that has so many.
int64_t shard_size(const hg_program& p, int64_t whole) { return p.shards ? (whole + p.shards - 1) / p.shards : 0; }

// Cuts a batch of `whole` samples into its shards; how many samples those here have.
int64_t set_batch(hg_program& p, int64_t whole) {
  p.now.whole = p.now.n = whole;
  if (!p.shards) return whole;
  int64_t begin = p.first_shard * whole / p.shards;
  for (size_t i = 0; i < p.borders.size(); i++)
    p.borders[i] = (p.first_shard + int64_t(i)) * whole / p.shards - begin;
  return p.now.n = p.borders.back();
}

// The program, or null and the rule that is broken.
std::unique_ptr<hg_program> make(hg_spec& spec) {
  const KernelTable* table = present_table();
  spec.rule = table ? "the program's sizes are out of range" : "this processor has no kernels";
  if (!table || spec.count < 0 || spec.batch < 1 || spec.batch > kLargest || spec.segments < 0 ||
      spec.segments > kSegments || spec.data_rows < 0 || spec.data_rows > kLargest)
    return nullptr;
  auto p = std::make_unique<hg_program>();
  p->batch = spec.batch, p->data_rows = spec.data_rows, p->hyper_width = spec.hyper_width;
  if (!set_shards(*p, spec)) return nullptr;
  p->rows.assign(spec.rows, spec.rows + spec.count);
  p->bases.assign(size_t(spec.segments), nullptr);
  p->jobs.resize(p->rows.size());
  p->expected.resize(p->rows.size());
  p->spent.resize(p->rows.size());
  p->units.resize(p->rows.size());
  for (size_t r = 0; r < p->rows.size(); r++) {
    if (!check_row(*p, spec, *table, r)) return nullptr;
    if (!may_wait(*p, r)) return spec.bad_row = int64_t(r), spec.rule = "this row must wait for all before it", nullptr;
  }
  find_stages(*p);
  for (size_t r = 0; r < p->rows.size(); r++) prepare_row(*p, r);
  make_scratch(*p, 1);
  return p;
}

}  // namespace

extern "C" {

hg_program* hg_program_new(hg_spec* spec) {
  spec->bad_row = spec->bad_arg = -1;
  try {
    return make(*spec).release();
  } catch (const std::bad_alloc&) {  // no exception may leave through a C function
    spec->rule = "there is not enough memory for it";
    return nullptr;
  }
}

void hg_program_free(hg_program* p) { delete p; }

void hg_program_cost(const hg_program* p, int row, double* flops, double* bytes) {
  Cost cost{0, 0};
  const Kernel* kernel = p->kernels[size_t(row)];
  if (kernel && kernel->cost) cost = kernel->cost(p->jobs[size_t(row)]);
  *flops = cost.flops, *bytes = cost.bytes;
}

int hg_program_step(hg_program* p, hg_run* run, const float* numbers, int64_t count) {
  constexpr uint32_t kExponent = 0x7f800000;  // all its bits are set in infinities and NaN
  uint32_t wrong = 0;
  for (int64_t i = 0; i < count; i++) {
    uint32_t bits;
    std::memcpy(&bits, numbers + i, 4);
    wrong |= (bits & kExponent) == kExponent;
  }
  if (wrong) return 7;
  run->steps = run->step + 1;
  return hg_program_run(p, run);
}

int hg_program_run(hg_program* p, hg_run* run) {
  Team team(int(run->threads));
  try {
    make_scratch(*p, size_t(team.threads()));
  } catch (const std::bad_alloc&) {
    return 6;
  }
  FlushSubnormals flush;
  double began = run->seconds > 0 ? now() : 0, since_look = 0;
  int64_t count = int64_t(p->rows.size());
  for (; run->step < run->steps; run->step++, run->row = 0) {
    int64_t s = run->step, whole = run->counts[s], start = run->starts[s];
    if (whole < 0 || whole > kLargest || start < 0 || start > run->order_length - whole) return 4;
    int64_t n = set_batch(*p, whole), from = start + p->first_shard * whole / (p->shards ? p->shards : 1);
    if (n > p->batch || shard_size(*p, whole) > p->shard_size) return 4;
    for (int64_t i = from; run->row == 0 && i < from + n; i++)
      if (run->order[i] < 0 || run->order[i] >= p->data_rows) return 4;
    p->now.rows = run->order + from, p->now.step = s, p->now.hyper = run->hyper + s * p->hyper_width;
    p->fault = 0;
    bind(*p, *run, n, team.threads());
    while (run->row < count) {
      size_t r = size_t(run->row);
      if (p->kernels[r]) run_stage(*p, r, team, run->times);
      else if (!run_python(*p, r, *run, flush)) return 3;
      if (p->fault) return p->fault == kBadIndex ? 2 : 5;
      for (size_t end = p->ends[r]; r < end; r++) since_look += p->expected[r] + 1e-7;
      run->row = int64_t(r);
      if (run->seconds > 0 && since_look > kLook) {
        since_look = 0;
        if (now() - began > run->seconds && run->row < count) return 1;
      }
    }
  }
  return 0;
}

}  // extern "C"
