/* Row n of an array with rows of H numbers, where there is one. */
static const float *row_of(const float *a, int n, int H)
{
    return a ? a + n * H : NULL;
}

/* The state before step `at` % T of sequence `at` / T: row at - 1 of `states` (N, T, H), for step 0
 * a row of `first` (N, H), or `none` where there is no first. */
static const float *state_before(int at, int T, int H, const float *first, const float *none,
                                 const float *states)
{
    if (at % T) return states + (at - 1) * H;
    return first ? row_of(first, at / T, H) : none;
}

/* to = from, or 0 where that is NULL.  from, to (H). */
static void copy_or_zero(int H, const float *from, float *to)
{
    if (from)
        memcpy(to, from, sizeof *to * (size_t)H);
    else
        memset(to, 0, sizeof *to * (size_t)H);
}

/* h m, in u (H), where there is a dropout m, else h. */
static const float *dropped(int H, const float *h, const float *m, float *u)
{
    if (!h || !m) return h;
    for (int j = 0; j < H; j++) u[j] = h[j] * m[j];
    return u;
}

/* The last step of every sequence.  x (N, T, H), y (N, H). */
static void last_step(int N, int T, int H, const float *x, float *y)
{
    for (int n = 0; n < N; n++)
        memcpy(y + n * H, x + (n * T + T - 1) * H, sizeof *y * (size_t)H);
}

/* dh is what a step gets back from the next one, the first time `dlast`; it also went into y. */
static void step_gradient(int at, int T, int H, const float *dlast, const float *dy, float *dh)
{
    if (at % T == T - 1) copy_or_zero(H, row_of(dlast, at / T, H), dh);
    for (int j = 0; dy && j < H; j++) dh[j] += dy[at * H + j];
}

/* dWh += sum over t of (h[t - 1] m)^T da[t] of one sequence; all steps at once without a dropout m.
 * first (H) or NULL, y (T, H), da (T, M), dWh (H, M). */
static void recurrent_dW(int T, int H, int M, const float *first, const float *y, const float *m,
                         float *u, const float *da, float *dWh)
{
    if (first) matmul_dW(1, H, M, dropped(H, first, m, u), da, dWh, M);
    if (!m) matmul_dW(T - 1, H, M, y, da + M, dWh, M);
    for (int t = 1; m && t < T; t++)
        matmul_dW(1, H, M, dropped(H, y + (t - 1) * H, m, u), da + t * M, dWh, M);
}

/* h[t] = tanh(a[t] + h[t - 1] Wh), y = all h; where mask is 0, h[t] = h[t - 1].
 * a (N, T, H): x Wx + b of every step, mask (N, T) or NULL, first (N, H): h[-1], or NULL for 0,
 * m (N, H): dropout of h before Wh, or NULL, u (H): memory for that, Wh (H, H), y (N, T, H). */
static void rnn_forward(int N, int T, int H, const uint8_t *mask, const float *m, float *u,
                        const float *first, const float *a, const float *Wh, float *y)
{
    for (int at = 0; at < N * T; at++) {
        const float *h = state_before(at, T, H, first, NULL, y);
        float *now = y + at * H;
        if (mask && !mask[at]) {
            copy_or_zero(H, h, now);
            continue;
        }
        memcpy(now, a + at * H, sizeof *a * (size_t)H);
        if (h) matmul(1, H, H, dropped(H, h, row_of(m, at / T, H), u), Wh, H, now);
        for (int j = 0; j < H; j++) now[j] = tanhf(now[j]);
    }
}

/* From the last step to the first: dh[t] = dy[t] + da[t + 1] Wh^T, da[t] = dh[t] (1 - h[t]^2);
 * dWh += sum over t of h[t - 1]^T da[t].  dlast (N, H): the gradient of the last h, or NULL;
 * dh, du (H): memory for one step; dfirst (N, H): the gradient of h[-1], or NULL. */
static void rnn_backward(int N, int T, int H, const uint8_t *mask, const float *m, float *u,
                         const float *first, const float *Wh, const float *y, const float *dy,
                         const float *dlast, float *dh, float *du, float *da, float *dWh,
                         float *dfirst)
{
    for (int at = N * T - 1; at >= 0; at--) {
        const float *now = y + at * H, *drop = row_of(m, at / T, H);
        float *d = da + at * H;
        step_gradient(at, T, H, dlast, dy, dh);
        if (mask && !mask[at])
            memset(d, 0, sizeof *d * (size_t)H);
        else {
            for (int j = 0; j < H; j++) d[j] = dh[j] * (1 - now[j] * now[j]);
            memset(du, 0, sizeof *du * (size_t)H);
            matmul_dx(1, H, H, d, Wh, H, du);
            for (int j = 0; j < H; j++) dh[j] = drop ? du[j] * drop[j] : du[j];
        }
        if (at % T) continue;
        if (dWh) recurrent_dW(T, H, H, row_of(first, at / T, H), now, drop, u, d, dWh);
        if (dfirst) copy_or_zero(H, dh, dfirst + at / T * H);
    }
}

