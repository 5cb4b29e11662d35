/* 1 / (1 + e^-x), with the exponential of a negative number alone, so that nothing overflows. */
static float logistic(float x)
{
    float e = expf(-fabsf(x));
    return (x < 0 ? e : 1) / (1 + e);
}

/* The normal distribution function. */
static float normal(float x)
{
    return 0.5f * erfcf(-0.70710678f * x);
}

/* y = max(x, 0), elementwise.  x, y (n). */
static void relu_forward(int n, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = x[i] > 0 ? x[i] : 0;
}

/* dx = dy where x > 0, else 0. */
static void relu_backward(int n, const float *y, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++) dx[i] = y[i] > 0 ? dy[i] : 0;
}

/* y = x where x > 0, else alpha x, elementwise.  x, y (n). */
static void leaky_relu_forward(int n, float alpha, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = x[i] > 0 ? x[i] : alpha * x[i];
}

/* dx = dy where x > 0, else alpha dy. */
static void leaky_relu_backward(int n, float alpha, const float *x, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++) dx[i] = x[i] > 0 ? dy[i] : alpha * dy[i];
}

/* y = min(max(x, 0), 6), elementwise.  x, y (n). */
static void relu6_forward(int n, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = x[i] < 0 ? 0 : x[i] > 6 ? 6 : x[i];
}

/* dx = dy where 0 < x < 6, else 0. */
static void relu6_backward(int n, const float *y, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++) dx[i] = y[i] > 0 && y[i] < 6 ? dy[i] : 0;
}

/* y = x where x > 0, else alpha (e^x - 1), elementwise.  x, y (n). */
static void elu_forward(int n, float alpha, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = x[i] > 0 ? x[i] : alpha * expm1f(x[i]);
}

/* dx = dy where x > 0, else dy alpha e^x. */
static void elu_backward(int n, float alpha, const float *x, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++) dx[i] = x[i] > 0 ? dy[i] : dy[i] * alpha * expf(x[i]);
}

/* y = scale x where x > 0, else scale alpha (e^x - 1), elementwise.  x, y (n). */
static void selu_forward(int n, float scale, float alpha, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = scale * (x[i] > 0 ? x[i] : alpha * expm1f(x[i]));
}

/* dx = scale dy where x > 0, else scale alpha e^x dy. */
static void selu_backward(int n, float scale, float alpha, const float *x, const float *dy,
                          float *dx)
{
    for (int i = 0; i < n; i++) dx[i] = scale * dy[i] * (x[i] > 0 ? 1 : alpha * expf(x[i]));
}

/* y = x where x > 0, else alpha (e^(x / alpha) - 1), elementwise.  x, y (n). */
static void celu_forward(int n, float alpha, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = x[i] > 0 ? x[i] : alpha * expm1f(x[i] / alpha);
}

/* dx = dy where x > 0, else dy e^(x / alpha). */
static void celu_backward(int n, float alpha, const float *x, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++) dx[i] = x[i] > 0 ? dy[i] : dy[i] * expf(x[i] / alpha);
}

/* y = ln(1 + e^x), written so that nothing overflows, elementwise.  x, y (n). */
static void softplus_forward(int n, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = (x[i] > 0 ? x[i] : 0) + log1pf(expf(-fabsf(x[i])));
}

/* dx = dy / (1 + e^-x). */
static void softplus_backward(int n, const float *x, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++) dx[i] = dy[i] * logistic(x[i]);
}

/* y = 1 / (1 + e^-x), elementwise.  x, y (n). */
static void sigmoid_forward(int n, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = logistic(x[i]);
}

/* dx = dy y (1 - y). */
static void sigmoid_backward(int n, const float *y, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++) dx[i] = dy[i] * y[i] * (1 - y[i]);
}

/* y = tanh(x), elementwise.  x, y (n). */
static void tanh_forward(int n, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = tanhf(x[i]);
}

/* dx = dy (1 - y^2). */
static void tanh_backward(int n, const float *y, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++) dx[i] = dy[i] * (1 - y[i] * y[i]);
}

/* y = x / 6 + 1/2, cut to [0, 1], elementwise.  x, y (n). */
static void hard_sigmoid_forward(int n, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = fminf(fmaxf(x[i] / 6 + 0.5f, 0), 1);
}

/* dx = dy / 6 where 0 < y < 1, else 0. */
static void hard_sigmoid_backward(int n, const float *y, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++) dx[i] = y[i] > 0 && y[i] < 1 ? dy[i] / 6 : 0;
}

/* y = x / (1 + |x|), elementwise.  x, y (n). */
static void softsign_forward(int n, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = x[i] / (1 + fabsf(x[i]));
}

