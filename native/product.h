// The one matrix product: C = A · B, where A(i, k) is reached through offsets, so that affine
// layers, their gradients and convolutions are the same product.
//
//   A(i, k) = base[row(i) + column(k)]
//
// A number of C is the sum over k in blocks: inside a block one chain of fused multiply-adds in
// the order of k, then the blocks' sums added in order. Blocks depend on the shape alone, so C has
// the same bits on any number of threads, any tiling, any width of vectors.
#pragma once
#include "row.h"
#include "simd.h"

namespace hg::HG_ISA {

constexpr int MR = 6;                          // rows of a tile
constexpr int NV = W == 8 ? 2 : 4;             // vectors of columns in a tile: registers decide
constexpr int NR = NV * W;
constexpr int64_t kBlock = 256;                // numbers of k in a block, at least

struct Operand {
  const float* base;
  const int32_t* row_table = nullptr;  // row(i) = row_table[i] · row_step, or i · row_step
  int64_t row_step = 0;
  // k runs over `runs` stretches of `run` numbers that lie `step` apart
  int64_t runs = 1, run = 0, step = 1;
  const int32_t* run_table = nullptr;  // stretch s begins at run_table[s] · run_step, or s · run_step
  int64_t run_step = 0;

  const float* row(int64_t i) const { return base + (row_table ? row_table[i] : i) * row_step; }
  int64_t begin(int64_t s) const { return (run_table ? run_table[s] : s) * run_step; }
};

struct Stretch { int64_t offset, length; };  // of one block: where it begins, how long it is

// One tile: acc[i][v] = Σ over the block's stretches.
template <int R, int V, bool MASK>
inline void tile(const float* const* a, int64_t step, const Stretch* s, int64_t count,
                 const float* b, int64_t ldb, int64_t last, float* c, int64_t ldc, bool add) {
  vec acc[R][V];
  for (int i = 0; i < R; i++) for (int v = 0; v < V; v++) acc[i][v] = set1(0);
  const float* p[R];
  for (; count > 0; count--, s++) {
    for (int i = 0; i < R; i++) p[i] = a[i] + s->offset;
    int64_t at = 0;
    for (int64_t k = s->length; k > 0; k--, b += ldb, at += step) {
      vec row[V];
      for (int v = 0; v < V; v++) row[v] = MASK && v == V - 1 ? load(b + v * W, last) : load(b + v * W);
      for (int i = 0; i < R; i++) {
        vec x = set1(p[i][at]);
        for (int v = 0; v < V; v++) acc[i][v] = fma(x, row[v], acc[i][v]);
      }
    }
  }
  for (int i = 0; i < R; i++, c += ldc)
    for (int v = 0; v < V; v++) {
      vec y = acc[i][v];
      if (v == V - 1 && last < W) store(c + v * W, add ? load(c + v * W, last) + y : y, last);
      else store(c + v * W, add ? load(c + v * W) + y : y);
    }
}

typedef void (*Tile)(const float* const*, int64_t, const Stretch*, int64_t, const float*, int64_t,
                     int64_t, float*, int64_t, bool);

template <int V, bool MASK>
inline Tile tile_of_rows(int rows) {
  switch (rows) {
    case 1: return tile<1, V, MASK>;
    case 2: return tile<2, V, MASK>;
    case 3: return tile<3, V, MASK>;
    case 4: return tile<4, V, MASK>;
    case 5: return tile<5, V, MASK>;
    default: return tile<6, V, MASK>;
  }
}

inline Tile choose_tile(int rows, int vectors, bool mask) {
  if (vectors == 1) return mask ? tile_of_rows<1, true>(rows) : tile_of_rows<1, false>(rows);
#if defined(__AVX512F__) || !defined(__AVX2__)
  if (vectors == 3) return mask ? tile_of_rows<3, true>(rows) : tile_of_rows<3, false>(rows);
  if (vectors == 4) return mask ? tile_of_rows<4, true>(rows) : tile_of_rows<4, false>(rows);
#endif
  return mask ? tile_of_rows<2, true>(rows) : tile_of_rows<2, false>(rows);
}

struct Product {
  Operand a;
  const float* b;           // B(k, j) = b[k · b_k + j · b_j]
  int64_t b_k, b_j;
  float* c;                 // C(i, j) = c[i · ldc + j]
  int64_t ldc;
  int64_t K;                // = a.runs · a.run
  bool add = false;         // C += A · B
};

// 4 columns of k by 4 rows of j, turned: b holds j apart by b_j, k next to each other.
typedef float quad __attribute__((vector_size(16), aligned(4)));
inline void turn(const float* b, int64_t b_j, float* out, int64_t width) {
  quad r[4];
  for (int j = 0; j < 4; j++) std::memcpy(&r[j], b + j * b_j, 16);
  quad u0 = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5), u1 = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
  quad u2 = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7), u3 = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
  quad t[4] = {__builtin_shufflevector(u0, u1, 0, 1, 4, 5), __builtin_shufflevector(u0, u1, 2, 3, 6, 7),
               __builtin_shufflevector(u2, u3, 0, 1, 4, 5), __builtin_shufflevector(u2, u3, 2, 3, 6, 7)};
  for (int k = 0; k < 4; k++) std::memcpy(out + k * width, &t[k], 16);
}