/* [f g i o] = a[t] + h[t - 1] Wh, then 1 / (1 + e^-x) of f, i and o, and tanh of g;
 * c[t] = f c[t - 1] + i g, h[t] = o tanh(c[t]), y = all h; where mask is 0, both stand still.
 * a (N, T, 4H): x Wx + b of every step, Wh (H, 4H), gates (N, T, 4H), c and y (N, T, H);
 * mask, m, u and what is first as in rnn_forward. */
static void lstm_forward(int N, int T, int H, const uint8_t *mask, const float *m, float *u,
                         const float *first, const float *first_c, const float *a, const float *Wh,
                         float *gates, float *c, float *y)
{
    for (int at = 0; at < N * T; at++) {
        const float *h = state_before(at, T, H, first, NULL, y);
        const float *before = state_before(at, T, H, first_c, NULL, c);
        float *f = gates + at * 4 * H, *g = f + H, *i = g + H, *o = i + H;
        float *next = c + at * H, *now = y + at * H;
        if (mask && !mask[at]) {
            copy_or_zero(H, h, now);
            copy_or_zero(H, before, next);
            continue;
        }
        memcpy(f, a + at * 4 * H, sizeof *a * (size_t)(4 * H));
        if (h) matmul(1, H, 4 * H, dropped(H, h, row_of(m, at / T, H), u), Wh, 4 * H, f); /* 1 */
        for (int j = 0; j < H; j++) {
            f[j] = logistic(f[j]); /* 2 */
            g[j] = tanhf(g[j]);
            i[j] = logistic(i[j]);
            o[j] = logistic(o[j]);
            next[j] = (before ? f[j] * before[j] : 0) + i[j] * g[j]; /* 3 */
            now[j] = o[j] * tanhf(next[j]);                          /* 4 */
        }
    }
}

/* From the last step to the first: dh[t] = dy[t] + da[t + 1] Wh^T, and dc goes back beside it;
 * dWh += sum over t of h[t - 1]^T da[t].  dh, dc, du (H): memory for one step; dlast and dfirst as
 * in rnn_backward. */
static void lstm_backward(int N, int T, int H, const uint8_t *mask, const float *m, float *u,
                          const float *first, const float *first_c, const float *Wh,
                          const float *gates, const float *c, const float *y, const float *dy,
                          const float *dlast, const float *dlast_c, float *dh, float *du, float *dc,
                          float *da, float *dWh, float *dfirst, float *dfirst_c)
{
    for (int at = N * T - 1; at >= 0; at--) {
        const float *before = state_before(at, T, H, first_c, NULL, c), *now = c + at * H;
        const float *drop = row_of(m, at / T, H);
        const float *f = gates + at * 4 * H, *g = f + H, *i = g + H, *o = i + H;
        float *df = da + at * 4 * H, *dg = df + H, *di = dg + H, *d_o = di + H;
        step_gradient(at, T, H, dlast, dy, dh);
        if (at % T == T - 1) copy_or_zero(H, row_of(dlast_c, at / T, H), dc);
        if (mask && !mask[at])
            memset(df, 0, sizeof *df * (size_t)(4 * H));
        else {
            for (int j = 0; j < H; j++) {
                float s = tanhf(now[j]);
                float ds = dc[j] + dh[j] * o[j] * (1 - s * s);              /* undoes 4 */
                d_o[j] = dh[j] * s * o[j] * (1 - o[j]);                     /* undoes 4 and 2 */
                df[j] = (before ? ds * before[j] : 0) * f[j] * (1 - f[j]);  /* undoes 3 and 2 */
                dg[j] = ds * i[j] * (1 - g[j] * g[j]);
                di[j] = ds * g[j] * i[j] * (1 - i[j]);
                dc[j] = ds * f[j]; /* undoes 3 */
            }
            memset(du, 0, sizeof *du * (size_t)H);
            matmul_dx(1, H, 4 * H, df, Wh, 4 * H, du); /* undoes 1 */
            for (int j = 0; j < H; j++) dh[j] = drop ? du[j] * drop[j] : du[j];
        }
        if (at % T) continue;
        const float *h = row_of(first, at / T, H);
        if (dWh) recurrent_dW(T, H, 4 * H, h, y + at * H, drop, u, df, dWh);
        if (dfirst) copy_or_zero(H, dh, dfirst + at / T * H);
        if (dfirst_c) copy_or_zero(H, dc, dfirst_c + at / T * H);
    }
}

