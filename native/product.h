// The one matrix product: C = A · B, where A(i, k) is reached through offsets, so that affine
// layers, their gradients and convolutions are the same product.
//
//   A(i, k) = base[row(i) + column(k)]
//
// An element of C is the sum over k in blocks: inside a block one chain of fused multiply-adds in
// the order of k (sixteen in the remainder of the columns, see remainder.h), then the blocks' sums added in order.
// Blocks depend on the shape alone, so C has the same bits on any number of threads, any tiling, any
// instruction set.
#pragma once
#include <type_traits>

#include "remainder.h"
#include "row.h"
#include "transpose.h"

namespace hg::HG_ISA {

constexpr int64_t kBlock = 256;                // steps of k in a block, about
constexpr int64_t kShort = 128;                // ... where a panel of B then stays in the L1 cache

struct Product {
  Operand a;
  const float* b;           // B(k, j) = b[k · b_k + j · b_j]
  int64_t b_k, b_j;
  float* c;                 // C(i, j) = c[i · ldc + j]
  int64_t ldc;
  int64_t K;                // = a.runs · a.run
  bool add = false;         // C += A · B
  const float* panels = nullptr;  // the columns of B that are asked for, if they were packed before
  int64_t whole = INT64_MAX;  // the columns from here on are the remainder, see remainder.h
  bool far = false;           // C is in no cache near by: its lines are fetched while a tile makes its sums

  bool side() const { return a.row_step == 1 && !a.row_table; }  // A's rows lie side by side

  // Sets `whole` where C has n columns and the remainder is worth it: by the shape alone, on which bits depend.
  void spare_remainder(int64_t n) {
    bool dots = a.step == 1 && a.runs == 1 && (b_k == 1 ? K >= kDotLength : b_j == 1 && K >= kTransposedLength);
    whole = (side() ? b_j == 1 : dots) && whole_columns(n) < n ? whole_columns(n) : INT64_MAX;
  }

