// Labels of the batch, for losses of classes and for what elements count.
#pragma once
#include "cuts.h"

namespace hg::HG_ISA {

// Each sample has `each` rows of scores, one for each of so many classes, and as many labels, of which one
// may be ignored; indexed: labels, and weights of samples, go through the batch's rows.
#define HG_LABELS(missing)                                                                         \
  (samples, size()), (each, fixed(1, 1 << 30)), (classes, fixed(1, 1 << 30)),                      \
  (labels, read(samples, each).ints().picked_by(indexed) missing), (indexed, flag()),              \
  (ignores, flag()), (ignore, integer().maybe())
HG_ARGS(Labelled, HG_LABELS())

constexpr int64_t kNoLabel = kMostSize;  // which no label is

inline int64_t ignored_label(const Job& j) { return j.i(Labelled::ignores) ? j.i(Labelled::ignore) : kNoLabel; }

// The labels of rows one after the other, from row m on.
class Labels {
 public:
  Labels(const Job& j, int64_t m)
      : labels_(j.n(Labelled::labels)), rows_(j.i(Labelled::indexed) ? j.batch->rows : nullptr),
        each_(j.i(Labelled::each)), sample_(rows_ ? m / each_ : m), within_(rows_ ? m % each_ : 0) {}

  int32_t next() {
    if (!rows_) return labels_[sample_++];
    int32_t label = labels_[rows_[sample_] * each_ + within_];
    if (++within_ == each_) within_ = 0, sample_++;
    return label;
  }

 private:
  const int32_t *labels_, *rows_;
  int64_t each_, sample_, within_;
};

}  // namespace hg::HG_ISA
