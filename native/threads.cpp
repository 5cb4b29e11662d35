// Each thread has a share of a job's units, the same in every run, so that it finds in its caches what
// it wrote before. When its own are done it takes what is left of the others' shares: a thread which
// the machine gives no time costs only what it holds. Waiting threads spin for some microseconds, then sleep,
// because on a machine that others use too a spinning thread takes the time of a working one.
#include "threads.h"
#include "subnormal.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <linux/futex.h>
#include <sys/syscall.h>

namespace hg {
namespace {

constexpr int kSpins = 4000;      // of about 10 ns, for a thread that waits for work: longer than most rows
constexpr int kSpinsAtEnd = 500;  // for the caller, which waits for threads that may have lost their processor
constexpr int64_t kUnitBits = 32;  // a share's counter: generation << 32 | next unit
constexpr uint64_t kClosed = 0xffffffff;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  asm volatile("yield");
#endif
}

void sleep_while(std::atomic<uint32_t>& word, uint32_t value) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

void wake(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE_PRIVATE, kMostThreads, nullptr, nullptr, 0);
}

struct alignas(64) Share {
  std::atomic<uint64_t> next{0};
  std::atomic<int64_t> end{0};
};

struct Pool {
  Share shares[kMostThreads];
  alignas(64) std::atomic<int64_t> done{0};
  std::atomic<uint32_t> finished{0};  // generation that is complete, for a sleeping caller
  std::atomic<int> caller_sleeps{0};
  alignas(64) std::atomic<uint32_t> generation{0};
  std::atomic<int> sleeping{0};
  std::atomic<Task> task{nullptr};
  std::atomic<void*> context{nullptr};
  std::atomic<int64_t> units{0}, chunk{1};
  std::atomic<int> active{1};  // threads that may work on the present job
  int started = 1;             // the caller counts as one
};

Pool* pool = nullptr;
std::atomic_flag held = ATOMIC_FLAG_INIT;

// Units of one share; returns how many.
int64_t take(Pool& p, Share& share, uint32_t generation, int thread) {
  int64_t taken = 0;
  for (;;) {
    uint64_t now = share.next.load(std::memory_order_acquire);
    if (uint32_t(now >> kUnitBits) != generation) return taken;
    int64_t begin = int64_t(now & kClosed), stop = share.end.load(std::memory_order_acquire);
    int64_t end = begin + p.chunk.load(std::memory_order_acquire);
    Task task = p.task.load(std::memory_order_acquire);
    void* context = p.context.load(std::memory_order_acquire);
    if (begin >= stop) return taken;
    if (end > stop) end = stop;
    // Succeeds only while this job still has units left, so what was read above is of this job.
    if (!share.next.compare_exchange_weak(now, now + uint64_t(end - begin), std::memory_order_acq_rel))
      continue;
    task(context, begin, end, thread);
    taken += end - begin;
  }
}

void work(Pool& p, uint32_t generation, int thread) {
  int64_t units = p.units.load(std::memory_order_acquire), taken = 0;
  int threads = p.active.load(std::memory_order_acquire);
  for (int i = 0; i < threads; i++) taken += take(p, p.shares[(thread + i) % threads], generation, thread);
  if (taken && p.done.fetch_add(taken, std::memory_order_acq_rel) + taken == units) {
    p.finished.store(generation, std::memory_order_seq_cst);
    if (p.caller_sleeps.load(std::memory_order_seq_cst)) wake(p.finished);
  }
}

void* serve(void* argument) {
  int thread = int(reinterpret_cast<intptr_t>(argument));
  Pool& p = *pool;
  FlushSubnormals flush;
  uint32_t seen = 0;
  for (;;) {
    uint32_t now = p.generation.load(std::memory_order_acquire);
    for (int spin = 0; now == seen && spin < kSpins; spin++) {
      pause();
      now = p.generation.load(std::memory_order_acquire);
    }
    if (now == seen) {
      p.sleeping.fetch_add(1, std::memory_order_seq_cst);
      now = p.generation.load(std::memory_order_seq_cst);
      if (now == seen) sleep_while(p.generation, seen);
      p.sleeping.fetch_sub(1, std::memory_order_seq_cst);
      continue;
    }
    seen = now;
    if (thread < p.active.load(std::memory_order_relaxed)) work(p, now, thread);
  }
  return nullptr;
}

void forget_pool() {  // in the child of a fork no thread but the caller's is left
  pool = nullptr;
  held.clear();
}

