// Vectors of floats: the same few operations for AVX2, AVX-512 and NEON.
//
// The same bits everywhere: multiply-add is always fused where it is written as fma and never
// elsewhere (-ffp-contract=off), and sums over a stretch of elements go through 16 lanes and one
// fixed tree, however wide the machine's vectors are.
#pragma once
#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__AVX512F__)
#include <immintrin.h>
#define HG_ISA v4
#define HG_ISA_NAME "AVX-512"
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define HG_ISA v3
#define HG_ISA_NAME "AVX2"
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#define HG_ISA neon
#define HG_ISA_NAME "NEON"
#else
#error "kernels need AVX2 and FMA, AVX-512, or NEON"
#endif

namespace hg::HG_ISA {

#if defined(__AVX512F__)
constexpr int W = 16;
typedef __m512 vec;
typedef __m512i ivec;
inline vec load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, vec v) { _mm512_storeu_ps(p, v); }
inline __mmask16 first(int64_t n) { return __mmask16((1u << n) - 1u); }
inline vec load(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(first(n), p); }
inline void store(float* p, vec v, int64_t n) { _mm512_mask_storeu_ps(p, first(n), v); }
inline vec set1(float x) { return _mm512_set1_ps(x); }
inline ivec load(const int32_t* p) { return _mm512_loadu_si512(p); }
inline ivec iset1(int32_t x) { return _mm512_set1_epi32(x); }
inline vec fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
inline vec fnma(vec a, vec b, vec c) { return _mm512_fnmadd_ps(a, b, c); }  // c - a b
inline vec max(vec a, vec b) { return _mm512_max_ps(a, b); }  // b where either is NaN
inline vec min(vec a, vec b) { return _mm512_min_ps(a, b); }
inline vec sqrt(vec a) { return _mm512_sqrt_ps(a); }
inline vec round(vec a) { return _mm512_roundscale_ps(a, 0x08); }  // to nearest, ties to even
inline ivec to_int(vec a) { return _mm512_cvtps_epi32(a); }
inline vec to_float(ivec a) { return _mm512_cvtepi32_ps(a); }
inline vec as_float(ivec a) { return _mm512_castsi512_ps(a); }
inline ivec as_int(vec a) { return _mm512_castps_si512(a); }
inline ivec iadd(ivec a, ivec b) { return _mm512_add_epi32(a, b); }
inline ivec isub(ivec a, ivec b) { return _mm512_sub_epi32(a, b); }
inline ivec iand(ivec a, ivec b) { return _mm512_and_si512(a, b); }
inline ivec ior(ivec a, ivec b) { return _mm512_or_si512(a, b); }
template <int n> inline ivec shl(ivec a) { return _mm512_slli_epi32(a, n); }
template <int n> inline ivec shr(ivec a) { return _mm512_srai_epi32(a, n); }  // arithmetic
// where a < b (a ≤ b, a = b): x, elsewhere y; false where a or b is NaN
inline vec lt(vec a, vec b, vec x, vec y) { return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x); }
inline vec le(vec a, vec b, vec x, vec y) { return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LE_OQ), y, x); }
inline vec eq(vec a, vec b, vec x, vec y) { return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ), y, x); }
// n integers from 0 to 255 as bytes
inline ivec load_bytes(const uint8_t* p, int64_t n) { return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(first(n), p)); }
inline void store_bytes(uint8_t* p, ivec v, int64_t n) { _mm_mask_storeu_epi8(p, first(n), _mm512_cvtepi32_epi8(v)); }
// four elements from each of W / 4 lines, `step` apart
inline vec quads(const float* p, int64_t step) {
  vec v = _mm512_castps128_ps512(_mm_loadu_ps(p));
  v = _mm512_insertf32x4(v, _mm_loadu_ps(p + step), 1);
  v = _mm512_insertf32x4(v, _mm_loadu_ps(p + 2 * step), 2);
  return _mm512_insertf32x4(v, _mm_loadu_ps(p + 3 * step), 3);
}
// of the quads (a0 a1 a2 a3) and (b0 b1 b2 b3): a0 b0 a1 b1; a2 b2 a3 b3; a0 a1 b0 b1; a2 a3 b2 b3
inline vec zip_low(vec a, vec b) { return _mm512_unpacklo_ps(a, b); }
inline vec zip_high(vec a, vec b) { return _mm512_unpackhi_ps(a, b); }
inline vec low_pairs(vec a, vec b) { return _mm512_shuffle_ps(a, b, 0x44); }
inline vec high_pairs(vec a, vec b) { return _mm512_shuffle_ps(a, b, 0xee); }
#elif defined(__AVX2__)
constexpr int W = 8;
typedef __m256 vec;
typedef __m256i ivec;
inline vec load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, vec v) { _mm256_storeu_ps(p, v); }
alignas(64) inline const int32_t kMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
inline __m256i first(int64_t n) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMask + 8 - n)); }
inline vec load(const float* p, int64_t n) { return _mm256_maskload_ps(p, first(n)); }
// In parts, for a masked store takes some processors longer than a dozen others.
inline void store(float* p, vec v, int64_t n) {
  __m128 low = _mm256_castps256_ps128(v);
  if (n >= 8) return store(p, v);
  if (n & 4) _mm_storeu_ps(p, low), p += 4, low = _mm256_extractf128_ps(v, 1);
  if (n & 2) _mm_storel_pi(reinterpret_cast<__m64*>(p), low), p += 2, low = _mm_movehl_ps(low, low);
  if (n & 1) _mm_store_ss(p, low);
}
inline vec set1(float x) { return _mm256_set1_ps(x); }
inline ivec load(const int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline ivec iset1(int32_t x) { return _mm256_set1_epi32(x); }
inline vec fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
inline vec fnma(vec a, vec b, vec c) { return _mm256_fnmadd_ps(a, b, c); }
inline vec max(vec a, vec b) { return _mm256_max_ps(a, b); }
inline vec min(vec a, vec b) { return _mm256_min_ps(a, b); }
inline vec sqrt(vec a) { return _mm256_sqrt_ps(a); }
inline vec round(vec a) { return _mm256_round_ps(a, 0x08); }
inline ivec to_int(vec a) { return _mm256_cvtps_epi32(a); }
inline vec to_float(ivec a) { return _mm256_cvtepi32_ps(a); }
inline vec as_float(ivec a) { return _mm256_castsi256_ps(a); }
inline ivec as_int(vec a) { return _mm256_castps_si256(a); }
inline ivec iadd(ivec a, ivec b) { return _mm256_add_epi32(a, b); }
inline ivec isub(ivec a, ivec b) { return _mm256_sub_epi32(a, b); }
inline ivec iand(ivec a, ivec b) { return _mm256_and_si256(a, b); }
inline ivec ior(ivec a, ivec b) { return _mm256_or_si256(a, b); }
template <int n> inline ivec shl(ivec a) { return _mm256_slli_epi32(a, n); }
template <int n> inline ivec shr(ivec a) { return _mm256_srai_epi32(a, n); }
inline vec lt(vec a, vec b, vec x, vec y) { return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ)); }
inline vec le(vec a, vec b, vec x, vec y) { return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LE_OQ)); }
inline vec eq(vec a, vec b, vec x, vec y) { return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_EQ_OQ)); }
inline ivec load_bytes(const uint8_t* p, int64_t n) {
  int64_t bytes = 0;
  std::memcpy(&bytes, p, n == W ? size_t(W) : size_t(n));
  return _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(bytes));
}
inline void store_bytes(uint8_t* p, ivec v, int64_t n) {
  __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  int64_t bytes = _mm_cvtsi128_si64(_mm_packus_epi16(words, words));
  std::memcpy(p, &bytes, n == W ? size_t(W) : size_t(n));
}
inline vec quads(const float* p, int64_t step) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(p + step), 1);
}
inline vec zip_low(vec a, vec b) { return _mm256_unpacklo_ps(a, b); }
inline vec zip_high(vec a, vec b) { return _mm256_unpackhi_ps(a, b); }
inline vec low_pairs(vec a, vec b) { return _mm256_shuffle_ps(a, b, 0x44); }
inline vec high_pairs(vec a, vec b) { return _mm256_shuffle_ps(a, b, 0xee); }
#else
constexpr int W = 4;
typedef float32x4_t vec;
typedef int32x4_t ivec;
inline vec load(const float* p) { return vld1q_f32(p); }
inline void store(float* p, vec v) { vst1q_f32(p, v); }
inline vec load(const float* p, int64_t n) { float t[4] = {0, 0, 0, 0}; std::memcpy(t, p, size_t(n) * 4); return vld1q_f32(t); }
inline void store(float* p, vec v, int64_t n) { float t[4]; vst1q_f32(t, v); std::memcpy(p, t, size_t(n) * 4); }
inline vec set1(float x) { return vdupq_n_f32(x); }
inline ivec load(const int32_t* p) { return vld1q_s32(p); }
inline ivec iset1(int32_t x) { return vdupq_n_s32(x); }
inline vec fma(vec a, vec b, vec c) { return vfmaq_f32(c, a, b); }
inline vec fnma(vec a, vec b, vec c) { return vfmsq_f32(c, a, b); }
inline vec max(vec a, vec b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }  // as x86: b for NaN
inline vec min(vec a, vec b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
inline vec sqrt(vec a) { return vsqrtq_f32(a); }
inline vec round(vec a) { return vrndnq_f32(a); }
inline ivec to_int(vec a) { return vcvtnq_s32_f32(a); }
inline vec to_float(ivec a) { return vcvtq_f32_s32(a); }
inline vec as_float(ivec a) { return vreinterpretq_f32_s32(a); }
inline ivec as_int(vec a) { return vreinterpretq_s32_f32(a); }
inline ivec iadd(ivec a, ivec b) { return vaddq_s32(a, b); }
inline ivec isub(ivec a, ivec b) { return vsubq_s32(a, b); }
inline ivec iand(ivec a, ivec b) { return vandq_s32(a, b); }
inline ivec ior(ivec a, ivec b) { return vorrq_s32(a, b); }
template <int n> inline ivec shl(ivec a) { return vshlq_n_s32(a, n); }
template <int n> inline ivec shr(ivec a) { return vshrq_n_s32(a, n); }
inline vec lt(vec a, vec b, vec x, vec y) { return vbslq_f32(vcltq_f32(a, b), x, y); }
inline vec le(vec a, vec b, vec x, vec y) { return vbslq_f32(vcleq_f32(a, b), x, y); }
inline vec eq(vec a, vec b, vec x, vec y) { return vbslq_f32(vceqq_f32(a, b), x, y); }
inline ivec load_bytes(const uint8_t* p, int64_t n) {
  int32_t t[4] = {0, 0, 0, 0};
  for (int64_t i = 0; i < n; i++) t[i] = p[i];
  return vld1q_s32(t);
}
inline void store_bytes(uint8_t* p, ivec v, int64_t n) {
  int32_t t[4];
  vst1q_s32(t, v);
  for (int64_t i = 0; i < n; i++) p[i] = uint8_t(t[i]);
}
inline vec quads(const float* p, int64_t) { return vld1q_f32(p); }
inline vec zip_low(vec a, vec b) { return vzip1q_f32(a, b); }
inline vec zip_high(vec a, vec b) { return vzip2q_f32(a, b); }
inline vec low_pairs(vec a, vec b) { return vcombine_f32(vget_low_f32(a), vget_low_f32(b)); }
inline vec high_pairs(vec a, vec b) { return vcombine_f32(vget_high_f32(a), vget_high_f32(b)); }
#endif

typedef float quad __attribute__((vector_size(16)));  // four, on every processor

inline vec abs(vec a) { return as_float(iand(as_int(a), iset1(0x7fffffff))); }

// n elements, W at a time and the rest masked: each(offset, count), count = W but for the rest.
template <class Each>
inline void by_vectors(int64_t n, Each each) {
  int64_t i = 0;
  for (; i + W <= n; i += W) each(i, int64_t(W));
  if (i < n) each(i, n - i);
}

// each(constant<0>), …, each(constant<N − 1>): arrays with such indices live in registers.
template <int N, class Each>
[[gnu::always_inline]] inline void unrolled(Each each) {
  [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) {
    (each(std::integral_constant<int, i>()), ...);
  }(std::make_integer_sequence<int, N>());
}

// Calls each(constant<code>) for the code, below `count`, that is only known when the program runs.
template <int count, class Each>
inline void with_code(int64_t code, Each each) {
  [&]<int... codes>(std::integer_sequence<int, codes...>) {
    ((code == codes ? each(std::integral_constant<int, codes>()) : void()), ...);
  }(std::make_integer_sequence<int, count>());
}

inline vec part(const float* p, int64_t n) { return n == W ? load(p) : load(p, n); }
inline void put(float* p, vec v, int64_t n) { n == W ? store(p, v) : store(p, v, n); }
alignas(64) inline const float kIndex[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
inline vec only(vec v, int64_t n) { return n == W ? v : lt(load(kIndex), set1(float(n)), v, set1(0)); }  // zeros behind

// 16 lanes whatever the width: element i of a stretch belongs to lane i mod 16.
struct Lanes {
  vec v[16 / W];
  explicit Lanes(float x) { for (vec& lane : v) lane = set1(x); }
  void spread(float* lanes) const { for (int k = 0; k < 16 / W; k++) store(lanes + k * W, v[k]); }
  float sum() const {  // the fixed tree: l + (l + 8), then 4, 2, 1
    float t[16];
    spread(t);
    for (int half = 8; half; half /= 2) for (int l = 0; l < half; l++) t[l] += t[l + half];
    return t[0];
  }
  float top() const {
    float t[16];
    spread(t);
    for (int l = 1; l < 16; l++) t[0] = t[l] > t[0] ? t[l] : t[0];
    return t[0];
  }
};

// lanes(vec&, offset, count) for each vector of n elements.
template <class Each>
inline void by_lanes(int64_t n, Lanes& lanes, Each each) {
  int lane = 0;
  by_vectors(n, [&](int64_t i, int64_t count) {
    each(lanes.v[lane], i, count);
    lane = lane + 1 == 16 / W ? 0 : lane + 1;
  });
}

inline float row_sum(const float* p, int64_t n) {
  Lanes s(0);
  by_lanes(n, s, [&](vec& v, int64_t i, int64_t c) { v = v + part(p + i, c); });
  return s.sum();
}

}  // namespace hg::HG_ISA