  // Steps of k in a block: blocks are of nearly equal length. Long ones where each has dot products to add up,
  // or where C is so large that it leaves the cache in between.
  int64_t block() const {
    if (a.runs > 1 || a.run <= kShort || side() || whole != INT64_MAX) return kBlock;
    int64_t blocks = (K + kShort / 2) / kShort, each = (K + blocks - 1) / blocks;
    return (each + 7) / 8 * 8;
  }
};

// Whether tiles read B where it lies, unpacked: its columns lie side by side, its rows not too far apart,
// and packing would not pay. A masked load of the last columns is like any other where vectors have masks.
constexpr int64_t kInPlace = W == 16 ? 128 : MR;  // rows of A, at most
inline bool in_place(const Product& p, int64_t rows, int64_t columns) {
  return p.b_j == 1 && (rows <= MR || (p.b_k <= 2 * NR && (rows <= kInPlace || columns % W == 0)));
}

// K × columns of B into panels: out holds one after the other, each K rows of its width (whole
// vectors, the rest zero). Here where columns lie next to each other in memory ...
template <int V>
inline void pack_panel(const float* b, int64_t b_k, int64_t K, int64_t last, float* out) {
  for (int64_t k = 0; k < K; k++, b += b_k, out += V * W)
    unrolled<V>([&](auto v) __attribute__((always_inline)) {
      if (v % (16 / W) == 0) __builtin_prefetch(b + v * W + 24 * b_k);
      store(out + v * W, v == V - 1 ? part(b + v * W, last) : load(b + v * W));
    });
}

inline void pack_lines(const float* b, int64_t b_k, int64_t K, int64_t columns, float* out) {
  for (int64_t j = 0, width; j < columns; j += width) {
    width = panel_width(columns - j);
    int64_t here = columns - j < width ? columns - j : width;
    with_code<NV + 1>(width / W - 1, [&](auto v) {
      pack_panel<v + 1>(b + j, b_k, K, here - v * W, out + j * K);
    });
  }
}

// ... and here where they do not.
inline void pack(const float* b, int64_t b_k, int64_t b_j, int64_t K, int64_t columns, float* out) {
  if (b_j == 1) return pack_lines(b, b_k, K, columns, out);
  for (int64_t j = 0, width; j < columns; j += width) {
    width = panel_width(columns - j);
    int64_t here = columns - j < width ? columns - j : width, q = 0;
    const float* from = b + j * b_j;
    float* panel = out + j * K;
    if (b_k == 1) transpose(from, b_j, here, K, panel, width), q = here;
    for (; q < width; q++)
      for (int64_t k = 0; k < K; k++) panel[k * width + q] = q < here ? from[k * b_k + q * b_j] : 0;
  }
}

// each(first, columns, width) for the panels that `columns` make.
template <class Each>
inline void by_panels(int64_t columns, Each each) {
  for (int64_t j = 0, width; j < columns; j += width) {
    width = panel_width(columns - j);
    each(j, columns - j < width ? columns - j : width, width);
  }
}

inline int64_t panel_words(int64_t K, int64_t columns) { return K * ((columns + 15) / 16 * 16); }  // at most

constexpr int64_t kMost = 2 * kBlock;        // steps of k in a block, at most
constexpr int64_t kColumns = 64;             // columns of B that are packed together, and maybe a vector more
constexpr int64_t kRows = 208;               // rows of A that are copied together
constexpr int64_t kCopyWords = kMost * kRows;
constexpr int64_t kPanelWords = kMost * (kColumns + W) + 64;
constexpr int64_t kPackWords = kCopyWords + kPanelWords + kRemainder * kMost;  // scratch that `multiply` needs

// Rows of A that lie side by side, `rows` of them from `from` on: those of one k after the other.
inline void copy_rows(const float* from, int64_t rows, int64_t step, const Stretch* s, int64_t count,
                      float* out, int64_t apart) {
  for (; count > 0; count--, s++)
    for (int64_t q = 0; q < s->length; q++, out += apart) {
      const float *line = from + s->offset + q * step, *later = from + s[count > 4 ? 4 : 0].offset;
      by_vectors(rows, [&](int64_t i, int64_t n) {
        __builtin_prefetch(later + i);
        put(out + i, part(line + i, n), n);
      });
    }
}

// The blocks of k, in order: each is some stretches of A's columns.
struct Blocks {
  const Operand& a;
  Stretch stretches[kBlock + 1];
  int64_t count = 0, length = 0;  // of the present block: stretches, steps of k
  int64_t s = 0, inside = 0;      // the next stretch, and how far into it
  int64_t most;                   // steps of k in a block, unless stretches are longer

  explicit Blocks(const Product& p) : a(p.a), most(p.block()) {}

  void next() {
    count = length = 0;
    while (s < a.runs && length < most) {
      int64_t take = a.run - inside;
      if (a.run > most && take > most - length) take = most - length;
      if (a.far && take > kLine) take = kLine;
      stretches[count++] = {a.begin(s) + inside * a.step, take};
      length += take;
      inside += take;
      if (inside == a.run) s++, inside = 0;
    }
  }
};

// Rows of A in one block of k, as tiles read them.
struct Left {
  Operand a;
  bool side;  // the rows lie side by side
  const Stretch* stretches;
  int64_t count, length;  // of stretches, of k
  Stretch all{};

  Left(const Product& p, const Stretch* stretches, int64_t count, int64_t length)
      : a(p.a), side(p.side()), stretches(stretches), count(count), length(length) {
    if (side && a.run == 1) a.step = kNoStep;
  }

  int64_t begin() const { return count ? stretches->offset : 0; }  // where they are one stretch

  // Now that they lie `apart` for the next k.
  void lie(int64_t apart) { a.step = apart, all = {0, length}, stretches = &all, count = 1; }
};

// One panel of B.
struct Panel {
  const float* b;
  int64_t ldb, columns;
  bool mask;  // memory ends where the columns do
  const Lines* remainder = nullptr;  // columns that follow it, by dot products
};

// Sums of a tile beside C: where a tile's rows are shorter than a vector, what is stored in C cannot be read
// back at once.
constexpr int64_t kSumsStep = NR + W + 16;  // whole lines
struct TileSums {
  alignas(64) float at[kMostRows * kSumsStep];
};

inline void add_rows(float* sums, const float* c, int64_t ldc, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; r++)
    by_vectors(columns, [&](int64_t q, int64_t n) {
      float* to = sums + r * kSumsStep + q;
      store(to, part(c + r * ldc + q, n) + load(to));
    });
}

