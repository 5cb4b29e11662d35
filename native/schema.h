// The arguments of a kernel, declared once beside it: its own code reads them by name (`j.f(A::x)`), the check
// of a row follows from them, and Python builds rows from what `hg_schema` says of them.
//
//   HG_ENUM(Color, red, green)                            // Color::red, and the names of both for Python
//   HG_ARGS(Paint, (count, size()), (x, read(count)), (y, write(count)), (color, option<Color>()))
#pragma once
#include <cstdint>

namespace hg {

enum class Kind : uint8_t {
  kSize,     // a length, which may count per sample
  kFixed,    // a length that is the same for every batch
  kInteger,  // any integer
  kFlag,     // 0 or 1
  kOption,   // a value of an enumeration
  kHyper,    // the index of a number of the step
  kReal,     // a double, its bits in the argument
  kRead,     // the address of an array that is read,
  kWrite,    // ... written,
  kUpdate,   // ... read and written
};
enum class Type : uint8_t { kFloat, kInt, kByte, kBit };

struct Enum { const char* name; const char* const* values; int count; };

constexpr int64_t kMostSize = int64_t(1) << 31;
constexpr int kMostDims = 6;
constexpr int kUnsaid = -1;

struct Arg {
  const char* name = nullptr;
  Kind kind = Kind::kSize;
  Type type = Type::kFloat;
  bool optional = false;      // may be left out, and is 0; of a hyper: the kernel's own check says when
  int8_t rank = kUnsaid;      // of an array; unsaid: the kernel's own check says how long it is
  int8_t dims[kMostDims] = {};  // which arguments are its lengths
  int8_t picked = kUnsaid;    // the flag that says that the batch picks rows of the data
  int64_t times = 1;          // elements for each element of its lengths
  int64_t least = 0, most = kMostSize;
  const Enum* option = nullptr;

  constexpr bool array() const { return kind >= Kind::kRead; }
  consteval Arg maybe() const { Arg a = *this; return a.optional = true, a; }
  consteval Arg ints() const { Arg a = *this; return a.type = Type::kInt, a; }
  consteval Arg bytes() const { Arg a = *this; return a.type = Type::kByte, a; }
  consteval Arg bits() const { Arg a = *this; return a.type = Type::kBit, a; }
  consteval Arg each(int64_t count) const { Arg a = *this; return a.times = count, a; }
  consteval Arg picked_by(int flag) const { Arg a = *this; return a.picked = int8_t(flag), a; }
  consteval Arg called(const char* given) const { Arg a = *this; return a.name = given, a; }
};

struct Args { const Arg* list; int count; };

consteval Arg of_kind(Kind kind, int64_t least = 0, int64_t most = kMostSize) {
  Arg a;
  return a.kind = kind, a.least = least, a.most = most, a;
}
consteval Arg size(int64_t least = 0, int64_t most = kMostSize) { return of_kind(Kind::kSize, least, most); }
consteval Arg fixed(int64_t least = 0, int64_t most = kMostSize) { return of_kind(Kind::kFixed, least, most); }
consteval Arg integer() { return of_kind(Kind::kInteger, INT64_MIN, INT64_MAX); }
consteval Arg flag() { return of_kind(Kind::kFlag, 0, 1); }
consteval Arg hyper() { return of_kind(Kind::kHyper); }
consteval Arg real() { return of_kind(Kind::kReal); }

template <class E>
consteval Arg option() {
  Arg a = of_kind(Kind::kOption, 0, E::kCount - 1);
  return a.option = &E::all, a;
}

// An array as long as the product of these arguments.
template <class... Dims>
consteval Arg array(Kind kind, Dims... dims) {
  Arg a = of_kind(kind);
  const int lengths[] = {dims..., 0};
  for (a.rank = 0; a.rank < int8_t(sizeof...(dims)); a.rank++) a.dims[a.rank] = int8_t(lengths[a.rank]);
  return a;
}
template <class... Dims> consteval Arg read(Dims... dims) { return array(Kind::kRead, dims...); }
template <class... Dims> consteval Arg write(Dims... dims) { return array(Kind::kWrite, dims...); }
template <class... Dims> consteval Arg update(Dims... dims) { return array(Kind::kUpdate, dims...); }

// An array whose length the kernel's own check says.
consteval Arg reads() { return of_kind(Kind::kRead); }
consteval Arg writes() { return of_kind(Kind::kWrite); }
consteval Arg updates() { return of_kind(Kind::kUpdate); }

}  // namespace hg

// macro(one) for each of the others, one after the other.
#define HG_EACH(macro, ...) __VA_OPT__(HG_SCAN(HG_EACH_OF(macro, __VA_ARGS__)))
#define HG_EACH_OF(macro, one, ...) macro(one) __VA_OPT__(HG_EACH_LATER HG_NOTHING (macro, __VA_ARGS__))
#define HG_EACH_LATER() HG_EACH_OF
#define HG_NOTHING ()
#define HG_SCAN(...) HG_SCAN_16(HG_SCAN_16(HG_SCAN_16(HG_SCAN_16(__VA_ARGS__))))
#define HG_SCAN_16(...) HG_SCAN_4(HG_SCAN_4(HG_SCAN_4(HG_SCAN_4(__VA_ARGS__))))
#define HG_SCAN_4(...) HG_SCAN_1(HG_SCAN_1(HG_SCAN_1(HG_SCAN_1(__VA_ARGS__))))
#define HG_SCAN_1(...) __VA_ARGS__

#define HG_NAME_OF(name, kind) name,
#define HG_CALL_OF(name, kind) kind.called(#name),
#define HG_NAME(pair) HG_NAME_OF pair
#define HG_CALL(pair) HG_CALL_OF pair
#define HG_QUOTED(name) HG_QUOTED_AS(name)
#define HG_QUOTED_AS(name) #name,

#define HG_ARGS(Name, ...)                                                    \
  struct Name {                                                               \
    enum : int { HG_EACH(HG_NAME, __VA_ARGS__) kCount };                      \
    static constexpr ::hg::Arg list[] = {HG_EACH(HG_CALL, __VA_ARGS__)};      \
    static constexpr ::hg::Args all{list, kCount};                            \
  };
#define HG_ENUM(Name, ...)                                                    \
  struct Name {                                                               \
    enum : int { __VA_ARGS__, kCount };                                       \
    static constexpr const char* values[] = {HG_EACH(HG_QUOTED, __VA_ARGS__)}; \
    static constexpr ::hg::Enum all{#Name, values, kCount};                   \
  };
