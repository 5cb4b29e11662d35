// Stages: rows between which threads do not meet. Where rows wait only for the same samples, each
// thread takes some samples through all of them; where they wait for none, it takes its share of each.
#include "program.h"

namespace hg {
namespace {

constexpr int64_t kSamples = 64;  // that one unit takes through a stage, about

struct Stage {
  hg_program* p;
  size_t first, last;  // rows
  int threads;
  int64_t units;  // of all rows together
  bool timed;

  void run(size_t r, int64_t begin, int64_t end, int thread, bool samples) {
    size_t t = size_t(thread);
    Scratch scratch{static_cast<float*>(p->scratch[t].start), p->scratch_words, p->round - int64_t(last - 1 - r),
                    &p->held[t]};
    double before = timed && thread == 0 ? now() : 0;
    (samples ? p->kernels[r]->samples : p->kernels[r]->run)(p->jobs[r], begin, end, scratch);
    if (timed && thread == 0) p->spent[r] += now() - before;
  }
};

void run_samples(void* context, int64_t begin, int64_t end, int thread) {
  Stage& s = *static_cast<Stage*>(context);
  int64_t n = s.p->now.n;
  for (int64_t u = begin; u < end; u++) {
    int64_t from = n * u / s.units, to = n * (u + 1) / s.units;
    for (size_t r = s.first; from < to && r < s.last; r++) {
      int64_t each = s.p->jobs[r].args[0] / n;  // that the row counts for one sample
      s.run(r, from * each, to * each, thread, true);
    }
  }
}

// Units are numbered so that the share of a thread is its share of every row: of each row it works on the
// same part in every step, and finds it in its caches.
void run_concurrent(void* context, int64_t begin, int64_t end, int thread) {
  Stage& s = *static_cast<Stage*>(context);
  int64_t at = 0;
  for (int part = 0; part < s.threads && at < end; part++)
    for (size_t r = s.first; r < s.last && at < end; r++) {
      int64_t units = s.p->units[r];
      int64_t from = units * part / s.threads, to = units * (part + 1) / s.threads;
      int64_t b = begin - at > 0 ? from + begin - at : from, e = to - from > end - at ? from + end - at : to;
      if (b < e) s.run(r, b, e, thread, false);
      at += to - from;
    }
}

}  // namespace

void run_stage(hg_program& p, size_t first, Team& team, double* times) {
  size_t last = p.ends[first];
  Stage stage{&p, first, last, p.jobs[first].threads, 0, times && last > first + 1};
  double began = times ? now() : 0;
  for (size_t r = first; times && r < last; r++) p.spent[r] = 0;
  for (size_t r = first; r < last; r++) p.units[r] = p.kernels[r]->units(p.jobs[r]);  // may depend on the batch
  p.round += int64_t(last - first);
  if (stage.threads == 1) {
    for (size_t r = first; r < last; r++)
      if (p.units[r] > 0) stage.run(r, 0, p.units[r], 0, false);
  } else if (last > first + 1 && p.rows[first + 1].waits == kForSamples) {
    int64_t each = stage.threads * kSamples, many = (p.now.n + each / 2) / each;
    stage.units = stage.threads * (many > 1 ? many : 1);
    team.run(run_samples, &stage, stage.units);
  } else {
    for (size_t r = first; r < last; r++) stage.units += p.units[r];
    team.run(run_concurrent, &stage, stage.units);
  }
  if (!times) return;
  double all = now() - began, sum = 0;
  for (size_t r = first; r < last; r++) sum += p.spent[r];
  for (size_t r = first; r < last; r++)  // waiting belongs to all rows
    times[r] += sum > 0 ? all * p.spent[r] / sum : all / double(last - first);
}

}  // namespace hg
