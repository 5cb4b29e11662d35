/* loss = the mean of -ln p[label], p = softmax(y); dy = (p - one-hot label) / n.
 * y, dy (n, C), t (n): labels from 0 to C - 1. */
static float softmax_cross_entropy(int n, int C, const float *y, const int32_t *t, float *dy)
{
    float loss = 0;
    for (int i = 0; i < n; i++, y += C, dy += C) {
        float top = y[0], sum = 0;
        for (int c = 1; c < C; c++) top = fmaxf(top, y[c]);
        for (int c = 0; c < C; c++) sum += dy[c] = expf(y[c] - top);
        loss += logf(sum) + top - y[t[i]];
        for (int c = 0; c < C; c++) dy[c] /= sum * (float)n;
        dy[t[i]] -= 1 / (float)n;
    }
    return loss / (float)n;
}

/* loss = the sum of -v[label] ln p[label] / D, D the sum of v[label], p = softmax(y);
 * dy = v[label] (p - one-hot label) / D.  y, dy (n, C), t (n), v (C): the classes' weights. */
static float weighted_softmax_cross_entropy(int n, int C, const float *v, const float *y,
                                            const int32_t *t, float *dy)
{
    float loss = 0, whole = 0;
    for (int i = 0; i < n; i++) whole += v[t[i]];
    if (whole == 0) whole = 1;
    for (int i = 0; i < n; i++, y += C, dy += C) {
        float top = y[0], sum = 0, share = v[t[i]] / whole;
        for (int c = 1; c < C; c++) top = fmaxf(top, y[c]);
        for (int c = 0; c < C; c++) sum += dy[c] = expf(y[c] - top);
        loss += share * (logf(sum) + top - y[t[i]]);
        for (int c = 0; c < C; c++) dy[c] *= share / sum;
        dy[t[i]] -= share;
    }
    return loss;
}

/* loss = the mean of max(y, 0) - y t + ln(1 + e^-|y|); dy = (1 / (1 + e^-y) - t) / n.
 * y, t, dy (n): scores, and targets from 0 to 1. */
static float sigmoid_cross_entropy(int n, const float *y, const float *t, float *dy)
{
    float loss = 0;
    for (int i = 0; i < n; i++) {
        loss += fmaxf(y[i], 0) - y[i] * t[i] + log1pf(expf(-fabsf(y[i])));
        dy[i] = (logistic(y[i]) - t[i]) / (float)n;
    }
    return loss / (float)n;
}

/* loss = the mean of (y - t)^2; dy = 2 (y - t) / n.  y, t, dy (n). */
static float mean_squared_error(int n, const float *y, const float *t, float *dy)
{
    float loss = 0;
    for (int i = 0; i < n; i++) {
        loss += (y[i] - t[i]) * (y[i] - t[i]);
        dy[i] = 2 * (y[i] - t[i]) / (float)n;
    }
    return loss / (float)n;
}

/* loss = half the sum of (y - t)^2; dy = y - t.  y, t, dy (n). */
static float sum_squared_error(int n, const float *y, const float *t, float *dy)
{
    float loss = 0;
    for (int i = 0; i < n; i++) {
        loss += 0.5f * (y[i] - t[i]) * (y[i] - t[i]);
        dy[i] = y[i] - t[i];
    }
    return loss;
}

/* loss = the mean of |y - t|; dy = sign(y - t) / n, 0 at y = t.  y, t, dy (n). */
static float mean_absolute_error(int n, const float *y, const float *t, float *dy)
{
    float loss = 0;
    for (int i = 0; i < n; i++) {
        loss += fabsf(y[i] - t[i]);
        dy[i] = (float)((y[i] > t[i]) - (y[i] < t[i])) / (float)n;
    }
    return loss / (float)n;
}

/* loss = the mean of c (e - c / 2), e = y - t, c = e cut to [-delta, delta]; dy = c / n.
 * y, t, dy (n). */
static float huber(int n, float delta, const float *y, const float *t, float *dy)
{
    float loss = 0;
    for (int i = 0; i < n; i++) {
        float e = y[i] - t[i], c = fminf(fmaxf(e, -delta), delta);
        loss += c * (e - c / 2);
        dy[i] = c / (float)n;
    }
    return loss / (float)n;
}
