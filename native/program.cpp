// Programs: made once from a table of rows that are all checked, then run step by step.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "api.h"
#include "threads.h"

using namespace hg;

namespace hg {
const KernelTable* present_table();  // dispatch.cpp
}

namespace {

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

constexpr int64_t kLargest = int64_t(1) << 31;
constexpr int32_t kPython = -1;      // the row calls a layer's own Python code
constexpr double kLook = 1e-3;        // seconds of work between looks at the clock
constexpr double kWorthThreads = 12e-6;  // seconds of work below which threads cost more than they bring

double expected_seconds(Cost c) { return c.flops / 80e9 + c.bytes / 50e9; }

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

struct hg_program {
  std::vector<Row> rows;
  std::vector<const Kernel*> kernels;
  std::vector<uint64_t> places;
  std::vector<Job> jobs;
  std::vector<Memory> kept;
  std::vector<Memory> scratch;  // of each thread
  std::vector<int64_t> held;
  int64_t round = 0;
  int64_t scratch_words = 0;
  int64_t batch = 0, data_rows = 0, hyper_width = 0;
  std::vector<double> expected;  // seconds of each row, roughly
  std::vector<float*> bases;
  int64_t bound_n = -1;
  int32_t threads = 1;  // of the present call
  Batch now{};
  int32_t fault = 0;
};

namespace {

void resolve(hg_program& p, size_t r, int64_t n, float* const* bases) {
  const Row& row = p.rows[r];
  Job& job = p.jobs[r];
  for (int k = 0; k < kArgs; k++) {
    int64_t value = row.args[k];
    if (p.places[r] >> k & 1) {
      if (value) {
        float* base = bases[(value >> kPlaceBits) - 1];
        value = reinterpret_cast<int64_t>(base + (value & ((int64_t(1) << kPlaceBits) - 1)));
      }
    } else if (row.scaled >> k & 1) {
      value *= n;
    }
    job.args[k] = value;
  }
  job.reals = row.reals;
  job.batch = &p.now;
  job.fault = &p.fault;
  if (p.kernels[r]) {
    double seconds = p.expected[r] = expected_seconds(p.kernels[r]->cost(job));
    job.threads = row.threads == 1 || seconds < kWorthThreads ? 1 : p.threads;
  }
}

void bind(hg_program& p, const hg_run& run, int64_t n, int threads) {
  bool moved = std::memcmp(p.bases.data(), run.segments, p.bases.size() * sizeof(float*)) != 0;
  if (n == p.bound_n && !moved && threads == p.threads) return;
  p.threads = threads;
  std::memcpy(p.bases.data(), run.segments, p.bases.size() * sizeof(float*));
  for (size_t r = 0; r < p.rows.size(); r++) resolve(p, r, n, run.segments);
  p.bound_n = n;
}

struct Units { const Kernel* kernel; const Job* job; hg_program* program; };

void run_units(void* context, int64_t begin, int64_t end, int thread) {
  Units& u = *static_cast<Units*>(context);
  hg_program& p = *u.program;
  size_t t = size_t(thread);
  u.kernel->run(*u.job, begin, end,
                {static_cast<float*>(p.scratch[t].start), p.scratch_words, p.round, &p.held[t]});
}

bool run_row(hg_program& p, size_t r, Team& team, hg_run& run) {
  const Job& job = p.jobs[r];
  const Kernel* kernel = p.kernels[r];
  if (!kernel) return !run.python || run.python(p.rows[r].args[0], p.now.n, p.now.step) == 0;
  int64_t units = kernel->units(job);
  Units context{kernel, &job, &p};
  p.round++;
  if (job.threads > 1 && units > 1) team.run(run_units, &context, units);
  else if (units > 0) run_units(&context, 0, units, 0);
  return true;
}

void make_scratch(hg_program& p, size_t threads) {
  while (p.scratch.size() < threads) p.scratch.emplace_back(p.scratch_words * 4);
  p.held.resize(p.scratch.size());
}

bool check_row(hg_program& p, hg_spec& spec, const KernelTable& table, size_t r) {
  const Row& row = p.rows[r];
  const Kernel* kernel = row.kernel >= 0 && row.kernel < table.count ? &table.kernels[row.kernel] : nullptr;
  Check check(row, spec.batch, spec.data_rows, spec.hyper_width, spec.segment_words, spec.writable,
              int(spec.segments));
  check.require(kernel || row.kernel == kPython, "there is no such kernel");
  for (int k = 0; k < kArgs; k++)  // also what the kernel does not read: all are multiplied
    if (row.scaled >> k & 1) check.times(row.args[k], spec.batch);
  if (kernel) kernel->check(check);
  if (check.fault) spec.bad_row = int64_t(r), spec.bad_arg = check.fault_arg, spec.rule = check.fault;
  p.kernels.push_back(kernel);
  p.places.push_back(check.places);
  return !check.fault;
}

// The row's table and scratch memory, for the largest batch: a step allocates nothing.
void prepare_row(hg_program& p, size_t r) {
  std::vector<float*> nowhere(p.bases.size() + 1, nullptr);
  resolve(p, r, p.batch, nowhere.data());
  const Kernel* kernel = p.kernels[r];
  p.kept.emplace_back(kernel && kernel->prepare ? kernel->prepare(p.jobs[r], nullptr) : 0);
  if ((p.jobs[r].kept = p.kept.back().start)) kernel->prepare(p.jobs[r], p.jobs[r].kept);
  if (kernel && kernel->scratch) {
    int64_t words = kernel->scratch(p.jobs[r]);
    if (words > p.scratch_words) p.scratch_words = (words + 15) / 16 * 16;
  }
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
  p->rows.assign(spec.rows, spec.rows + spec.count);
  p->bases.assign(size_t(spec.segments), nullptr);
  p->jobs.resize(p->rows.size());
  p->expected.resize(p->rows.size());
  for (size_t r = 0; r < p->rows.size(); r++)
    if (!check_row(*p, spec, *table, r)) return nullptr;
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

int hg_program_run(hg_program* p, hg_run* run) {
  Team team(int(run->threads));
  try {
    make_scratch(*p, size_t(team.threads()));
  } catch (const std::bad_alloc&) {
    return 6;
  }
  double began = now(), since_look = 0;
  int64_t count = int64_t(p->rows.size());
  for (; run->step < run->steps; run->step++, run->row = 0) {
    int64_t s = run->step, n = run->counts[s], start = run->starts[s];
    if (n < 0 || n > p->batch || start < 0 || start > run->order_length - n) return 4;
    for (int64_t i = start; run->row == 0 && i < start + n; i++)
      if (run->order[i] < 0 || run->order[i] >= p->data_rows) return 4;
    p->now = {run->order + start, n, s, run->hyper + s * p->hyper_width};
    p->fault = 0;
    bind(*p, *run, n, team.threads());
    while (run->row < count) {
      double before = run->times ? now() : 0;
      size_t r = size_t(run->row);
      if (!run_row(*p, r, team, *run)) return 3;
      if (run->times) run->times[r] += now() - before;
      if (p->fault) return p->fault == kBadIndex ? 2 : 5;
      run->row++;
      since_look += p->expected[r] + 1e-7;
      if (run->seconds > 0 && since_look > kLook) {
        since_look = 0;
        if (now() - began > run->seconds && run->row < count) return 1;
      }
    }
  }
  return 0;
}

}  // extern "C"