// Rows [i0, i1) of A times a panel: tiles of nearly equal heights; `epilogue(i, height)` follows each. With
// `sums`, a tile leaves its sums there, and C is for `epilogue` to write.
template <class Epilogue>
inline void by_tiles(const Left& left, int64_t i0, int64_t i1, const Panel& p, float* c, int64_t ldc, bool add,
                     TileSums* sums, bool fetch, Leaves* leaves, Epilogue epilogue) {
  if (i1 == i0) return;
  int vectors = panel_vectors(p.columns);
  uint32_t most = uint32_t(leaves ? leaf_rows(vectors) : tile_rows(vectors)), rows = uint32_t(i1 - i0);
  uint32_t tiles = (rows + most - 1) / most;
  int64_t last = p.columns - (vectors - 1) * W, high = rows % tiles;  // so many tiles have a row more
  int low = int(rows / tiles);
  bool mask = p.mask && last < W;
  int64_t columns = p.columns + (p.remainder ? p.remainder->count : 0);
  LeafTile higher_leaves = choose_leaf_tile(low + 1, vectors), lower_leaves = choose_leaf_tile(low, vectors);
  Tile higher = choose_tile(low + 1, vectors, mask, left.side), lower = choose_tile(low, vectors, mask, left.side);
  const float *a[2 * kMostRows] = {}, **ahead = left.a.far ? a + kMostRows : nullptr;
  for (int64_t i = i0, height; i < i1; i += height, high--) {
    height = low + (high > 0);
    for (int64_t r = 0; r < (left.side ? 1 : height); r++) a[r] = left.a.row(i + r);
    for (int64_t r = 0; ahead && r < height; r++) {  // after the last tile, the first one's next block
      int64_t next = i + height + r;
      ahead[r] = next < i1 ? left.a.row(next) : left.a.row(next - i1 < i1 - i0 ? i0 + next - i1 : i0) + left.length;
    }
    for (int64_t r = i; fetch && r < i + height; r++)
      for (int64_t q = 0; q < columns; q += kLine) __builtin_prefetch(c + r * ldc + q);
    Tile tile = high > 0 ? higher : lower;
    float* to = sums ? sums->at : c + i * ldc;
    int64_t step = sums ? kSumsStep : ldc, kept = sums ? W : last;
    LeafTile node = high > 0 ? higher_leaves : lower_leaves;
    if (leaves) node(a[0] + left.begin(), left.a.step, p.b, p.ldb, to, step, kept, *leaves);
    else tile(a, ahead, left.a.step, left.stretches, left.count, p.b, p.ldb, last, to, step, kept, add && !sums);
    if (p.remainder) dot_rows(a, left.stretches->offset, height, *p.remainder, to + p.columns, step, add && !sums);
    if (sums && add) add_rows(to, c + i * ldc, ldc, height, columns);
    epilogue(i, int(height));
  }
}

// Whether what follows takes the sums from a tile and writes C: epilogue(i, rows, j, columns, sums).
template <class Epilogue>
constexpr bool takes_sums = std::is_invocable_v<Epilogue, int64_t, int, int64_t, int64_t, const float*>;

constexpr auto nothing = [](int64_t, int, int64_t, int64_t) {};  // follows

// The remainder, columns [from, to) of B in a block of k that begins at `done`: transposed into `scratch` where their
// elements are not straight in memory.
inline Lines lines_of(const Product& p, int64_t from, int64_t to, int64_t done, int64_t length, float* scratch) {
  Lines lines{to - from, length, {}};
  const float* b = p.b + done * p.b_k + from * p.b_j;
  if (p.b_k != 1) transpose(b - (kRemainder - lines.count) * p.b_j, p.b_k, length, kRemainder, scratch, kMost);
  for (int64_t c = 0; c < lines.count; c++)
    lines.at[c] = p.b_k == 1 ? b + c * p.b_j : scratch + (kRemainder - lines.count + c) * kMost;
  return lines;
}

