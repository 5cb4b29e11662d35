/* h[t] = tanh(a[t] + h[t - 1] Wh), h[-1] = 0, y = all h.
 * a (N, T, H): x Wx + b of every step, Wh (H, H), y (N, T, H). */
static void rnn_forward(int N, int T, int H, const float *a, const float *Wh, float *y)
{
    memcpy(y, a, sizeof *y * (size_t)(N * T * H));
    for (int n = 0; n < N; n++)
        for (int t = 0; t < T; t++, y += H) {
            if (t) matmul(1, H, H, y - H, Wh, H, y);
            for (int j = 0; j < H; j++) y[j] = tanhf(y[j]);
        }
}

/* From the last step to the first: dh[t] = dy[t] + da[t + 1] Wh^T, da[t] = dh[t] (1 - h[t]^2);
 * dWh += sum over t of h[t - 1]^T da[t]. */
static void rnn_backward(int N, int T, int H, const float *Wh, const float *y, const float *dy,
                         float *da, float *dWh)
{
    memcpy(da, dy, sizeof *da * (size_t)(N * T * H));
    for (int n = 0; n < N; n++, y += T * H, da += T * H) {
        for (int t = T - 1; t >= 0; t--) {
            const float *h = y + t * H;
            float *now = da + t * H;
            if (t < T - 1) matmul_dx(1, H, H, now + H, Wh, H, now);
            for (int j = 0; j < H; j++) now[j] *= 1 - h[j] * h[j];
        }
        if (dWh) matmul_dW(T - 1, H, H, y, da + H, dWh, H);
    }
}

/* [f g i o] = a[t] + h[t - 1] Wh, then 1 / (1 + e^-x) of f, i and o, and tanh of g;
 * c[t] = f c[t - 1] + i g, h[t] = o tanh(c[t]), y = all h.
 * a (N, T, 4H): x Wx + b of every step, Wh (H, 4H), gates (N, T, 4H), c and y (N, T, H). */
static void lstm_forward(int N, int T, int H, const float *a, const float *Wh, float *gates,
                         float *c, float *y)
{
    memcpy(gates, a, sizeof *a * (size_t)(N * T * 4 * H));
    for (int n = 0; n < N; n++)
        for (int t = 0; t < T; t++, gates += 4 * H, c += H, y += H) {
            float *f = gates, *g = f + H, *i = g + H, *o = i + H;
            if (t) matmul(1, H, 4 * H, y - H, Wh, 4 * H, gates); /* 1 */
            for (int j = 0; j < H; j++) {
                f[j] = logistic(f[j]); /* 2 */
                g[j] = tanhf(g[j]);
                i[j] = logistic(i[j]);
                o[j] = logistic(o[j]);
                c[j] = (t ? f[j] * c[j - H] : 0) + i[j] * g[j]; /* 3 */
                y[j] = o[j] * tanhf(c[j]);                      /* 4 */
            }
        }
}

/* From the last step to the first: dh[t] = dy[t] + da[t + 1] Wh^T, and dc goes back beside it;
 * dWh += sum over t of h[t - 1]^T da[t].  dh, dc (H): memory for one step. */
static void lstm_backward(int N, int T, int H, const float *Wh, const float *gates, const float *c,
                          const float *y, const float *dy, float *dh, float *dc, float *da,
                          float *dWh)
{
    for (int n = 0; n < N; n++, y += T * H, da += T * 4 * H) {
        memset(dc, 0, sizeof *dc * (size_t)H);
        for (int t = T - 1; t >= 0; t--) {
            int at = n * T + t;
            const float *f = gates + at * 4 * H, *g = f + H, *i = g + H, *o = i + H;
            const float *now = c + at * H;
            float *df = da + t * 4 * H, *dg = df + H, *di = dg + H, *d_o = di + H;
            memcpy(dh, dy + at * H, sizeof *dh * (size_t)H);
            if (t < T - 1) matmul_dx(1, H, 4 * H, df + 4 * H, Wh, 4 * H, dh); /* undoes 1 */
            for (int j = 0; j < H; j++) {
                float s = tanhf(now[j]);
                float ds = dc[j] + dh[j] * o[j] * (1 - s * s);          /* undoes 4 */
                d_o[j] = dh[j] * s * o[j] * (1 - o[j]);                 /* undoes 4 and 2 */
                df[j] = (t ? ds * now[j - H] : 0) * f[j] * (1 - f[j]);  /* undoes 3 and 2 */
                dg[j] = ds * i[j] * (1 - g[j] * g[j]);
                di[j] = ds * g[j] * i[j] * (1 - i[j]);
                dc[j] = ds * f[j]; /* undoes 3 */
            }
        }
        if (dWh) matmul_dW(T - 1, H, 4 * H, y, da + 4 * H, dWh, 4 * H);
    }
}

