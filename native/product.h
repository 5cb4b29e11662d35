// The one matrix product: C = A · B, where A(i, k) is reached through offsets, so that affine
// layers, their gradients and convolutions are the same product.
//
//   A(i, k) = base[row(i) + column(k)]
//
// A number of C is the sum over k in blocks: inside a block one chain of fused multiply-adds in
// the order of k, then the blocks' sums added in order. Blocks depend on the shape alone, so C has
// the same bits on any number of threads, any tiling, any width of vectors.
#pragma once
#include <type_traits>
#include <utility>

#include "row.h"
#include "simd.h"
#include "turn.h"

namespace hg::HG_ISA {

constexpr int MR = 6;                          // rows of a tile
constexpr int NV = W == 8 ? 2 : 4;             // vectors of columns in a tile: registers decide
constexpr int NR = NV * W;
constexpr int64_t kBlock = 256;                // numbers of k in a block, at least
constexpr int64_t kLine = 16;                  // numbers in a line of the cache

// B is read in panels of NR columns. A single vector that is left joins the last panel, for alone
// it would be too few sums at a time; tiles of that panel have fewer rows.
inline int panel_vectors(int64_t columns) {
  int64_t vectors = (columns + W - 1) / W;
  return vectors <= NV + 1 ? int(vectors) : NV;
}
inline int64_t panel_width(int64_t columns) { return panel_vectors(columns) * W; }  // of the first of `columns`
inline int tile_rows(int vectors) { return vectors > NV ? 4 : MR; }

struct Operand {
  const float* base;
  const int32_t* row_table = nullptr;  // row(i) = row_table[i] · row_step, or i · row_step
  bool far = false;                    // rows are somewhere in memory: the next tile's are fetched meanwhile
  int64_t row_step = 0;
  // k runs over `runs` stretches of `run` numbers that lie `step` apart
  int64_t runs = 1, run = 0, step = 1;
  const int32_t* run_table = nullptr;  // stretch s begins at run_table[s] · run_step, or s · run_step
  int64_t run_step = 0;