// A part of C: rows [m0, m1) × columns [n0, n1).
struct Patch { int64_t m0, m1, n0, n1; };

// One block of k, whose first step is number `done`, of a part of C, to which it is added or not.
// `epilogue(i, rows, j, columns)` follows each piece of C, where the block is the final one, while it is in the cache.
template <class Epilogue>
inline void multiply_block(const Product& p, const Patch& c, Left left, int64_t done, bool add, bool final,
                           Leaves* leaves, float* scratch, Epilogue epilogue) {
  float *copy = scratch, *packed = copy + kCopyWords, *remainder_words = packed + kPanelWords;
  [[maybe_unused]] TileSums sums;
  bool side = left.side;
  int64_t whole = p.whole < c.n1 ? p.whole : c.n1, length = left.length;
  Lines lines{};
  if (whole < c.n1 && !side) lines = lines_of(p, whole, c.n1, done, length, remainder_words);
  // Rows that lie side by side, but far apart for the next k, are copied closer together.
  bool copies = side && c.m1 - c.m0 > MR && c.n1 - c.n0 > 2 * NR && (p.a.runs > 1 || p.a.step > kRows);
  if (leaves && p.a.run_table) copies = true;  // so that they are one stretch
  const Stretch* stretches = left.stretches;
  int64_t count = left.count;
  for (int64_t i0 = c.m0, i1; i0 < c.m1; i0 = i1) {
    i1 = copies && c.m1 - i0 > kRows ? i0 + kRows : c.m1;
    if (copies) {
      int64_t apart = ((i1 - i0 + 15) / 16 | 1) * 16;  // odd: not all in the same sets of the cache
      copy_rows(p.a.row(i0), i1 - i0, p.a.step, stretches, count, copy, apart);
      left.a.base = copy - i0, left.lie(apart);
    }
    for (int64_t g = c.n0, group; g < whole; g += group) {
      group = p.panels || whole - g <= kColumns + W ? whole - g : kColumns;
      const float* from = p.b + done * p.b_k + g * p.b_j;
      bool direct = !p.panels && !leaves && in_place(p, i1 - i0, group);
      if (!direct && !p.panels) pack(from, p.b_k, p.b_j, length, group, packed);
      by_panels(group, [&](int64_t j, int64_t columns, int64_t width) {
        Panel panel{packed + j * length, width, columns, false};
        if (p.panels) panel.b = p.panels + j * p.K + done * width;
        if (direct) panel = {from + j, p.b_k, columns, true};
        int64_t remainder = g + j + columns == whole ? c.n1 - whole : 0;
        if (remainder && side)
          transposed_tiles(remainder, left.a.row(i0), i1 - i0, left.a.step, left.stretches, left.count,
                           p.b + done * p.b_k + whole, p.b_k, p.c + i0 * p.ldc + whole, p.ldc, add, leaves);
        else if (remainder) panel.remainder = &lines;
        TileSums* apart = takes_sums<Epilogue> && final ? &sums : nullptr;
        by_tiles(left, i0, i1, panel, p.c + g + j, p.ldc, add, apart, apart && p.far, leaves, [&](int64_t i, int rows) {
          if (!final) return;
          if constexpr (takes_sums<Epilogue>) epilogue(i, rows, g + j, columns + remainder, sums.at);
          else epilogue(i, rows, g + j, columns + remainder);
        });
      });
    }
  }
}

// Rows [m0, m1) × columns [n0, n1) of C, block by block; then `epilogue` as above.
template <class Epilogue>
inline void multiply(const Product& p, int64_t m0, int64_t m1, int64_t n0, int64_t n1,
                     float* scratch, Epilogue epilogue) {
  Blocks block(p);
  int64_t done = 0;
  do {
    block.next();
    Left left(p, block.stretches, block.count, block.length);
    multiply_block(p, {m0, m1, n0, n1}, left, done, p.add || done > 0, done + block.length >= p.K, nullptr, scratch,
                   epilogue);
    done += block.length;
  } while (done < p.K);
}

}  // namespace hg::HG_ISA