/* [z r] = 1 / (1 + e^-(a + h Wh)), the first two blocks, h = h[t - 1]; n, the third:
 * with bh (the reset after the product)  q = h Wn + bh, n = tanh(a + r q);
 * without (the reset before it)          q = r h, n = tanh(a + q Wn), Wn the third block of Wh;
 * h[t] = z h + (1 - z) n, y = all h; where mask is 0, h stands still.
 * a (N, T, 3H): x Wx + b of every step, Wh (H, 3H), bh (H) or NULL, zero (H): h[-1] where there is
 * no first, gates (N, T, 3H), q and y (N, T, H); mask, m, u and first as in rnn_forward. */
static void gru_forward(int N, int T, int H, const uint8_t *mask, const float *m, float *u,
                        const float *first, const float *a, const float *Wh, const float *bh,
                        float *zero, float *gates, float *q, float *y)
{
    memset(zero, 0, sizeof *zero * (size_t)H);
    for (int at = 0; at < N * T; at++, q += H) {
        const float *h = state_before(at, T, H, first, zero, y);
        float *z = gates + at * 3 * H, *r = z + H, *n = r + H, *now = y + at * H;
        if (mask && !mask[at]) {
            copy_or_zero(H, h, now);
            continue;
        }
        const float *d = dropped(H, h, row_of(m, at / T, H), u);
        memcpy(z, a + at * 3 * H, sizeof *a * (size_t)(3 * H));
        matmul(1, H, 2 * H, d, Wh, 3 * H, z);                  /* 1 */
        for (int j = 0; j < 2 * H; j++) z[j] = logistic(z[j]); /* 2 */
        for (int j = 0; j < H; j++) q[j] = bh ? bh[j] : r[j] * d[j];
        if (bh) {
            matmul(1, H, H, d, Wh + 2 * H, 3 * H, q); /* 3 */
            for (int j = 0; j < H; j++) n[j] += r[j] * q[j];
        } else
            matmul(1, H, H, q, Wh + 2 * H, 3 * H, n);
        for (int j = 0; j < H; j++) {
            n[j] = tanhf(n[j]);                   /* 4 */
            now[j] = n[j] + z[j] * (h[j] - n[j]); /* 5 */
        }
    }
}

/* From the last step to the first; dh, du, dq (H): memory for one step.  dWh, dbh are added to;
 * dlast and dfirst as in rnn_backward. */
static void gru_backward(int N, int T, int H, const uint8_t *mask, const float *m, float *u,
                         const float *first, const float *Wh, const float *bh, const float *zero,
                         const float *gates, const float *q, const float *y, const float *dy,
                         const float *dlast, float *dh, float *du, float *dq, float *da, float *dWh,
                         float *dbh, float *dfirst)
{
    for (int at = N * T - 1; at >= 0; at--) {
        const float *z = gates + at * 3 * H, *r = z + H, *n = r + H, *k = q + at * H;
        const float *h = state_before(at, T, H, first, zero, y), *drop = row_of(m, at / T, H);
        float *dz = da + at * 3 * H, *dr = dz + H, *dn = dr + H;
        step_gradient(at, T, H, dlast, dy, dh);
        if (mask && !mask[at])
            memset(dz, 0, sizeof *dz * (size_t)(3 * H));
        else {
            const float *d = dropped(H, h, drop, u);
            for (int j = 0; j < H; j++) {
                dz[j] = dh[j] * (h[j] - n[j]) * z[j] * (1 - z[j]);  /* undoes 5 and 2 */
                dn[j] = dh[j] * (1 - z[j]) * (1 - n[j] * n[j]);     /* undoes 5 and 4 */
                dq[j] = bh ? dn[j] * r[j] : 0;
                du[j] = 0;
            }
            if (bh) { /* undoes 3 */
                for (int j = 0; j < H; j++) dr[j] = dn[j] * k[j];
                matmul_dx(1, H, H, dq, Wh + 2 * H, 3 * H, du);
                if (dWh) matmul_dW(1, H, H, d, dq, dWh + 2 * H, 3 * H);
                for (int j = 0; dbh && j < H; j++) dbh[j] += dq[j];
            } else {
                matmul_dx(1, H, H, dn, Wh + 2 * H, 3 * H, dq);
                for (int j = 0; j < H; j++) {
                    dr[j] = dq[j] * d[j];
                    du[j] = dq[j] * r[j];
                }
                if (dWh) matmul_dW(1, H, H, k, dn, dWh + 2 * H, 3 * H);
            }
            for (int j = 0; j < H; j++) dr[j] *= r[j] * (1 - r[j]); /* undoes 2 */
            matmul_dx(1, H, 2 * H, dz, Wh, 3 * H, du);              /* undoes 1 */
            if (dWh) matmul_dW(1, H, 2 * H, d, dz, dWh, 3 * H);
            for (int j = 0; j < H; j++) dh[j] = dh[j] * z[j] + (drop ? du[j] * drop[j] : du[j]);
        }
        if (dfirst && at % T == 0) copy_or_zero(H, dh, dfirst + at / T * H);
    }
}