// K × columns of B into panels of NR columns: out holds one panel after the other, each K rows of
// its width (whole vectors, the rest zero).
inline void pack(const float* b, int64_t b_k, int64_t b_j, int64_t K, int64_t columns, float* out) {
  for (int64_t j = 0; j < columns; j += NR) {
    int64_t here = columns - j < NR ? columns - j : NR, width = (here + W - 1) / W * W, q = 0;
    const float* from = b + j * b_j;
    float* panel = out + j * K;
    if (b_j == 1) {
      for (int64_t k = 0; k < K; k++) {
        __builtin_prefetch(from + (k + 8) * b_k);
        for (q = 0; q < width; q += W)
          store(panel + k * width + q, here - q >= W ? load(from + k * b_k + q) : load(from + k * b_k + q, here - q));
      }
      continue;
    }
    if (b_k == 1)
      for (; q + 4 <= here; q += 4) {
        int64_t k = 0;
        for (; k + 4 <= K; k += 4) turn(from + q * b_j + k, b_j, panel + k * width + q, width);
        for (; k < K; k++)
          for (int r = 0; r < 4; r++) panel[k * width + q + r] = from[(q + r) * b_j + k];
      }
    for (; q < width; q++)
      for (int64_t k = 0; k < K; k++) panel[k * width + q] = q < here ? from[k * b_k + q * b_j] : 0;
  }
}

constexpr int64_t kMost = 2 * kBlock;        // numbers of k in a block, at most
constexpr int64_t kColumns = 64;             // columns of B that are packed together
constexpr int64_t kRows = 22 * MR;           // rows of A that are packed together
constexpr int64_t kPackWords = kMost * (kColumns + kRows) + 64;  // scratch that `multiply` needs

// Rows [i0, i1) of A, where they lie next to each other for each k, as tiles of MR numbers for
// each k, so that a tile reads memory in order.
inline void pack_rows(const Operand& a, int64_t i0, int64_t i1, const Stretch* s, int64_t count,
                      int64_t length, float* out) {
  const float* from = a.row(i0);
  for (int64_t k = 0; count > 0; count--, s++)
    for (int64_t q = 0; q < s->length; q++, k++) {
      const float* line = from + s->offset + q * a.step;
      for (int64_t i = i0; i < i1; i += MR, line += MR) {
        float* tile = out + (i - i0) * length + k * MR;
        if (i1 - i >= MR) std::memcpy(tile, line, MR * 4);
        else for (int64_t r = 0; r < i1 - i; r++) tile[r] = line[r];
      }
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
      stretches[count++] = {a.begin(s) + inside * a.step, take};
      length += take;
      inside += take;
      if (inside == a.run) s++, inside = 0;
    }
  }
};

// Rows [m0, m1) × columns [n0, n1) of C; `finish(i, rows, j, columns)` follows the last block of
// each piece of C, while it is in the cache.
template <class Finish>
inline void multiply(const Product& p, int64_t m0, int64_t m1, int64_t n0, int64_t n1,
                     float* scratch, Finish finish) {
  Blocks block(p.a);
  // Where A's rows lie side by side in memory, and enough columns use them, they are packed.
  bool packs_rows = p.a.row_step == 1 && !p.a.row_table && n1 - n0 > NR && m1 - m0 >= MR;
  float *packed_b = scratch, *packed_a = scratch + kMost * kColumns;
  int64_t done = 0;
  do {
    block.next();
    bool add = p.add || done > 0, final = done + block.length >= p.K;
    for (int64_t i0 = m0; i0 < m1; i0 += kRows) {
      int64_t i1 = !packs_rows || m1 - i0 < kRows ? m1 : i0 + kRows;
      if (packs_rows) pack_rows(p.a, i0, i1, block.stretches, block.count, block.length, packed_a);
      for (int64_t g = n0; g < n1; g += kColumns) {
        int64_t group = n1 - g < kColumns ? n1 - g : kColumns;
        const float* from = p.b + done * p.b_k + g * p.b_j;
        // Masked loads in the inner loop cost more than packing, unless there are few rows.
        bool direct = p.b_j == 1 && (i1 - i0 <= MR || (group % W == 0 && p.b_k <= 2 * NR));
        if (!direct) pack(from, p.b_k, p.b_j, block.length, group, packed_b);
        for (int64_t j = 0; j < group; j += NR) {
          int64_t columns = group - j < NR ? group - j : NR;
          int vectors = int((columns + W - 1) / W);
          int64_t last = columns - (vectors - 1) * W;
          const float* b = direct ? from + j : packed_b + j * block.length;
          int64_t ldb = direct ? p.b_k : vectors * W;
          bool mask = direct && last < W;
          Tile full = choose_tile(MR, vectors, mask);
          for (int64_t i = i0; i < i1; i += MR) {
            int rows = int(i1 - i < MR ? i1 - i : MR);
            const float* row[MR];
            Stretch whole{0, block.length};
            for (int r = 0; r < rows; r++)
              row[r] = packs_rows ? packed_a + (i - i0) * block.length + r : p.a.row(i + r);
            (rows == MR ? full : choose_tile(rows, vectors, mask))(
                row, packs_rows ? MR : p.a.step, packs_rows ? &whole : block.stretches,
                packs_rows ? 1 : block.count, b, ldb, last, p.c + i * p.ldc + g + j, p.ldc, add);
            if (final) finish(i, rows, g + j, columns);
          }
        }
      }
      if (!packs_rows) break;
    }
    done += block.length;
  } while (done < p.K);
}

}  // namespace hg::HG_ISA
