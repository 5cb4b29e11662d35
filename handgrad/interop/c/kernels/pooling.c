/* The first cell, in C order, that is largest in the window of output (h, w): its pixel. */
static int largest(const Window *v, const float *x, int h, int w)
{
    int best = -1;
    for (int i = 0; i < v->KH; i++)
        for (int j = 0; j < v->KW; j++) {
            int up = h * v->SH + i - v->PH, left = w * v->SW + j - v->PW;
            if (up < 0 || up >= v->H || left < 0 || left >= v->W) continue;
            if (best < 0 || x[up * v->W + left] > x[best]) best = up * v->W + left;
        }
    return best;
}

/* y[n, c, o] = the largest pixel of x[n, c] in the window of o; padding never wins.
 * x (images, H, W), y (images, OH, OW), an image for each sample and channel. */
static void max_pooling_forward(int images, const Window *v, const float *x, float *y)
{
    for (int n = 0; n < images; n++, x += v->H * v->W)
        for (int h = 0; h < v->OH; h++)
            for (int w = 0; w < v->OW; w++) *y++ = x[largest(v, x, h, w)];
}

/* dy goes to the pixel that was the largest, the first of equal ones; the others get nothing. */
static void max_pooling_backward(int images, const Window *v, const float *x, const float *dy,
                                 float *dx)
{
    memset(dx, 0, sizeof *dx * (size_t)(images * v->H * v->W));
    for (int n = 0; n < images; n++, x += v->H * v->W, dx += v->H * v->W)
        for (int h = 0; h < v->OH; h++)
            for (int w = 0; w < v->OW; w++) dx[largest(v, x, h, w)] += *dy++;
}

/* How many of k cells, from pixel `at` on, lie in [low, high). */
static int cells_inside(int at, int k, int low, int high)
{
    int first = at > low ? at : low, stop = at + k < high ? at + k : high;
    return stop - first;
}

/* y[n, c, o] = the mean of x[n, c] over the cells of the window of o that lie in the image, or,
 * where `padded`, in the image and its padding, which is (PH, bottom) and (PW, right) wide.
 * x (images, H, W), y (images, OH, OW), an image for each sample and channel. */
static void average_pooling_forward(int images, const Window *v, int padded, int bottom, int right,
                                    const float *x, float *y)
{
    for (int n = 0; n < images; n++, x += v->H * v->W)
        for (int h = 0; h < v->OH; h++)
            for (int w = 0; w < v->OW; w++) {
                int up = h * v->SH - v->PH, left = w * v->SW - v->PW;
                int rows = padded ? cells_inside(up, v->KH, -v->PH, v->H + bottom)
                                  : cells_inside(up, v->KH, 0, v->H);
                int columns = padded ? cells_inside(left, v->KW, -v->PW, v->W + right)
                                     : cells_inside(left, v->KW, 0, v->W);
                float sum = 0;
                for (int i = up < 0 ? 0 : up; i < up + v->KH && i < v->H; i++)
                    for (int j = left < 0 ? 0 : left; j < left + v->KW && j < v->W; j++)
                        sum += x[i * v->W + j];
                *y++ = sum / (float)(rows * columns);
            }
}

/* Every pixel of a window gets the same share of its dy. */
static void average_pooling_backward(int images, const Window *v, int padded, int bottom,
                                     int right, const float *dy, float *dx)
{
    memset(dx, 0, sizeof *dx * (size_t)(images * v->H * v->W));
    for (int n = 0; n < images; n++, dx += v->H * v->W)
        for (int h = 0; h < v->OH; h++)
            for (int w = 0; w < v->OW; w++) {
                int up = h * v->SH - v->PH, left = w * v->SW - v->PW;
                int rows = padded ? cells_inside(up, v->KH, -v->PH, v->H + bottom)
                                  : cells_inside(up, v->KH, 0, v->H);
                int columns = padded ? cells_inside(left, v->KW, -v->PW, v->W + right)
                                     : cells_inside(left, v->KW, 0, v->W);
                float share = *dy++ / (float)(rows * columns);
                for (int i = up < 0 ? 0 : up; i < up + v->KH && i < v->H; i++)
                    for (int j = left < 0 ? 0 : left; j < left + v->KW && j < v->W; j++)
                        dx[i * v->W + j] += share;
            }
}