void start(int threads) {
  static bool registered = false;
  if (!registered) {
    pthread_atfork(nullptr, nullptr, forget_pool);
    registered = true;
  }
  if (!pool) pool = new Pool;
  if (pool->started >= threads) return;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // signals belong to the program's own threads
  while (pool->started < threads) {
    pthread_t id;
    if (pthread_create(&id, nullptr, serve, reinterpret_cast<void*>(intptr_t(pool->started)))) break;
    pthread_detach(id);
    pool->started++;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// The number that a file begins with, and the next one; 0 where there is none ("max").
void read_numbers(const std::string& path, long& first, long& second) {
  first = second = 0;
  if (FILE* file = std::fopen(path.c_str(), "r")) {
    if (std::fscanf(file, "%ld %ld", &first, &second) < 1) first = 0;
    std::fclose(file);
  }
}

// Processors' worth of time that a control group may use, by version 2 or 1 of the kernel's files.
int quota_of(const std::string& group) {
  long quota, period, none;
  read_numbers("/sys/fs/cgroup" + group + "/cpu.max", quota, period);
  if (quota <= 0) {
    read_numbers("/sys/fs/cgroup/cpu" + group + "/cpu.cfs_quota_us", quota, none);
    read_numbers("/sys/fs/cgroup/cpu" + group + "/cpu.cfs_period_us", period, none);
  }
  return quota > 0 && period > 0 ? int((quota + period - 1) / period) : kMostThreads;
}

// The least quota of this process's group and those around it.
int cgroup_limit() {
  int limit = quota_of("");
  FILE* file = std::fopen("/proc/self/cgroup", "r");
  if (!file) return limit;
  char line[4096], names[4096], path[4096];
  while (std::fgets(line, sizeof line, file)) {  // 0::/path, or 3:cpu,cpuacct:/path
    if (std::sscanf(line, "0::%4095s", path) != 1 &&
        (std::sscanf(line, "%*d:%4095[^:]:%4095s", names, path) != 2 || !std::strstr(names, "cpu")))
      continue;
    for (std::string group = path; group.size() > 1 && group[0] == '/'; group.resize(group.rfind('/')))
      limit = std::min(limit, quota_of(group));
  }
  std::fclose(file);
  return limit;
}

}  // namespace

int usable_threads() {
  int count = kMostThreads;
  cpu_set_t set;
  if (!sched_getaffinity(0, sizeof set, &set)) count = CPU_COUNT(&set);
  int limit = cgroup_limit();
  if (limit < count) count = limit;
  if (const char* text = std::getenv("OMP_NUM_THREADS")) {
    int asked = std::atoi(text);
    if (asked > 0 && asked < count) count = asked;
  }
  return count < 1 ? 1 : count > kMostThreads ? kMostThreads : count;
}

Team::Team(int threads) : threads_(1), owns_(false) {
  if (threads <= 1 || held.test_and_set(std::memory_order_acquire)) return;
  owns_ = true;
  start(threads > kMostThreads ? kMostThreads : threads);
  threads_ = threads < pool->started ? threads : pool->started;
}

Team::~Team() {
  if (owns_) held.clear(std::memory_order_release);
}

void Team::run(Task task, void* context, int64_t units) {
  // A process that was forked within a run goes on alone.
  if (threads_ == 1 || units <= 1 || uint64_t(units) >= kClosed || !pool) {
    if (units > 0) task(context, 0, units, 0);
    return;
  }
  Pool& p = *pool;
  uint32_t generation = p.generation.load(std::memory_order_relaxed) + 1;
  int64_t chunk = units / (threads_ * 8);
  // Closed while the job is changed: a thread that still looks at the last job claims nothing of it.
  uint64_t counter = uint64_t(generation) << kUnitBits;
  for (int t = 0; t < threads_; t++) p.shares[t].next.store(counter | kClosed, std::memory_order_release);
  p.task.store(task, std::memory_order_release);
  p.context.store(context, std::memory_order_release);
  p.units.store(units, std::memory_order_release);
  p.chunk.store(chunk < 1 ? 1 : chunk, std::memory_order_release);
  p.active.store(threads_, std::memory_order_release);
  p.done.store(0, std::memory_order_release);
  for (int t = 0; t < threads_; t++) {
    p.shares[t].end.store(units * (t + 1) / threads_, std::memory_order_release);
    p.shares[t].next.store(counter + uint64_t(units * t / threads_), std::memory_order_release);
  }
  p.generation.store(generation, std::memory_order_seq_cst);
  if (p.sleeping.load(std::memory_order_seq_cst)) wake(p.generation);
  work(p, generation, 0);
  for (int spin = 0; p.finished.load(std::memory_order_acquire) != generation && spin < kSpinsAtEnd; spin++) pause();
  uint32_t finished;
  while ((finished = p.finished.load(std::memory_order_acquire)) != generation) {
    p.caller_sleeps.store(1, std::memory_order_seq_cst);
    finished = p.finished.load(std::memory_order_seq_cst);
    if (finished != generation) sleep_while(p.finished, finished);
    p.caller_sleeps.store(0, std::memory_order_relaxed);
  }
}

}  // namespace hg