  const float* row(int64_t i) const { return base + (row_table ? row_table[i] : i) * row_step; }
  int64_t begin(int64_t s) const { return (run_table ? run_table[s] : s) * run_step; }
};

struct Stretch { int64_t offset, length; };  // of one block: where it begins, how long it is

// each(constant<0>), …, each(constant<N − 1>): arrays with such indices live in registers.
template <int N, class Each>
[[gnu::always_inline]] inline void unrolled(Each each) {
  [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) {
    (each(std::integral_constant<int, i>()), ...);
  }(std::make_integer_sequence<int, N>());
}

// One tile: acc[i][v] = Σ over the block's stretches. SIDE: A's rows lie side by side, from a[0] on.
// `ahead`, or null: rows that the next tile will read, fetched stretch by stretch. Of the last vector
// `last` columns are in B, if it is masked, and `kept` go to C.
template <int R, int V, bool MASK, bool SIDE>
inline void tile(const float* const* a, const float* const* ahead, int64_t step, const Stretch* s, int64_t count,
                 const float* b, int64_t ldb, int64_t last, float* c, int64_t ldc, int64_t kept, bool add) {
  vec acc[R * V];
  const float* p[R];
  auto each = [&](auto one) __attribute__((always_inline)) {
    unrolled<R>([&](auto i) __attribute__((always_inline)) {
      unrolled<V>([&](auto v) __attribute__((always_inline)) { one(i, v); });
    });
  };
  each([&](auto i, auto v) __attribute__((always_inline)) {
    acc[i * V + v] = set1(0);
    __builtin_prefetch(c + i * ldc + v * W);
  });
  for (; count > 0; count--, s++) {
    unrolled<SIDE ? 1 : R>([&](auto i) __attribute__((always_inline)) { p[i] = a[i] + s->offset; });
    if (ahead) for (int i = 0; i < R; i++) __builtin_prefetch(ahead[i] + s->offset);
    int64_t at = 0;
    for (int64_t k = s->length; k > 0; k--, b += ldb, at += step) {
      vec row[V];
      unrolled<V>([&](auto v) __attribute__((always_inline)) {
        row[v] = MASK && v == V - 1 ? load(b + v * W, last) : load(b + v * W);
      });
      unrolled<R>([&](auto i) __attribute__((always_inline)) {
        vec x = set1(SIDE ? p[0][at + i] : p[i][at]);
        unrolled<V>([&](auto v) __attribute__((always_inline)) { acc[i * V + v] = fma(x, row[v], acc[i * V + v]); });
      });
    }
  }
  each([&](auto i, auto v) __attribute__((always_inline)) {
    vec y = acc[i * V + v];
    float* to = c + i * ldc + v * W;
    if (v == V - 1 && kept < W) store(to, add ? load(to, kept) + y : y, kept);
    else store(to, add ? load(to) + y : y);
  });
}

typedef void (*Tile)(const float* const*, const float* const*, int64_t, const Stretch*, int64_t, const float*, int64_t,
                     int64_t, float*, int64_t, int64_t, bool);

template <int V, bool MASK, bool SIDE>
inline Tile tile_of_rows(int rows) {
  constexpr int most = V > NV ? 4 : MR;
  switch (rows) {
    case 1: return tile<1, V, MASK, SIDE>;
    case 2: return tile<2, V, MASK, SIDE>;
    case 3: return tile<3, V, MASK, SIDE>;
    case 4: return tile<4, V, MASK, SIDE>;
    case 5: return tile<most < 5 ? most : 5, V, MASK, SIDE>;
    default: return tile<most, V, MASK, SIDE>;
  }
}

template <int V>
inline Tile tile_of(int rows, bool mask, bool side) {
  if (side) return mask ? tile_of_rows<V, true, true>(rows) : tile_of_rows<V, false, true>(rows);
  return mask ? tile_of_rows<V, true, false>(rows) : tile_of_rows<V, false, false>(rows);
}

inline Tile choose_tile(int rows, int vectors, bool mask, bool side) {
  switch (vectors) {
    case 1: return tile_of<1>(rows, mask, side);
    case 2: return tile_of<2>(rows, mask, side);
    case 3: return tile_of<3>(rows, mask, side);
    case 4: return tile_of<NV < 3 ? 3 : 4>(rows, mask, side);
    default: return tile_of<NV + 1>(rows, mask, side);
  }
}

struct Product {
  Operand a;
  const float* b;           // B(k, j) = b[k · b_k + j · b_j]
  int64_t b_k, b_j;
  float* c;                 // C(i, j) = c[i · ldc + j]
  int64_t ldc;
  int64_t K;                // = a.runs · a.run
  bool add = false;         // C += A · B
  const float* panels = nullptr;  // the columns of B that are asked for, if they were packed before
};

// Whether tiles read B where it lies, unpacked: its columns lie side by side, its rows not too far apart,
// and packing would not pay. A masked load of the last columns is like any other where vectors have masks.
constexpr int64_t kInPlace = W == 16 ? 128 : MR;  // rows of A, at most
inline bool in_place(const Product& p, int64_t rows, int64_t columns) {
  return p.b_j == 1 && (rows <= MR || (p.b_k <= 2 * NR && (rows <= kInPlace || columns % W == 0)));
}

// K × columns of B into panels: out holds one after the other, each K rows of its width (whole
// vectors, the rest zero). Here where columns lie next to each other in memory ...
inline void pack_lines(const float* b, int64_t b_k, int64_t K, int64_t columns, float* out) {
  for (int64_t k = 0; k < K; k++, b += b_k)
    for (int64_t j = 0, width; j < columns; j += width) {
      width = panel_width(columns - j);
      float* to = out + j * K + k * width;
      for (int64_t q = 0; q < width; q += W) {
        if (q % 16 == 0) __builtin_prefetch(b + j + q + 24 * b_k);
        store(to + q, columns - j - q >= W ? load(b + j + q) : load(b + j + q, columns - j - q));
      }
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
    if (b_k == 1) turn(from, b_j, here, K, panel, width), q = here;
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

constexpr int64_t kMost = 2 * kBlock;        // numbers of k in a block, at most
constexpr int64_t kColumns = 64;             // columns of B that are packed together, and maybe a vector more
constexpr int64_t kRows = 208;               // rows of A that are copied together
constexpr int64_t kCopyWords = kMost * kRows;
constexpr int64_t kPackWords = kCopyWords + kMost * (kColumns + W) + 64;  // scratch that `multiply` needs

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
  int64_t count = 0, length = 0;  // of the present block: stretches, numbers of k
  int64_t s = 0, inside = 0;      // the next stretch, and how far into it

  explicit Blocks(const Operand& operand) : a(operand) {}

  void next() {
    count = length = 0;
    while (s < a.runs && length < kBlock) {
      int64_t take = a.run - inside;
      if (a.run > kBlock && take > kBlock - length) take = kBlock - length;
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
  int64_t count;

  Left(const Operand& a, const Blocks& block)
      : a(a), side(a.row_step == 1 && !a.row_table), stretches(block.stretches), count(block.count) {}
};

// One panel of B.
struct Panel {
  const float* b;
  int64_t ldb, columns;
  bool mask;  // memory ends where the columns do
};

// Sums of a tile beside C: where a tile's rows are shorter than a vector, what is stored in C cannot be read
// back at once.
constexpr int64_t kSumsStep = NR + W;
struct TileSums {
  alignas(64) float at[MR * kSumsStep];
};

inline void add_rows(float* sums, const float* c, int64_t ldc, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; r++)
    by_vectors(columns, [&](int64_t q, int64_t n) {
      float* to = sums + r * kSumsStep + q;
      store(to, part(c + r * ldc + q, n) + load(to));
    });
}

// Rows [i0, i1) of A times a panel: tiles of nearly equal heights; `finish(i, height)` follows each. With
// `sums`, a tile leaves its sums there, and C is for `finish` to write.
template <class Finish>
inline void by_tiles(const Left& left, int64_t i0, int64_t i1, const Panel& p, float* c, int64_t ldc, bool add,
                     TileSums* sums, Finish finish) {
  if (i1 == i0) return;
  int vectors = panel_vectors(p.columns);
  uint32_t most = uint32_t(tile_rows(vectors)), rows = uint32_t(i1 - i0), tiles = (rows + most - 1) / most;
  int64_t last = p.columns - (vectors - 1) * W, high = rows % tiles;  // so many tiles have a row more
  int low = int(rows / tiles);
  bool mask = p.mask && last < W;
  Tile higher = choose_tile(low + 1, vectors, mask, left.side), lower = choose_tile(low, vectors, mask, left.side);
  const float *a[2 * MR] = {}, **ahead = left.a.far ? a + MR : nullptr;
  for (int64_t i = i0, height; i < i1; i += height, high--) {
    height = low + (high > 0);
    for (int64_t r = 0; r < (left.side ? 1 : height); r++) a[r] = left.a.row(i + r);
    for (int64_t r = 0; ahead && r < height; r++) {  // after the last tile, the first one's next block
      int64_t next = i + height + r;
      ahead[r] = next < i1 ? left.a.row(next) : left.a.row(next - i1 < i1 - i0 ? i0 + next - i1 : i0) + kBlock;
    }
    Tile tile = high > 0 ? higher : lower;
    if (sums) {
      tile(a, ahead, left.a.step, left.stretches, left.count, p.b, p.ldb, last, sums->at, kSumsStep, W, false);
      if (add) add_rows(sums->at, c + i * ldc, ldc, height, p.columns);
    } else {
      tile(a, ahead, left.a.step, left.stretches, left.count, p.b, p.ldb, last, c + i * ldc, ldc, last, add);
    }
    finish(i, int(height));
  }
}

// Whether what follows takes the sums from a tile and writes C: finish(i, rows, j, columns, sums).
template <class Finish>
constexpr bool takes_sums = std::is_invocable_v<Finish, int64_t, int, int64_t, int64_t, const float*>;

constexpr auto nothing = [](int64_t, int, int64_t, int64_t) {};  // follows

// Rows [m0, m1) × columns [n0, n1) of C; `finish(i, rows, j, columns)` follows the last block of
// each piece of C, while it is in the cache.
template <class Finish>
inline void multiply(const Product& p, int64_t m0, int64_t m1, int64_t n0, int64_t n1,
                     float* scratch, Finish finish) {
  Blocks block(p.a);
  float *copy = scratch, *packed = scratch + kCopyWords;
  int64_t done = 0;
  [[maybe_unused]] TileSums sums;
  do {
    block.next();
    bool add = p.add || done > 0, final = done + block.length >= p.K;
    Left left(p.a, block);
    // Rows that lie side by side, but far apart for the next k, are copied closer together.
    bool copies = left.side && m1 - m0 > MR && n1 - n0 > NR && (p.a.runs > 1 || p.a.step > kRows);
    Stretch whole{0, block.length};
    for (int64_t i0 = m0, i1; i0 < m1; i0 = i1) {
      i1 = copies && m1 - i0 > kRows ? i0 + kRows : m1;
      if (copies) {
        int64_t apart = ((i1 - i0 + 15) / 16 | 1) * 16;  // odd: not all in the same sets of the cache
        copy_rows(p.a.row(i0), i1 - i0, p.a.step, block.stretches, block.count, copy, apart);
        left.a.base = copy - i0, left.a.step = apart, left.stretches = &whole, left.count = 1;
      }
      for (int64_t g = n0, group; g < n1; g += group) {
        group = p.panels || n1 - g <= kColumns + W ? n1 - g : kColumns;
        const float* from = p.b + done * p.b_k + g * p.b_j;
        bool direct = !p.panels && in_place(p, i1 - i0, group);
        if (!direct && !p.panels) pack(from, p.b_k, p.b_j, block.length, group, packed);
        by_panels(group, [&](int64_t j, int64_t columns, int64_t width) {
          Panel panel{packed + j * block.length, width, columns, false};
          if (p.panels) panel.b = p.panels + j * p.K + done * width;
          if (direct) panel = {from + j, p.b_k, columns, true};
          TileSums* apart = takes_sums<Finish> && final ? &sums : nullptr;
          by_tiles(left, i0, i1, panel, p.c + g + j, p.ldc, add, apart, [&](int64_t i, int rows) {
            if (!final) return;
            if constexpr (takes_sums<Finish>) finish(i, rows, g + j, columns, sums.at);
            else finish(i, rows, g + j, columns);
          });
        });
      }
    }
    done += block.length;
  } while (done < p.K);
}

}  // namespace hg::HG_ISA
