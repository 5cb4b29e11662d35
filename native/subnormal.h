// Numbers below 1.2e-38 count as 0 while a program runs: with them a processor is many times slower, and an
// optimizer's means of gradients that have become 0 all come to be such numbers.
#pragma once
#include <cstdint>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace hg {

class FlushSubnormals {
 public:
  FlushSubnormals() : before_(flags()) { set(before_ | kFlush); }
  ~FlushSubnormals() { set(before_); }

  template <class Work>
  auto without(Work work) {  // as it was before
    set(before_);
    auto result = work();
    set(before_ | kFlush);
    return result;
  }

 private:
#if defined(__x86_64__)
  static constexpr uint64_t kFlush = 0x8040;  // of results, and of what comes in
  static uint64_t flags() { return _mm_getcsr(); }
  static void set(uint64_t flags) { _mm_setcsr(unsigned(flags)); }
#else
  static constexpr uint64_t kFlush = uint64_t(1) << 24;
  static uint64_t flags() {
    uint64_t flags;
    asm volatile("mrs %0, fpcr" : "=r"(flags));
    return flags;
  }
  static void set(uint64_t flags) { asm volatile("msr fpcr, %0" : : "r"(flags)); }
#endif
  uint64_t before_;
};

}  // namespace hg
