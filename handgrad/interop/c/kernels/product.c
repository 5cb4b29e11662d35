/* y += x W.  x (N, K), W (K, M) with rows `row` apart, y (N, M).
 * Four rows of W at once, so that y is read and written once for all four. */
static void matmul(int N, int K, int M, const float *x, const float *restrict W, int row,
                   float *restrict y)
{
    int whole = K / 4 * 4;
    for (int k = 0; k < whole; k += 4)
        for (int n = 0; n < N; n++) {
            const float *a = x + n * K + k;
            const float *w0 = W + k * row, *w1 = w0 + row, *w2 = w1 + row, *w3 = w2 + row;
            for (int m = 0; m < M; m++)
                y[n * M + m] += a[0] * w0[m] + a[1] * w1[m] + a[2] * w2[m] + a[3] * w3[m];
        }
    for (int k = whole; k < K; k++)
        for (int n = 0; n < N; n++)
            for (int m = 0; m < M; m++) y[n * M + m] += x[n * K + k] * W[k * row + m];
}

/* dx += dy W^T: each element is a row of dy times a row of W, in four sums. */
static void matmul_dx(int N, int K, int M, const float *dy, const float *W, int row, float *dx)
{
    int whole = M / 4 * 4;
    for (int n = 0; n < N; n++)
        for (int k = 0; k < K; k++) {
            const float *d = dy + n * M, *w = W + k * row;
            float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
            for (int m = 0; m < whole; m += 4) {
                s0 += d[m] * w[m];
                s1 += d[m + 1] * w[m + 1];
                s2 += d[m + 2] * w[m + 2];
                s3 += d[m + 3] * w[m + 3];
            }
            for (int m = whole; m < M; m++) s0 += d[m] * w[m];
            dx[n * K + k] += (s0 + s1) + (s2 + s3);
        }
}

/* dW += x^T dy: every sample adds x[k] dy to row k of dW, four samples at once. */
static void matmul_dW(int N, int K, int M, const float *x, const float *restrict dy,
                      float *restrict dW, int row)
{
    int whole = N / 4 * 4;
    for (int k = 0; k < K; k++) {
        float *dw = dW + k * row;
        for (int n = 0; n < whole; n += 4) {
            const float *d0 = dy + n * M, *d1 = d0 + M, *d2 = d1 + M, *d3 = d2 + M;
            const float *a = x + n * K + k;
            float a0 = a[0], a1 = a[K], a2 = a[2 * K], a3 = a[3 * K];
            for (int m = 0; m < M; m++)
                dw[m] += a0 * d0[m] + a1 * d1[m] + a2 * d2[m] + a3 * d3[m];
        }
        for (int n = whole; n < N; n++)
            for (int m = 0; m < M; m++) dw[m] += x[n * K + k] * dy[n * M + m];
    }
}

/* y = x W + b.  x (N, D), W (D, M), b (M) or NULL, y (N, M). */
static void affine_forward(int N, int D, int M, const float *x, const float *W, const float *b,
                           float *y)
{
    for (int n = 0; n < N; n++)
        for (int m = 0; m < M; m++) y[n * M + m] = b ? b[m] : 0;
    matmul(N, D, M, x, W, M, y);
}

/* dx = dy W^T, dW += x^T dy, db += sum of dy over the batch; NULL for what is not needed. */
static void affine_backward(int N, int D, int M, const float *x, const float *W, const float *dy,
                            float *dx, float *dW, float *db)
{
    if (dx) {
        memset(dx, 0, sizeof *dx * (size_t)(N * D));
        matmul_dx(N, D, M, dy, W, M, dx);
    }
    if (dW) matmul_dW(N, D, M, x, dy, dW, M);
    if (db)
        for (int n = 0; n < N; n++)
            for (int m = 0; m < M; m++) db[m] += dy[n * M + m];
}

/* y = (x q) s + b: the weight W[d][m] is q[d][m] s[m], q an integer of 8 bits.
 * x (N, D), q (D, M), s (M), b (M) or NULL, y (N, M). */
static void affine_int8_forward(int N, int D, int M, const float *x, const int8_t *q,
                                const float *s, const float *b, float *y)
{
    for (int n = 0; n < N; n++, x += D, y += M) {
        for (int m = 0; m < M; m++) y[m] = 0;
        for (int d = 0; d < D; d++)
            for (int m = 0; m < M; m++) y[m] += x[d] * (float)q[d * M + m];
        for (int m = 0; m < M; m++) y[m] = y[m] * s[m] + (b ? b[m] : 0);
    }
}

/* y[i] = row ids[i] of W.  ids (n), W (V, D), y (n, D). */
static void embedding_forward(int n, int D, const int32_t *ids, const float *W, float *y)
{
    for (int i = 0; i < n; i++) memcpy(y + i * D, W + ids[i] * D, sizeof *y * (size_t)D);
}

/* dW[ids[i]] += dy[i]: a row that was read twice gets both gradients. */
static void embedding_backward(int n, int D, const int32_t *ids, const float *dy, float *dW)
{
    for (int i = 0; i < n; i++)
        for (int d = 0; d < D; d++) dW[ids[i] * D + d] += dy[i * D + d];
}

/* y[:, at : at + n] = x[:, from : from + n].  x (N, D), y (N, M). */
static void columns_forward(int N, int D, int from, int n, int M, int at, const float *x, float *y)
{
    for (int i = 0; i < N; i++)
        memcpy(y + i * M + at, x + i * D + from, sizeof *y * (size_t)n);
}

/* y[:, at : at + E] = the rows of W from `start` on that the codes in a column of x name.
 * x (N, D), W (V, E), y (N, M). */
static void code_forward(int N, int D, int column, int start, int E, int M, int at, const float *x,
                         const float *W, float *y)
{
    for (int i = 0; i < N; i++) {
        int row = start + (int)rintf(x[i * D + column]);
        memcpy(y + i * M + at, W + row * E, sizeof *y * (size_t)E);
    }
}

/* dW[row] += dy[:, at : at + E] for the rows that were read. */
static void code_backward(int N, int D, int column, int start, int E, int M, int at, const float *x,
                          const float *dy, float *dW)
{
    for (int i = 0; i < N; i++) {
        int row = start + (int)rintf(x[i * D + column]);
        for (int e = 0; e < E; e++) dW[row * E + e] += dy[i * M + at + e];
    }
}
