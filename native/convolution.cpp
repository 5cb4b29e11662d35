// Convolution on images that lie channels last, its gradients, and its transpose: all products
// whose A is the image, reached through a table of where each window begins.
#include "cuts.h"
#include "panels.h"
#include "pool.h"

namespace hg::HG_ISA {

namespace {

#define HG_FILTERED HG_WINDOW, (filters, fixed(1, kLongest)), (groups, fixed(1, kLongest))
HG_ARGS(Filtered, HG_FILTERED)

constexpr int64_t kPiece = 24 << 10;  // words of padded lines that are worth having in the cache at once
constexpr int64_t kLeast = 48;        // outputs of a unit, at least, where images are small

int64_t over(int64_t a, int64_t b) { return (a + b - 1) / b; }

// How images lie when windows read them: as they are, or copied with their padding.
struct Lie {
  bool direct;
  int64_t channels, pixel, line, image;  // elements of a pixel that are read; words from one to the next

  Lie(const Window& w, int64_t groups, bool direct, int64_t gap = 0)
      : direct(direct), channels(w.c / groups), pixel(direct ? w.c : channels + gap),
        line((direct ? w.w : w.columns()) * pixel),
        image((direct ? w.h : w.lines(w.oh)) * line) {}

  int32_t output(const Window& w, int64_t oh, int64_t ow) const {  // where its window begins
    return int32_t(oh * w.sh * line + ow * w.sw * pixel);
  }
  int32_t cell(const Window& w, int64_t kh, int64_t kw) const {
    return int32_t(kh * w.dh * line + kw * w.dw * pixel);
  }
};

// -- convolution: y = epilogue(b + Σ W x) ----------------------------------------------------

HG_ARGS(Convolution, HG_FILTERED, HG_IMAGES,
        (weights, reads()),  // in panels, a set for each group
        (y, writes()),       // (images, out_height, out_width, filters), or what the pooling leaves
        (bias, read(filters).maybe()), (op, option<Activation>()),
        (derivative_at, reads().maybe()),  // what has the shape of y, whose derivative multiplies it
        // Of the max pooling that follows, if there is one: its cells, and which of them are the maxima.
        (pool_height, fixed(0, kNone).maybe()), (pool_width, fixed(0, kNone).maybe()),
        (which, writes().bytes().maybe()),
        HG_OP_OPTIONS)

// How the work is cut into units.
struct Plan {
  Lie lie;
  int64_t images, lines, stop, groups;  // the lines of an image end at `stop`
  int64_t blocks() const { return over(stop, lines); }
  int64_t units(const Window& w) const { return over(w.n, images) * groups * blocks(); }
};

Plan plan(const Job& j) {
  using A = Convolution;
  Window w = Window::of(j);
  int64_t groups = j.i(A::groups), images = over(kLeast, w.pixels());
  int64_t pool = j.i(A::pool_height) ? j.i(A::pool_height) : 1;
  Plan p{Lie(w, groups, groups == 1 && w.inside() && !(j.i(A::indexed) && images > 1)), images, w.oh, w.oh, groups};
  if (images > 1) return p;
  p.stop = p.lines = w.oh / pool * pool;  // lines that no pooling window reaches are not needed
  int64_t reach = (w.kh - 1) * w.dh + 1, fit = (kPiece / p.lie.line - reach) / w.sh + 1;
  int64_t pieces = over(p.lines, fit < 1 ? 1 : fit);
  p.lines = over(over(p.lines, pieces), pool) * pool;
  return p;
}

// The sizes of a row with windows and filters, checked.
struct Extent { int64_t n, outputs, words, cells, filters, groups, reached; };

Extent check_filters(Check& c) {
  using A = Filtered;
  int64_t reached = check_window(c);
  Extent e{c.size(A::images), c.times(c.size(A::out_height), c.size(A::out_width)), 0,
           c.times(c.size(A::kernel_height), c.size(A::kernel_width)), c.size(A::filters), c.size(A::groups), reached};
  int64_t channels = c.size(A::channels);
  e.words = c.times(c.times(c.size(A::height), c.size(A::width)), channels);
  c.require(e.groups && channels % e.groups == 0 && e.filters % e.groups == 0,
            "groups must divide channels and filters");
  c.require(c.times(e.cells, channels) <= kLargest && e.outputs <= kLargest, "a window is too large");
  return c.fault ? Extent{0, 1, 1, 1, 1, 1, 1} : e;
}

void require_images(Check& c, const Extent& e, int64_t images) {  // their offsets are kept as 32 bits
  c.require(c.times(e.reached > e.words ? e.reached : e.words, images) <= kLargest, "an image is too large");
  c.require(c.times(c.times(e.outputs, images), e.filters + 16) <= kLargest, "an output is too large");
}

// Outputs of an image after the max pooling whose cells stand at `arg`, if there is one.
int64_t check_pool(Check& c, int arg, int64_t outputs) {
  int64_t ph = c.size(arg), pw = c.size(arg + 1), oh = c.size(Windows::out_height), ow = c.size(Windows::out_width);
  c.require((ph > 0) == (pw > 0) && ph <= oh && pw <= ow && ph * pw <= kNone, "a pooling window does not fit");
  return c.fault || !ph ? outputs : (oh / ph) * (ow / pw);
}

void check_convolution(Check& c) {
  Extent e = check_filters(c);
  require_images(c, e, over(kLeast, e.outputs));
  using A = Convolution;
  int64_t deep = c.times(e.cells, c.size(A::channels) / e.groups);
  c.holds(A::weights, c.times(e.groups, panel_words(deep, e.filters / e.groups)));
  int64_t words = c.times(e.n, c.times(check_pool(c, A::pool_height, e.outputs), e.filters));
  for (int k : {A::y, A::derivative_at, A::which}) c.holds(k, words);
  c.require(!(c.has(A::derivative_at) && c.size(A::pool_height)), "a derivative is not pooled");
}

int64_t convolution_units(const Job& j) { return plan(j).units(Window::of(j)); }

// Where the windows of a unit's outputs begin; then where their stretches do.
int64_t prepare_convolution(const Job& j, void* kept) {
  Window w = Window::of(j);
  Plan p = plan(j);
  int64_t outputs = p.images * w.pixels();
  if (auto* table = static_cast<int32_t*>(kept)) {
    for (int64_t n = 0; n < p.images; n++)
      for (int64_t h = 0; h < w.oh; h++)
        for (int64_t q = 0; q < w.ow; q++) *table++ = int32_t(n * p.lie.image) + p.lie.output(w, h, q);
    for (int64_t h = 0; h < w.kh; h++) for (int64_t q = 0; q < w.kw; q++) *table++ = p.lie.cell(w, h, q);
  }
  return (outputs + w.kh * w.kw) * 4;
}

// The image of a product: rows are outputs, columns the cells and channels of a window.
Operand windows(const Window& w, const Lie& lie, const void* kept, int64_t outputs) {
  Operand a{};
  a.row_table = static_cast<const int32_t*>(kept), a.row_step = 1;
  if (w.dw == 1 && lie.pixel == lie.channels) {  // the cells of a line lie next to each other
    a.runs = w.kh, a.run = w.kw * lie.channels, a.run_step = w.dh * lie.line;
  } else {
    a.runs = w.kh * w.kw, a.run = lie.channels, a.run_table = a.row_table + outputs, a.run_step = 1;
  }
  return a;
}

// Some images from the n-th on, or some lines of one, for one group.
struct Unit { int64_t n, images, line, lines, group; };

Unit unit(const Window& w, const Plan& p, int64_t number) {
  int64_t blocks = p.blocks(), n = number / blocks / p.groups * p.images, line = number % blocks * p.lines;
  return {n, p.images < w.n - n ? p.images : w.n - n, line, p.lines < p.stop - line ? p.lines : p.stop - line,
          number / blocks % p.groups};
}

// Where a unit's windows begin: in x itself, or in `copy`, padded.
template <class A>
const float* padded(const Job& j, const Window& w, const Lie& lie, const Unit& u, float* copy) {
  if (lie.direct) return image<A>(j, w, u.n) + u.line * w.sh * lie.line;
  for (int64_t i = 0; i < u.images; i++)
    copy_padded(w, image<A>(j, w, u.n + i) + u.group * lie.channels, u.line * w.sh, w.lines(u.lines), lie.channels,
                lie.pixel, copy + i * lie.image);
  return copy;
}

// The convolution `c` of a unit, `width` words for every pixel, pooled into y. What follows it never falls
// where it grows, so it can follow the maximum.
void pool_unit(const Job& j, const Window& w, const Options& options, const Unit& u, int64_t each, int64_t width,
               const float* c) {
  using A = Convolution;
  Window tiles = Window::tiles(u.lines, w.ow, width, j.i(Convolution::pool_height), j.i(Convolution::pool_height + 1));
  int64_t f = j.i(A::filters), first = u.group * each, size = w.oh / tiles.kh * tiles.ow;  // pooled pixels of an image
  for (int64_t i = 0; i < u.images; i++) {
    int64_t to = ((u.n + i) * size + u.line / tiles.kh * tiles.ow) * f + first;
    max_pool(tiles, each, c + i * w.pixels() * width, f, j.f(A::y) + to,
             j.has(A::which) ? j.u(A::which) + to : nullptr);
    epilogue(j.i(A::op), options, j.f(A::y) + to, f, int(tiles.pixels()), each,
             j.has(A::bias) ? j.f(A::bias) + first : nullptr, nullptr);
  }
}

int64_t copied(const Window& w, const Plan& p) {  // words of a unit's padded copy
  int64_t words = p.lie.direct ? 0 : p.images > 1 ? p.images * p.lie.image : w.lines(p.lines) * p.lie.line;
  return over(words, 16) * 16;
}

void run_convolution(const Job& j, int64_t begin, int64_t end, Scratch scratch) {
  using A = Convolution;
  Window w = Window::of(j);
  Plan p = plan(j);
  Options options(j, A::op_a);
  int64_t f = j.i(A::filters), each = f / p.groups, width = over(each, W) * W, deep = w.kh * w.kw * p.lie.channels;
  Operand a = windows(w, p.lie, j.kept, p.images * w.pixels());
  for (int64_t k = begin; k < end; k++) {
    Unit u = unit(w, p, k);
    int64_t first = u.group * each, from = (u.n * w.oh + u.line) * w.ow * f + first, rows = u.images * u.lines * w.ow;
    const float* weights = j.f(A::weights) + u.group * panel_words(deep, each);
    a.base = padded<Convolution>(j, w, p.lie, u, scratch.memory);
    if (j.i(A::pool_height)) {
      float* c = scratch.memory + copied(w, p);
      multiply_panels(a, weights, deep, rows, width, c, width, false, nothing);
      pool_unit(j, w, options, u, each, width, c);
      continue;
    }
    float* y = j.f(A::y) + from;
    auto follow = [&](int64_t i, int height, int64_t at, int64_t columns) {
      int64_t to = i * f + at;
      epilogue(j.i(A::op), options, y + to, f, height, columns, j.has(A::bias) ? j.f(A::bias) + first + at : nullptr,
             j.has(A::derivative_at) ? j.f(A::derivative_at) + from + to : nullptr);
    };
    multiply_panels(a, weights, deep, rows, each, y, f, false, follow);
  }
}

int64_t convolution_scratch(const Job& j) {
  using A = Convolution;
  Window w = Window::of(j);
  Plan p = plan(j);
  int64_t width = over(j.i(A::filters) / p.groups, W) * W;
  return copied(w, p) + (j.i(A::pool_height) ? p.images * p.lines * w.ow * width : 0);
}

double products(const Job& j) {  // multiplications of a convolution
  Window w = Window::of(j);
  int64_t filters = j.i(Filtered::filters), each = w.c / j.i(Filtered::groups);
  return double(w.n * w.pixels()) * double(w.kh * w.kw) * double(each) * double(filters);
}

Cost convolution_cost(const Job& j) {
  Window w = Window::of(j);
  return {2 * products(j), 4 * double(w.n) * double(w.h * w.w * w.c + w.pixels() * j.i(Filtered::filters))};
}

// -- filter_gradient: dW = Σ x dy, db = Σ dy, one sum for each EACH images of a shard -------

HG_ARGS(FilterGradient, HG_FILTERED, HG_IMAGES,
        (each, fixed(1, kLongest)),     // images of a part
        (parts, writes()),              // of dW: (parts, groups, kernel · channels / groups, filters / groups)
        (dy, reads()),                  // (images, out_height, out_width, filters), or what the pooling got
        (bias_parts, writes().maybe()),  // of db: (parts, filters)
        (pool_height, fixed(0, kNone).maybe()), (pool_width, fixed(0, kNone).maybe()), (which, reads().bytes().maybe()),
        (op, option<Activation>()), (derivative_at, reads().maybe()),  // what was left, whose derivative multiplies dy
        HG_OP_OPTIONS)

constexpr int64_t kDeep = 256;  // outputs that one product sums, at least, where images are small

struct Sums {
  Lie lie;
  int64_t images;  // that one product takes
};

// Channels that are a multiple of 16 would put all pixels into few sets of the cache: a gap helps.
Sums sums(const Job& j) {
  using A = FilterGradient;
  Window w = Window::of(j);
  int64_t groups = j.i(Filtered::groups), images = over(kDeep, w.pixels());
  if (images > j.i(A::each)) images = j.i(A::each);
  bool direct = groups == 1 && w.inside() && !(j.i(A::indexed) && images > 1);
  return {Lie(w, groups, direct, w.c / groups % 32 ? 0 : 16), images};
}

void check_filter_gradient(Check& c) {
  Extent e = check_filters(c);
  using A = FilterGradient;
  int64_t each = c.size(A::each), images = over(kDeep, e.outputs);
  require_images(c, e, c.times(2, images < each ? images : each));  // twice, for the gaps
  int64_t parts = each ? c.parts(Windows::images, each) : 0, deep = c.times(e.cells, c.size(A::channels) / e.groups);
  c.holds(A::parts, c.times(parts, c.times(deep, e.filters)));
  c.holds(A::bias_parts, c.times(parts, e.filters));
  int64_t words = c.times(e.n, c.times(check_pool(c, A::pool_height, e.outputs), e.filters));
  for (int k : {A::dy, A::which, A::derivative_at}) c.holds(k, words);
  if (c.size(A::pool_height)) c.needs(A::which);
}

int64_t filter_gradient_units(const Job& j) {
  return Parts(j, j.i(Windows::images), j.i(FilterGradient::each)).numbers() * j.i(Filtered::groups);
}

// Where each weight's first number lies; then where the lines of outputs begin.
int64_t prepare_filter_gradient(const Job& j, void* kept) {
  Window w = Window::of(j);
  Sums s = sums(j);
  if (auto* table = static_cast<int32_t*>(kept)) {
    for (int64_t h = 0; h < w.kh; h++)
      for (int64_t q = 0; q < w.kw; q++)
        for (int64_t c = 0; c < s.lie.channels; c++) *table++ = s.lie.cell(w, h, q) + int32_t(c);
    for (int64_t n = 0; n < s.images; n++)
      for (int64_t h = 0; h < w.oh; h++) *table++ = int32_t(n * s.lie.image) + s.lie.output(w, h, 0);
  }
  return (w.kh * w.kw * s.lie.channels + s.images * w.oh) * 4;
}

// sums[j] = Σ of dy[k][j] over k, or added to that: four chains, then their sum.
void sum_pixels(const float* dy, int64_t step, int64_t count, int64_t columns, float* sums, bool add) {
  by_vectors(columns, [&](int64_t q, int64_t n) {
    vec chain[4] = {set1(0), set1(0), set1(0), set1(0)};
    int64_t k = 0;
    for (; k + 4 <= count; k += 4) for (int c = 0; c < 4; c++) chain[c] = chain[c] + load(dy + (k + c) * step + q);
    vec sum = (chain[0] + chain[1]) + (chain[2] + chain[3]);
    for (; k < count; k++) sum = sum + load(dy + k * step + q);
    put(sums + q, add ? part(sums + q, n) + sum : sum, n);
  });
}

// dy of `images` images from the n-th on, filters [first, first + each), as panels for a product.
const float* panels_of(const Job& j, const Window& w, int64_t n, int64_t images, int64_t first, int64_t each,
                       float* out) {
  using A = FilterGradient;
  int64_t f = j.i(A::filters), K = images * w.pixels();
  if (!j.i(A::pool_height)) {
    const float* dy = j.f(A::dy) + n * w.pixels() * f + first;
    if (each == f && panel_width(f) == f) return dy;  // they lie so already
    pack(dy, f, 1, K, each, out);
    return out;
  }
  Options options(j, A::op_a);
  by_panels(each, [&](int64_t q, int64_t here, int64_t width) {
    Window tiles = Window::tiles(w.oh, w.ow, width, j.i(A::pool_height), j.i(A::pool_width));
    for (int64_t i = 0; i < images; i++) {
      int64_t from = (n + i) * tiles.pixels() * f + first + q;
      send_back(tiles, here, j.i(A::op), options, j.f(A::dy) + from,
                j.has(A::derivative_at) ? j.f(A::derivative_at) + from : nullptr, j.u(A::which) + from, f,
                out + q * K + i * w.pixels() * width);
    }
  });
  return out;
}

void run_filter_gradient(const Job& j, int64_t begin, int64_t end, Scratch scratch) {
  using A = FilterGradient;
  Window w = Window::of(j);
  Sums s = sums(j);
  int64_t f = j.i(A::filters), groups = j.i(A::groups), each = f / groups, rows = w.kh * w.kw * s.lie.channels;
  float* panels = scratch.memory + (s.lie.direct ? 0 : over(s.images * s.lie.image, 16) * 16);
  Operand a{};
  a.row_table = static_cast<const int32_t*>(j.kept), a.row_step = 1;
  a.run = w.ow, a.step = w.sw * s.lie.pixel, a.run_table = a.row_table + rows, a.run_step = 1;
  Parts parts(j, w.n, j.i(A::each));
  for (int64_t k = begin; k < end; k++) {
    int64_t part = k / groups;
    auto [n, stop] = parts.part(part);
    for (bool add = false; n < stop; n += s.images, add = true) {
      Unit u{n, s.images < stop - n ? s.images : stop - n, 0, w.oh, k % groups};
      int64_t K = u.images * w.pixels(), first = u.group * each;
      const float* dy = panels_of(j, w, n, u.images, first, each, panels);
      a.base = padded<FilterGradient>(j, w, s.lie, u, scratch.memory);
      a.runs = u.images * w.oh;
      multiply_panels(a, dy, K, rows, each, j.f(A::parts) + k * rows * each, each, add, nothing);
      if (!j.has(A::bias_parts)) continue;
      by_panels(each, [&](int64_t q, int64_t here, int64_t width) {
        sum_pixels(dy + q * K, width, K, here, j.f(A::bias_parts) + part * f + first + q, add);
      });
    }
  }
}

int64_t filter_gradient_scratch(const Job& j) {
  Window w = Window::of(j);
  Sums s = sums(j);
  return (s.lie.direct ? 0 : over(s.images * s.lie.image, 16) * 16) +
         panel_words(s.images * w.pixels(), j.i(Filtered::filters) / j.i(Filtered::groups));
}

// -- spread: y = epilogue(b + Σ Wᵀ x), each pixel of x stamping its window onto y --------------
//
// The windows lie on y. weights: in panels, a set for each group: k over filters, columns over cells and
// channels.

HG_ARGS(Spread, HG_FILTERED, (x, read(images, out_height, out_width, filters)), (weights, reads()),
        (y, write(images, height, width, channels)), (bias, read(channels).maybe()), (op, option<Activation>()),
        (derivative_at, read(images, height, width, channels).maybe()), HG_OP_OPTIONS)

void check_spread(Check& c) {
  using A = Spread;
  Extent e = check_filters(c);
  int64_t stamp = c.times(e.cells, c.size(A::channels) / e.groups);
  c.require(c.times(stamp, c.size(A::out_width)) <= kLargest, "a window is too large");
  c.holds(A::weights, c.times(e.groups, panel_words(e.filters / e.groups, stamp)));
}

int64_t spread_units(const Job& j) { return j.i(Windows::images) * j.i(Filtered::groups); }

// One line of stamps, ow of them, added to the image where they lie on it.
void stamp_line(const Window& w, int64_t oh, const float* stamps, int64_t channels, float* y) {
  int64_t width = w.kh * w.kw * channels;
  for (int64_t t = 0; t < w.kh * w.kw; t++) {
    int64_t line = oh * w.sh + t / w.kw * w.dh - w.top, column = t % w.kw * w.dw - w.left;
    if (line < 0 || line >= w.h) continue;
    for (int64_t q = 0; q < w.ow; q++, column += w.sw) {
      if (column < 0 || column >= w.w) continue;
      const float* from = stamps + q * width + t * channels;
      float* to = y + (line * w.w + column) * w.c;
      by_vectors(channels, [&](int64_t i, int64_t n) { put(to + i, part(to + i, n) + part(from + i, n), n); });
    }
  }
}

void run_spread(const Job& j, int64_t begin, int64_t end, Scratch scratch) {
  using A = Spread;
  Window w = Window::of(j);
  Options options(j, A::op_a);
  int64_t f = j.i(A::filters), groups = j.i(A::groups), channels = w.c / groups, width = w.kh * w.kw * channels;
  Operand a{};
  a.row_step = f, a.run = f / groups;
  for (int64_t u = begin; u < end; u++) {
    int64_t n = u / groups, group = u % groups, first = group * channels, from = n * w.h * w.w * w.c + first;
    float* y = j.f(A::y) + from;
    for (int64_t q = 0; q < w.h * w.w; q++) zero(y + q * w.c, channels);
    const float* weights = j.f(A::weights) + group * panel_words(a.run, width);
    for (int64_t line = 0; line < w.oh; line++) {
      a.base = j.f(A::x) + (n * w.oh + line) * w.ow * f + group * a.run;
      multiply_panels(a, weights, a.run, w.ow, width, scratch.memory, width, false, nothing);
      stamp_line(w, line, scratch.memory, channels, y);
    }
    epilogue(j.i(A::op), options, y, w.c, int(w.h * w.w), channels, j.has(A::bias) ? j.f(A::bias) + first : nullptr,
           j.has(A::derivative_at) ? j.f(A::derivative_at) + from : nullptr);
  }
}

int64_t spread_scratch(const Job& j) {
  Window w = Window::of(j);
  return w.ow * w.kh * w.kw * (w.c / j.i(Filtered::groups));
}

const Kernel kernels[] = {
    {.name = "convolution", .args = Convolution::all, .check = check_convolution, .units = convolution_units,
     .run = run_convolution, .cost = convolution_cost, .scratch = convolution_scratch, .prepare = prepare_convolution},
    {.name = "filter_gradient", .args = FilterGradient::all, .check = check_filter_gradient,
     .units = filter_gradient_units, .run = run_filter_gradient, .cost = convolution_cost,
     .scratch = filter_gradient_scratch, .prepare = prepare_filter_gradient, .shards = true},
    {.name = "spread", .args = Spread::all, .check = check_spread, .units = spread_units, .run = run_spread,
     .cost = convolution_cost, .scratch = spread_scratch},
};

}  // namespace

Family convolution_kernels() { return {kernels, int(sizeof kernels / sizeof *kernels)}; }

}  // namespace hg::HG_ISA
