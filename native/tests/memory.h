// Segments of memory that end, or begin, at a page that must not be touched: one word too far, even
// by a masked vector, ends the process.
#pragma once
#include "table.h"

namespace hg::tests {

class Segments {
 public:
  Segments();
  ~Segments();
  // Random numbers of all kinds in each segment, at the end of its pages or at their start.
  void fill(Random&, const Table&, bool at_end);
  float* const* starts() const { return starts_; }
  uint64_t digest(const Table&) const;  // of all words; one for all NaN

 private:
  char* pages_;
  float* starts_[kSegments];
};

// Runs a batch of n samples; the code of `hg_program_run`.
int run(hg_program*, Random&, const Table&, const Segments&, int64_t n, int64_t threads);

}  // namespace hg::tests
