/* y = gamma (x - mean) r + beta, r = 1 / sqrt(variance + eps), of each channel, from the running
 * statistics.  x, y (N, C, P), gamma, beta, running_mean, running_var (C). */
static void batch_norm_forward(int N, int C, int P, float eps, const float *x, const float *gamma,
                               const float *beta, const float *running_mean,
                               const float *running_var, float *y)
{
    for (int n = 0; n < N; n++)
        for (int c = 0; c < C; c++) {
            float r = 1 / sqrtf(running_var[c] + eps);
            for (int p = 0; p < P; p++, x++, y++)
                *y = gamma[c] * ((*x - running_mean[c]) * r) + beta[c];
        }
}

/* The same with mean and variance of each channel over the batch and the image, which the running
 * statistics follow.  stats (C, 2): mean and r. */
static void batch_norm_train_forward(int N, int C, int P, float eps, float momentum,
                                     const float *x, const float *gamma, const float *beta,
                                     float *running_mean, float *running_var, float *stats,
                                     float *y)
{
    for (int c = 0; c < C; c++) {
        float mean = 0, variance = 0;
        for (int n = 0; n < N; n++)
            for (int p = 0; p < P; p++) mean += x[(n * C + c) * P + p];
        mean /= (float)(N * P);
        for (int n = 0; n < N; n++)
            for (int p = 0; p < P; p++) {
                float centred = x[(n * C + c) * P + p] - mean;
                variance += centred * centred;
            }
        variance /= (float)(N * P);
        if (N * P > 1) {
            running_mean[c] = momentum * running_mean[c] + (1 - momentum) * mean;
            running_var[c] = momentum * running_var[c] + (1 - momentum) * variance;
        }
        float r = 1 / sqrtf(variance + eps);
        for (int n = 0; n < N; n++)
            for (int p = 0; p < P; p++) {
                int i = (n * C + c) * P + p;
                y[i] = gamma[c] * ((x[i] - mean) * r) + beta[c];
            }
        stats[2 * c] = mean;
        stats[2 * c + 1] = r;
    }
}

/* With xhat = (x - mean) r and g = gamma dy, every mean over the batch and the image:
 * dgamma += sum of dy xhat, dbeta += sum of dy, dx = r (g - mean(g) - xhat mean(g xhat)). */
static void batch_norm_train_backward(int N, int C, int P, const float *x, const float *gamma,
                                      const float *stats, const float *dy, float *dx,
                                      float *dgamma, float *dbeta)
{
    for (int c = 0; c < C; c++) {
        float mean = stats[2 * c], r = stats[2 * c + 1], sum = 0, sum_xhat = 0;
        for (int n = 0; n < N; n++)
            for (int p = 0; p < P; p++) {
                int i = (n * C + c) * P + p;
                sum += dy[i];
                sum_xhat += dy[i] * ((x[i] - mean) * r);
            }
        if (dgamma) dgamma[c] += sum_xhat;
        if (dbeta) dbeta[c] += sum;
        for (int n = 0; dx && n < N; n++)
            for (int p = 0; p < P; p++) {
                int i = (n * C + c) * P + p;
                float xhat = (x[i] - mean) * r;
                dx[i] = r * gamma[c] * (dy[i] - (sum + xhat * sum_xhat) / (float)(N * P));
            }
    }
}

/* y = gamma (x - mean) r + beta, r = 1 / sqrt(variance + eps), of each group of C channels with P
 * elements each; where not `centred`, the mean counts as 0 (RMSNorm).
 * x, y (N, G, C, P), gamma, beta (G, C), beta NULL for 0; stats (N, G, 2): mean and r. */
static void group_norm_forward(int N, int G, int C, int P, float eps, int centred, const float *x,
                               const float *gamma, const float *beta, float *stats, float *y)
{
    int size = C * P;
    for (int k = 0; k < N * G; k++, x += size, y += size) {
        float mean = 0, variance = 0;
        for (int i = 0; i < size; i++) mean += x[i];
        mean = centred ? mean / (float)size : 0;
        for (int i = 0; i < size; i++) variance += (x[i] - mean) * (x[i] - mean);
        float r = 1 / sqrtf(variance / (float)size + eps);
        for (int i = 0; i < size; i++) {
            int c = k % G * C + i / P;
            y[i] = gamma[c] * ((x[i] - mean) * r) + (beta ? beta[c] : 0);
        }
        stats[2 * k] = mean;
        stats[2 * k + 1] = r;
    }
}

/* With xhat = (x - mean) r and g = gamma dy, every mean over the group: dgamma += sum of dy xhat,
 * dbeta += sum of dy, dx = r (g - mean(g) - xhat mean(g xhat)), without mean(g) if not centred. */
static void group_norm_backward(int N, int G, int C, int P, int centred, const float *x,
                                const float *gamma, const float *stats, const float *dy,
                                float *dx, float *dgamma, float *dbeta)
{
    int size = C * P;
    for (int k = 0; k < N * G; k++, x += size, dy += size) {
        float mean = stats[2 * k], r = stats[2 * k + 1], mean_g = 0, mean_gx = 0;
        for (int i = 0; i < size; i++) {
            int c = k % G * C + i / P;
            float xhat = (x[i] - mean) * r;
            if (dgamma) dgamma[c] += dy[i] * xhat;
            if (dbeta) dbeta[c] += dy[i];
            mean_g += dy[i] * gamma[c];
            mean_gx += dy[i] * gamma[c] * xhat;
        }
        mean_g = centred ? mean_g / (float)size : 0;
        mean_gx /= (float)size;
        for (int i = 0; dx && i < size; i++) {
            float g = dy[i] * gamma[k % G * C + i / P], xhat = (x[i] - mean) * r;
            *dx++ = r * (g - mean_g - xhat * mean_gx);
        }
    }
}
