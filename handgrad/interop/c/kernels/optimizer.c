/* p = p - rate (g + l2 p + decay p), for each of n parameters. */
static void sgd(int n, float rate, float l2, float decay, const float *g, float *p)
{
    for (int i = 0; i < n; i++) p[i] -= rate * (g[i] + (l2 + decay) * p[i]);
}

/* m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2, both counted from zero in step 1;
 * p = p - rate m' / (sqrt(v') + eps), m' = m / (1 - beta1^step), v' = v / (1 - beta2^step);
 * g has l2 p added, and p loses its share rate decay besides, for each of n parameters. */
static void adam(int n, float rate, float l2, float decay, double beta1, double beta2, float eps,
                 int32_t step, const float *g, float *p, float *m, float *v)
{
    float rest1 = (float)(1 - beta1), rest2 = (float)(1 - beta2);
    float c = (float)sqrt(1 - pow(beta2, step));
    float a = rate * c / (float)(1 - pow(beta1, step));
    for (int i = 0; i < n; i++) {
        float d = g[i] + l2 * p[i];
        p[i] *= 1 - rate * decay;
        m[i] = (float)beta1 * m[i] + rest1 * d;
        v[i] = (float)beta2 * v[i] + rest2 * d * d;
        p[i] -= a * m[i] / (sqrtf(v[i]) + eps * c);
    }
}
