/* The upper half of a b, from the halves of both. */
static uint64_t upper_half(uint64_t a, uint64_t b)
{
    const uint64_t low = 0xffffffffu;
    uint64_t ah = a >> 32, al = a & low, bh = b >> 32, bl = b & low;
    uint64_t middle = ah * bl + (al * bl >> 32), other = al * bh + (middle & low);
    return ah * bh + (middle >> 32) + (other >> 32);
}

/* Block `block` of the random numbers of (seed, layer, step): four words, by ten rounds of Philox
 * 4x64 (Salmon et al., 2011), as NumPy's generator gives them. */
static void philox(uint64_t seed, uint64_t layer, uint64_t step, uint64_t block, uint64_t w[4])
{
    w[0] = block + 1;
    w[1] = w[3] = 0;
    w[2] = step;
    for (int round = 0; round < 10; round++) {
        uint64_t a = w[0], c = w[2];
        w[0] = upper_half(0xca5a826395121157u, c) ^ w[1] ^ seed;
        w[1] = 0xca5a826395121157u * c;
        w[2] = upper_half(0xd2e7470ee14c6c93u, a) ^ w[3] ^ layer;
        w[3] = 0xd2e7470ee14c6c93u * a;
        seed += 0x9e3779b97f4a7c15u;
        layer += 0xbb67ae8584caa73bu;
    }
}

/* y = x m, m = k where a random word of 32 bits is `least` or more, else 0: one word for each
 * (n, d), shared along t and p.  x, y (N, T, D, P).  The gradient is the same of dy: the words
 * depend on (seed, layer, step) alone, so that backward finds those of the forward again. */
static void dropout_forward(int N, int T, int D, int P, uint64_t least, float k, uint64_t seed,
                            uint64_t layer, uint64_t step, const float *x, float *y)
{
    uint64_t w[4], at, block = UINT64_MAX;
    for (int n = 0; n < N; n++)
        for (int t = 0; t < T; t++)
            for (int d = 0; d < D; d++, x += P, y += P) {
                at = (uint64_t)n * (uint64_t)D + (uint64_t)d;
                if (at / 8 != block) philox(seed, layer, step, block = at / 8, w);
                float m = (w[at % 8 / 2] >> at % 2 * 32 & 0xffffffffu) >= least ? k : 0;
                for (int p = 0; p < P; p++) y[p] = x[p] * m;
            }
}

/* A mask m (n): k where a random word is `least` or more, else 0. */
static void dropout_mask(int n, uint64_t least, float k, uint64_t seed, uint64_t layer,
                         uint64_t step, float *m)
{
    for (int i = 0; i < n; i++) m[i] = 1;
    dropout_forward(1, 1, n, 1, least, k, seed, layer, step, m, m);
}