/* dx = dy / (1 + |x|)^2. */
static void softsign_backward(int n, const float *x, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++) dx[i] = dy[i] / ((1 + fabsf(x[i])) * (1 + fabsf(x[i])));
}

/* y = x s, s = 1 / (1 + e^-x), elementwise.  x, y (n). */
static void silu_forward(int n, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = x[i] * logistic(x[i]);
}

/* dx = dy (s + x s (1 - s)). */
static void silu_backward(int n, const float *x, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++) dx[i] = dy[i] * logistic(x[i]) * (1 + x[i] * (1 - logistic(x[i])));
}

/* y = x Phi(x), Phi the normal distribution function, elementwise.  x, y (n). */
static void gelu_forward(int n, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = x[i] * normal(x[i]);
}

/* dx = dy (Phi + x phi), phi the normal density. */
static void gelu_backward(int n, const float *x, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++) dx[i] = dy[i] * (normal(x[i]) + x[i] * 0.39894228f * expf(-0.5f * x[i] * x[i]));
}

/* y = x h, h = x / 6 + 1/2, cut to [0, 1], elementwise.  x, y (n). */
static void hard_swish_forward(int n, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = x[i] * fminf(fmaxf(x[i] / 6 + 0.5f, 0), 1);
}

/* dx = dy (h + x / 6) where -3 < x < 3, else dy h. */
static void hard_swish_backward(int n, const float *x, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++) dx[i] = x[i] <= -3 ? 0 : x[i] >= 3 ? dy[i] : dy[i] * (x[i] / 3 + 0.5f);
}

/* y = -x, elementwise.  x, y (n). */
static void neg_forward(int n, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = -x[i];
}

/* dx = -dy. */
static void neg_backward(int n, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++) dx[i] = -dy[i];
}

/* y = e^x, elementwise.  x, y (n). */
static void exp_forward(int n, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = expf(x[i]);
}

/* dx = dy y. */
static void exp_backward(int n, const float *y, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++) dx[i] = dy[i] * y[i];
}

/* y = e^x - 1, elementwise.  x, y (n). */
static void expm1_forward(int n, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = expm1f(x[i]);
}

/* dx = dy e^x. */
static void expm1_backward(int n, const float *y, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++) dx[i] = dy[i] * (y[i] + 1);
}

/* y = ln x, elementwise.  x, y (n). */
static void log_forward(int n, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = logf(x[i]);
}

/* dx = dy / x. */
static void log_backward(int n, const float *x, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++) dx[i] = dy[i] / x[i];
}

/* y = ln(1 + x), elementwise.  x, y (n). */
static void log1p_forward(int n, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = log1pf(x[i]);
}

/* dx = dy / (1 + x). */
static void log1p_backward(int n, const float *x, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++) dx[i] = dy[i] / (1 + x[i]);
}

/* y = the root of x, elementwise.  x, y (n). */
static void sqrt_forward(int n, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = sqrtf(x[i]);
}

/* dx = dy / (2 y). */
static void sqrt_backward(int n, const float *y, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++) dx[i] = dy[i] / (2 * y[i]);
}

/* y = |x|, elementwise.  x, y (n). */
static void abs_forward(int n, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = fabsf(x[i]);
}

/* dx = dy sign(x), 0 at 0. */
static void abs_backward(int n, const float *x, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++) dx[i] = x[i] > 0 ? dy[i] : x[i] < 0 ? -dy[i] : 0;
}

/* y = erf(x), elementwise.  x, y (n). */
static void erf_forward(int n, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = erff(x[i]);
}

/* dx = dy 2 / sqrt(pi) e^(-x^2). */
static void erf_backward(int n, const float *x, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++) dx[i] = dy[i] * 1.12837917f * expf(-x[i] * x[i]);
}

/* y = x p, p = (1 + tanh u) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3), elementwise.  x, y (n). */
static void gelu_tanh_forward(int n, const float *x, float *y)
{
    for (int i = 0; i < n; i++) {
        float u = 0.79788456f * (x[i] + 0.044715f * x[i] * x[i] * x[i]);
        y[i] = x[i] * 0.5f * (1 + tanhf(u));
    }
}

/* dx = dy (p + x dp), dp = (1 - tanh^2 u) / 2 du. */
static void gelu_tanh_backward(int n, const float *x, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++) {
        float t = tanhf(0.79788456f * (x[i] + 0.044715f * x[i] * x[i] * x[i]));
        float du = 0.79788456f * (1 + 3 * 0.044715f * x[i] * x[i]);
        dx[i] = dy[i] * 0.5f * (1 + t + x[i] * (1 - t * t) * du);
    }
}

