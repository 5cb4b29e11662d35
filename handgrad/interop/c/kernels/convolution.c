/* A window that slides over an image (H, W) and gives an output (OH, OW): cell (i, j) of the
 * kernel (KH, KW) sees, for output (h, w), pixel (h SH + i DH - PH, w SW + j DW - PW). */
typedef struct {
    int H, W, OH, OW, KH, KW, SH, SW, DH, DW, PH, PW;
} Window;

/* The first output whose pixel, `at` after the first one's, is not before the image. */
static int first_inside(int at, int stride)
{
    return at < 0 ? (stride - 1 - at) / stride : 0;
}

/* The first output, of so many, whose pixel is behind the end of `size` pixels. */
static int stop_inside(int at, int stride, int size, int outputs)
{
    int stop = at < size ? (size - at + stride - 1) / stride : 0;
    return stop < outputs ? stop : outputs;
}

/* y[n, f, o] = b[f] + sum over c and k of W[f, c, k] x[n, c, pixel of o and k].
 * x (N, C, H, W), W (F, C / G, KH, KW), b (F) or NULL, y (N, F, OH, OW); G groups of channels. */
static void convolution_forward(int N, int C, int F, int G, const Window *v, const float *x,
                                const float *W, const float *b, float *y)
{
    int c_each = C / G, f_each = F / G;
    for (int n = 0; n < N; n++)
        for (int f = 0; f < F; f++) {
            float *image = y + (n * F + f) * v->OH * v->OW;
            const float *cell = W + f * c_each * v->KH * v->KW;
            for (int o = 0; o < v->OH * v->OW; o++) image[o] = b ? b[f] : 0;
            for (int c = f / f_each * c_each; c < (f / f_each + 1) * c_each; c++)
                for (int i = 0; i < v->KH; i++)
                    for (int j = 0; j < v->KW; j++, cell++) {
                        int up = i * v->DH - v->PH, left = j * v->DW - v->PW;
                        int first = first_inside(left, v->SW);
                        int stop = stop_inside(left, v->SW, v->W, v->OW);
                        int end = stop_inside(up, v->SH, v->H, v->OH);
                        for (int h = first_inside(up, v->SH); h < end; h++) {
                            int line = ((n * C + c) * v->H + h * v->SH + up) * v->W + left;
                            for (int w = first; w < stop; w++)
                                image[h * v->OW + w] += *cell * x[line + w * v->SW];
                        }
                    }
        }
}

/* dx[n, c, pixel of o and k] += W[f, c, k] dy[n, f, o], from zero on: each output gives back. */
static void convolution_dx(int N, int C, int F, int G, const Window *v, const float *W,
                           const float *dy, float *dx)
{
    int c_each = C / G, f_each = F / G;
    memset(dx, 0, sizeof *dx * (size_t)(N * C * v->H * v->W));
    for (int n = 0; n < N; n++)
        for (int f = 0; f < F; f++) {
            const float *image = dy + (n * F + f) * v->OH * v->OW;
            const float *cell = W + f * c_each * v->KH * v->KW;
            for (int c = f / f_each * c_each; c < (f / f_each + 1) * c_each; c++)
                for (int i = 0; i < v->KH; i++)
                    for (int j = 0; j < v->KW; j++, cell++) {
                        int up = i * v->DH - v->PH, left = j * v->DW - v->PW;
                        int first = first_inside(left, v->SW);
                        int stop = stop_inside(left, v->SW, v->W, v->OW);
                        int end = stop_inside(up, v->SH, v->H, v->OH);
                        for (int h = first_inside(up, v->SH); h < end; h++) {
                            int line = ((n * C + c) * v->H + h * v->SH + up) * v->W + left;
                            for (int w = first; w < stop; w++)
                                dx[line + w * v->SW] += *cell * image[h * v->OW + w];
                        }
                    }
        }
}

/* dW[f, c, k] += sum over n and o of dy[n, f, o] x[n, c, pixel of o and k]. */
static void convolution_dW(int N, int C, int F, int G, const Window *v, const float *x,
                           const float *dy, float *dW)
{
    int c_each = C / G, f_each = F / G;
    for (int n = 0; n < N; n++)
        for (int f = 0; f < F; f++) {
            const float *image = dy + (n * F + f) * v->OH * v->OW;
            float *cell = dW + f * c_each * v->KH * v->KW;
            for (int c = f / f_each * c_each; c < (f / f_each + 1) * c_each; c++)
                for (int i = 0; i < v->KH; i++)
                    for (int j = 0; j < v->KW; j++, cell++) {
                        int up = i * v->DH - v->PH, left = j * v->DW - v->PW;
                        int first = first_inside(left, v->SW);
                        int stop = stop_inside(left, v->SW, v->W, v->OW);
                        int end = stop_inside(up, v->SH, v->H, v->OH);
                        float sum = 0;
                        for (int h = first_inside(up, v->SH); h < end; h++) {
                            int line = ((n * C + c) * v->H + h * v->SH + up) * v->W + left;
                            for (int w = first; w < stop; w++)
                                sum += image[h * v->OW + w] * x[line + w * v->SW];
                        }
                        *cell += sum;
                    }
        }
}

/* y[n, f, o] += b[f].  b (F), y (N, F, P). */
static void channel_bias_forward(int N, int F, int P, const float *b, float *y)
{
    for (int n = 0; n < N; n++)
        for (int f = 0; f < F; f++)
            for (int p = 0; p < P; p++) y[(n * F + f) * P + p] += b[f];
}

/* db[f] += sum of dy[n, f, o] over n and o. */
static void channel_bias_backward(int N, int F, int P, const float *dy, float *db)
{
    for (int n = 0; n < N; n++)
        for (int f = 0; f < F; f++)
            for (int p = 0; p < P; p++) db[f] += dy[(n * F + f) * P + p];
}

/* The same as convolution_forward, W[f, c, k] being q[f, c, k] s[f], q integers of 8 bits. */
static void convolution_int8_forward(int N, int C, int F, int G, const Window *v, const float *x,
                                     const int8_t *q, const float *s, const float *b, float *y)
{
    int c_each = C / G, f_each = F / G;
    for (int n = 0; n < N; n++)
        for (int f = 0; f < F; f++) {
            float *image = y + (n * F + f) * v->OH * v->OW;
            const int8_t *cell = q + f * c_each * v->KH * v->KW;
            for (int o = 0; o < v->OH * v->OW; o++) image[o] = 0;
            for (int c = f / f_each * c_each; c < (f / f_each + 1) * c_each; c++)
                for (int i = 0; i < v->KH; i++)
                    for (int j = 0; j < v->KW; j++, cell++) {
                        int up = i * v->DH - v->PH, left = j * v->DW - v->PW;
                        int first = first_inside(left, v->SW);
                        int stop = stop_inside(left, v->SW, v->W, v->OW);
                        int end = stop_inside(up, v->SH, v->H, v->OH);
                        for (int h = first_inside(up, v->SH); h < end; h++) {
                            int line = ((n * C + c) * v->H + h * v->SH + up) * v->W + left;
                            for (int w = first; w < stop; w++)
                                image[h * v->OW + w] += (float)*cell * x[line + w * v->SW];
                        }
                    }
            for (int o = 0; o < v->OH * v->OW; o++)
                image[o] = image[o] * s[f] + (b ? b[f] : 0);
        }
}