/* [z r] = 1 / (1 + e^-(a + h Wh)), the first two blocks, h = h[t - 1]; n, the third:
 * with bh (the reset after the product)  q = h Wn + bh, n = tanh(a + r q);
 * without (the reset before it)          q = r h, n = tanh(a + q Wn), Wn the third block of Wh;
 * h[t] = z h + (1 - z) n, y = all h.
 * a (N, T, 3H): x Wx + b of every step, Wh (H, 3H), bh (H) or NULL, zero (H): h[-1],
 * gates (N, T, 3H), q and y (N, T, H). */
static void gru_forward(int N, int T, int H, const float *a, const float *Wh, const float *bh,
                        float *zero, float *gates, float *q, float *y)
{
    memset(zero, 0, sizeof *zero * (size_t)H);
    memcpy(gates, a, sizeof *a * (size_t)(N * T * 3 * H));
    for (int at = 0; at < N * T; at++, gates += 3 * H, q += H, y += H) {
        float *z = gates, *r = z + H, *n = r + H;
        const float *h = at % T ? y - H : zero;
        matmul(1, H, 2 * H, h, Wh, 3 * H, z); /* 1 */
        for (int j = 0; j < 2 * H; j++) z[j] = logistic(z[j]); /* 2 */
        for (int j = 0; j < H; j++) q[j] = bh ? bh[j] : r[j] * h[j];
        if (bh) {
            matmul(1, H, H, h, Wh + 2 * H, 3 * H, q); /* 3 */
            for (int j = 0; j < H; j++) n[j] += r[j] * q[j];
        } else
            matmul(1, H, H, q, Wh + 2 * H, 3 * H, n);
        for (int j = 0; j < H; j++) {
            n[j] = tanhf(n[j]);                 /* 4 */
            y[j] = n[j] + z[j] * (h[j] - n[j]); /* 5 */
        }
    }
}

/* From the last step to the first; dh, dq (H): memory for one step.  dWh, dbh are added to. */
static void gru_backward(int N, int T, int H, const float *Wh, const float *bh, const float *zero,
                         const float *gates, const float *q, const float *y, const float *dy,
                         float *dh, float *dq, float *da, float *dWh, float *dbh)
{
    for (int at = N * T - 1; at >= 0; at--) {
        const float *z = gates + at * 3 * H, *r = z + H, *n = r + H, *k = q + at * H;
        const float *h = at % T ? y + (at - 1) * H : zero;
        float *dz = da + at * 3 * H, *dr = dz + H, *dn = dr + H;
        if (at % T == T - 1) memset(dh, 0, sizeof *dh * (size_t)H);
        for (int j = 0; j < H; j++) {
            dh[j] += dy[at * H + j];
            dz[j] = dh[j] * (h[j] - n[j]) * z[j] * (1 - z[j]);  /* undoes 5 and 2 */
            dn[j] = dh[j] * (1 - z[j]) * (1 - n[j] * n[j]);     /* undoes 5 and 4 */
            dh[j] *= z[j];
            dq[j] = bh ? dn[j] * r[j] : 0;
        }
        if (bh) { /* undoes 3 */
            for (int j = 0; j < H; j++) dr[j] = dn[j] * k[j];
            matmul_dx(1, H, H, dq, Wh + 2 * H, 3 * H, dh);
            if (dWh) matmul_dW(1, H, H, h, dq, dWh + 2 * H, 3 * H);
            for (int j = 0; dbh && j < H; j++) dbh[j] += dq[j];
        } else {
            matmul_dx(1, H, H, dn, Wh + 2 * H, 3 * H, dq);
            for (int j = 0; j < H; j++) {
                dr[j] = dq[j] * h[j];
                dh[j] += dq[j] * r[j];
            }
            if (dWh) matmul_dW(1, H, H, k, dn, dWh + 2 * H, 3 * H);
        }
        for (int j = 0; j < H; j++) dr[j] *= r[j] * (1 - r[j]); /* undoes 2 */
        matmul_dx(1, H, 2 * H, dz, Wh, 3 * H, dh);              /* undoes 1 */
        if (dWh) matmul_dW(1, H, 2 * H, h, dz, dWh, 3 * H);
    }
}
