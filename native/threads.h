// A small pool of threads for one process: it runs the units of a job, and sleeps between.
#pragma once
#include <cstdint>

namespace hg {

// `task(context, begin, end, thread)` runs units [begin, end); thread is in [0, threads).
typedef void (*Task)(void* context, int64_t begin, int64_t end, int thread);

constexpr int kMostThreads = 64;

int usable_threads();  // by affinity, cgroup quota and OMP_NUM_THREADS

// Holds the pool for a call; a second caller at the same time gets one thread, its own.
class Team {
 public:
  explicit Team(int threads);
  ~Team();
  int threads() const { return threads_; }
  void run(Task task, void* context, int64_t units);

 private:
  int threads_;
  bool owns_;
};

}  // namespace hg