/* y = x t, t = tanh(ln(1 + e^x)), elementwise.  x, y (n). */
static void mish_forward(int n, const float *x, float *y)
{
    for (int i = 0; i < n; i++)
        y[i] = x[i] * tanhf((x[i] > 0 ? x[i] : 0) + log1pf(expf(-fabsf(x[i]))));
}

/* dx = dy (t + x (1 - t^2) / (1 + e^-x)). */
static void mish_backward(int n, const float *x, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++) {
        float t = tanhf((x[i] > 0 ? x[i] : 0) + log1pf(expf(-fabsf(x[i]))));
        dx[i] = dy[i] * (t + x[i] * (1 - t * t) * logistic(x[i]));
    }
}

/* y = x where x > 0, else a[c] x.  x, y (N, C, P), a (C). */
static void prelu_forward(int N, int C, int P, const float *x, const float *a, float *y)
{
    for (int i = 0; i < N * C * P; i++) y[i] = x[i] > 0 ? x[i] : a[i / P % C] * x[i];
}

/* dx = dy where x > 0, else a[c] dy; da[c] += sum of dy x where x <= 0. */
static void prelu_backward(int N, int C, int P, const float *x, const float *a, const float *dy,
                           float *dx, float *da)
{
    for (int i = 0; i < N * C * P; i++) {
        if (da && x[i] <= 0) da[i / P % C] += dy[i] * x[i];
        if (dx) dx[i] = x[i] > 0 ? dy[i] : a[i / P % C] * dy[i];
    }
}

/* y = a s, s = 1 / (1 + e^-b), a and b being the halves of x.  x (n, 2, P), y (n, P). */
static void glu_forward(int n, int P, const float *x, float *y)
{
    for (int i = 0; i < n; i++, x += 2 * P, y += P)
        for (int p = 0; p < P; p++) y[p] = x[p] * logistic(x[P + p]);
}

/* da = dy s, db = dy a s (1 - s), side by side. */
static void glu_backward(int n, int P, const float *x, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++, x += 2 * P, dx += 2 * P, dy += P)
        for (int p = 0; p < P; p++) {
            float s = logistic(x[P + p]);
            dx[p] = dy[p] * s;
            dx[P + p] = dy[p] * x[p] * s * (1 - s);
        }
}

/* y[c] = e^x[c] / sum of e^x, the largest x subtracted first.  x, y (n, C, P), along C. */
static void softmax_forward(int n, int C, int P, const float *x, float *y)
{
    for (int i = 0; i < n; i++, x += C * P, y += C * P)
        for (int p = 0; p < P; p++) {
            float top = x[p], sum = 0;
            for (int c = 1; c < C; c++) top = fmaxf(top, x[c * P + p]);
            for (int c = 0; c < C; c++) sum += y[c * P + p] = expf(x[c * P + p] - top);
            for (int c = 0; c < C; c++) y[c * P + p] /= sum;
        }
}

/* dx = y (dy - sum of dy y). */
static void softmax_backward(int n, int C, int P, const float *y, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++, y += C * P, dy += C * P, dx += C * P)
        for (int p = 0; p < P; p++) {
            float sum = 0;
            for (int c = 0; c < C; c++) sum += dy[c * P + p] * y[c * P + p];
            for (int c = 0; c < C; c++) dx[c * P + p] = y[c * P + p] * (dy[c * P + p] - sum);
        }
}

/* y[c] = x[c] - ln(sum of e^x), the largest x subtracted first.  x, y (n, C, P), along C. */
static void log_softmax_forward(int n, int C, int P, const float *x, float *y)
{
    for (int i = 0; i < n; i++, x += C * P, y += C * P)
        for (int p = 0; p < P; p++) {
            float top = x[p], sum = 0;
            for (int c = 1; c < C; c++) top = fmaxf(top, x[c * P + p]);
            for (int c = 0; c < C; c++) sum += expf(x[c * P + p] - top);
            for (int c = 0; c < C; c++) y[c * P + p] = x[c * P + p] - top - logf(sum);
        }
}

/* dx = dy - e^y sum of dy. */
static void log_softmax_backward(int n, int C, int P, const float *y, const float *dy, float *dx)
{
    for (int i = 0; i < n; i++, y += C * P, dy += C * P, dx += C * P)
        for (int p = 0; p < P; p++) {
            float sum = 0;
            for (int c = 0; c < C; c++) sum += dy[c * P + p];
            for (int c = 0; c < C; c++) dx[c * P + p] = dy[c * P + p] - expf(y[c * P + p]) * sum;
        }
}
