/* y = a + b, elementwise.  a, b, y (n).  The gradient of both is dy. */
static void add_forward(int n, const float *a, const float *b, float *y)
{
    for (int i = 0; i < n; i++) y[i] = a[i] + b[i];
}

/* y = a - b, elementwise.  a, b, y (n).  The gradient of a is dy, that of b is -dy. */
static void sub_forward(int n, const float *a, const float *b, float *y)
{
    for (int i = 0; i < n; i++) y[i] = a[i] - b[i];
}

/* y = a b, elementwise.  a, b, y (n). */
static void mul_forward(int n, const float *a, const float *b, float *y)
{
    for (int i = 0; i < n; i++) y[i] = a[i] * b[i];
}

/* da = dy b, db = dy a; NULL for what is not needed. */
static void mul_backward(int n, const float *a, const float *b, const float *dy, float *da,
                         float *db)
{
    for (int i = 0; i < n; i++) {
        if (da) da[i] = dy[i] * b[i];
        if (db) db[i] = dy[i] * a[i];
    }
}

/* y = k x, elementwise.  x, y (n).  The gradient is the same of dy. */
static void scale_forward(int n, float k, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = k * x[i];
}

/* y[..., first : first + D, ...] = x: one of the arrays that stand side by side in y.
 * x (n, D, P), y (n, M, P). */
static void concat_forward(int n, int D, int M, int P, int first, const float *x, float *y)
{
    for (int i = 0; i < n; i++)
        memcpy(y + (i * M + first) * P, x + i * D * P, sizeof *y * (size_t)(D * P));
}

/* dx = dy[..., first : first + D, ...]. */
static void concat_backward(int n, int D, int M, int P, int first, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++)
        memcpy(dx + i * D * P, dy + (i * M + first) * P, sizeof *dx * (size_t)(D * P));
}

/* z = (x - mean) factor, for each column.  x, z (n, D), mean, factor (D).  No gradient is needed:
 * nothing learns before it. */
static void standardize_forward(int n, int D, const float *x, const float *mean,
                                const float *factor, float *z)
{
    for (int i = 0; i < n * D; i++) z[i] = (x[i] - mean[i % D]) * factor[i % D];
}

/* y = the elements of x that four loops meet: n of them, s apart, from x[first] on. */
static void strided_forward(int first, int n0, int s0, int n1, int s1, int n2, int s2, int n3,
                            int s3, const float *x, float *y)
{
    for (int i = 0; i < n0; i++)
        for (int j = 0; j < n1; j++)
            for (int k = 0; k < n2; k++)
                for (int l = 0; l < n3; l++) *y++ = x[first + i * s0 + j * s1 + k * s2 + l * s3];
}

/* dx, which was 0, gets dy where x was read; no element is read twice. */
static void strided_backward(int first, int n0, int s0, int n1, int s1, int n2, int s2, int n3,
                             int s3, const float *dy, float *dx)
{
    for (int i = 0; i < n0; i++)
        for (int j = 0; j < n1; j++)
            for (int k = 0; k < n2; k++)
                for (int l = 0; l < n3; l++) dx[first + i * s0 + j * s1 + k * s2 + l * s3] = *dy++;
}
