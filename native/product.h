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

// K × columns of B into out, `width` numbers a row, the rest of a row zero.
inline void pack(const float* b, int64_t b_k, int64_t b_j, int64_t K, int64_t columns, int64_t width,
                 float* out) {
  if (b_j == 1) {
    for (int64_t k = 0; k < K; k++)
      for (int64_t j = 0; j < width; j += W) {
        int64_t left = columns - j;
        vec v = left >= W ? load(b + k * b_k + j) : left > 0 ? load(b + k * b_k + j, left) : set1(0);
        store(out + k * width + j, v);
      }
    return;
  }
  int64_t j = 0;
  if (b_k == 1)
    for (; j + 4 <= columns; j += 4) {
      int64_t k = 0;
      for (; k + 4 <= K; k += 4) turn(b + j * b_j + k, b_j, out + k * width + j, width);
      for (; k < K; k++) for (int q = 0; q < 4; q++) out[k * width + j + q] = b[(j + q) * b_j + k];
    }
  for (; j < width; j++)
    for (int64_t k = 0; k < K; k++) out[k * width + j] = j < columns ? b[k * b_k + j * b_j] : 0;
}

constexpr int64_t kPackWords = (kBlock * 2 + 64) * NR + 64;  // scratch that `multiply` needs

// Rows [m0, m1) × columns [n0, n1) of C; `finish(i, rows, j, columns)` follows the last block of
// each piece of C, while it is in the cache.
template <class Finish>
inline void multiply(const Product& p, int64_t m0, int64_t m1, int64_t n0, int64_t n1,
                     float* scratch, Finish finish) {
  Stretch stretches[kBlock + 1];
  const Operand& a = p.a;
  int64_t done = 0, s = 0, inside = 0;  // of K; the stretch, and how far into it
  do {
    int64_t count = 0, length = 0;
    while (s < a.runs && length < kBlock) {
      int64_t take = a.run - inside;
      if (a.run > kBlock && take > kBlock - length) take = kBlock - length;
      stretches[count++] = {a.begin(s) + inside * a.step, take};
      length += take;
      inside += take;
      if (inside == a.run) s++, inside = 0;
    }
    bool add = p.add || done > 0, final = done + length >= p.K;
    for (int64_t j = n0; j < n1; j += NR) {
      int64_t columns = n1 - j < NR ? n1 - j : NR;
      int vectors = int((columns + W - 1) / W);
      int64_t last = columns - (vectors - 1) * W;
      const float* b = p.b + done * p.b_k + j * p.b_j;
      int64_t ldb = p.b_k;
      bool direct = p.b_j == 1 && (p.b_k <= 128 || m1 - m0 <= 2 * MR);
      if (!direct) {
        ldb = vectors * W;
        pack(b, p.b_k, p.b_j, length, columns, ldb, scratch);
        b = scratch;
      }
      bool mask = direct && last < W;
      Tile full = choose_tile(MR, vectors, mask);
      for (int64_t i = m0; i < m1; i += MR) {
        int rows = int(m1 - i < MR ? m1 - i : MR);
        const float* row[MR];
        for (int r = 0; r < rows; r++) row[r] = a.row(i + r);
        float* c = p.c + i * p.ldc + j;
        (rows == MR ? full : choose_tile(rows, vectors, mask))(row, a.step, stretches, count, b, ldb,
                                                              last, c, p.ldc, add);
        if (final) finish(i, rows, j, columns);
      }
    }
    done += length;
  } while (done < p.K);
}

}  // namespace hg::HG_ISA
