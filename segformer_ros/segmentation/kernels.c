/* Copyright 2026 segformer_ros maintainers
 * SPDX-License-Identifier: Apache-2.0
 *
 * The loops of preprocessing and postprocessing that numpy cannot run in one pass.
 * kernel_build.py builds this file at first use; every function has a numpy, OpenCV or Pillow
 * twin that gives the same result, so nothing depends on a compiler being there.
 *
 * Plain C99: the compiler vectorises the fixed-length inner loops on x86-64 and ARM alike.
 * It must not fuse multiply and add (-ffp-contract=off): the twins do not. Confidence alone may
 * differ by its last level, and fuses them by name.
 * Arguments are checked by the Python side. Nothing is kept between calls: threads are begun for
 * one picture, which takes 0.03 ms, and end with it.
 */

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Tasks that threads take one after another, whichever is free. */
#define MOST_THREADS 4
typedef struct {
    void (*task)(void *context, int32_t thread, int32_t number);
    void *context;
    int32_t tasks, next;
    pthread_mutex_t lock;
} TaskQueue;

typedef struct {
    TaskQueue *queue;
    int32_t thread;
} Worker;

static void *run_tasks(void *argument)
{
    Worker *worker = argument;
    TaskQueue *queue = worker->queue;
    for (;;) {
        pthread_mutex_lock(&queue->lock);
        int32_t number = queue->next++;
        pthread_mutex_unlock(&queue->lock);
        if (number >= queue->tasks) {
            return NULL;
        }
        queue->task(queue->context, worker->thread, number);
    }
}

/* The caller takes tasks too, and all of them where no thread can be had. */
static void run_on_threads(void (*task)(void *, int32_t, int32_t), void *context, int32_t tasks,
                           int32_t threads)
{
    TaskQueue queue = {task, context, tasks, 0, PTHREAD_MUTEX_INITIALIZER};
    Worker workers[MOST_THREADS];
    pthread_t others[MOST_THREADS];
    int32_t begun = 1;
    for (int32_t n = 0; n < threads; n++) {
        workers[n].queue = &queue;
        workers[n].thread = n;
    }
    while (begun < threads
           && pthread_create(&others[begun], NULL, run_tasks, &workers[begun]) == 0) {
        begun++;
    }
    run_tasks(&workers[0]);
    for (int32_t n = 1; n < begun; n++) {
        pthread_join(others[n], NULL);
    }
    pthread_mutex_destroy(&queue.lock);
}

static inline int32_t threads_for(int32_t threads, int32_t tasks)
{
    threads = threads < tasks ? threads : tasks;
    return threads < 1 ? 1 : threads < MOST_THREADS ? threads : MOST_THREADS;
}

#define LANES 16
#define MAX_CLASSES 255
#define PADDED_CLASSES 256

static inline int32_t bits_of(float value)
{
    int32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float float_of(int32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline int32_t not_finite(float value)
{
    return (bits_of(value) & 0x7f800000) == 0x7f800000;
}

/* For the exponential, 150 of which every grid point takes: a third faster. */
#ifdef __FP_FAST_FMAF
#define MULTIPLY_ADD(a, b, c) __builtin_fmaf(a, b, c)
#else
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#endif

/* exp(x) for x <= 0 to 2 units in the last place; below -87 it stays at exp(-87) = 1e-38.
 * x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts keeps r exact; exp(r) by the minimax
 * polynomial of the Cephes library (expf); 2^n by adding n to the exponent bits. */
static inline float exp_of_negative(float x)
{
    const float to_integer = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number */
    x = x < -87.0f ? -87.0f : x;
    float n = MULTIPLY_ADD(x, 1.44269504f, to_integer) - to_integer;
    float r = MULTIPLY_ADD(n, 2.12194440e-4f, MULTIPLY_ADD(n, -0.693359375f, x));
    float p = 1.9875691500e-4f;
    p = MULTIPLY_ADD(p, r, 1.3981999507e-3f);
    p = MULTIPLY_ADD(p, r, 8.3334519073e-3f);
    p = MULTIPLY_ADD(p, r, 4.1665795894e-2f);
    p = MULTIPLY_ADD(p, r, 1.6666665459e-1f);
    p = MULTIPLY_ADD(p, r, 5.0000001201e-1f);
    p = MULTIPLY_ADD(p, r * r, r) + 1.0f;
    return float_of((int32_t)((uint32_t)bits_of(p) + ((uint32_t)(int32_t)n << 23)));
}

/* ln(x) for a sum of exponentials, 1 <= x <= 255, by the polynomial of Cephes (logf). */
static inline float log_of_sum(float x)
{
    int32_t bits = bits_of(x);
    int32_t exponent = ((bits >> 23) & 0xff) - 126;
    float m = float_of((bits & 0x007fffff) | 0x3f000000); /* 0.5 <= m < 1 */
    if (m < 0.707106781f) {
        exponent -= 1;
        m += m;
    }
    m -= 1.0f;
    float square = m * m;
    float p = 7.0376836292e-2f;
    p = p * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    p = p * m * square;
    float n = (float)exponent;
    p = p - 2.12194440e-4f * n - 0.5f * square;
    return (m + p) + 0.693359375f * n;
}

/* Logits lie where another core left them: asked for this many values ahead, about eight points,
 * they cost a fifth less. Nothing happens beyond the end of the array. */
#define AHEAD 1200
#if defined(__GNUC__)
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address)
#endif

/* One grid point whose classes are contiguous: LANES maxima at a time, of which the lowest
 * class of the largest logit is taken. The last classes are padded with the lowest logit. */
static int point_statistics(const float *classes_of_point, int32_t classes, uint8_t *label,
                            float *max_logit, float *sum_of_exp)
{
    float value[PADDED_CLASSES], best_of_lane[LANES];
    int32_t group_of_lane[LANES], bad_of_lane[LANES];
    int32_t whole = classes / LANES * LANES, padded = (classes + LANES - 1) / LANES * LANES;
    if (padded > whole) {
        for (int32_t i = 0; i < LANES; i++) {
            value[whole + i] = whole + i < classes ? classes_of_point[whole + i] : -FLT_MAX;
        }
    }
    for (int32_t i = 0; i < LANES; i++) {
        best_of_lane[i] = -INFINITY;
        group_of_lane[i] = 0;
        bad_of_lane[i] = 0;
    }
    for (int32_t k = 0; k < padded; k += LANES) {
        const float *source = k < whole ? classes_of_point + k : value + k;
        PREFETCH(classes_of_point + k + AHEAD);
#pragma omp simd
        for (int32_t i = 0; i < LANES; i++) {
            float v = source[i];
            group_of_lane[i] = v > best_of_lane[i] ? k : group_of_lane[i];
            best_of_lane[i] = v > best_of_lane[i] ? v : best_of_lane[i];
            bad_of_lane[i] |= not_finite(v);
        }
    }
    float best = -INFINITY;
    int32_t first = PADDED_CLASSES, bad = 0;
#pragma omp simd reduction(max : best) reduction(| : bad)
    for (int32_t i = 0; i < LANES; i++) {
        best = best_of_lane[i] > best ? best_of_lane[i] : best;
        bad |= bad_of_lane[i];
    }
#pragma omp simd reduction(min : first)
    for (int32_t i = 0; i < LANES; i++) {
        int32_t here = best_of_lane[i] == best ? group_of_lane[i] + i : PADDED_CLASSES;
        first = here < first ? here : first;
    }
    *label = (uint8_t)first;
    *max_logit = best;
    if (sum_of_exp != NULL && !bad) {
        float sum_of_lane[LANES] = {0.0f};
        for (int32_t k = 0; k < padded; k += LANES) {
            const float *source = k < whole ? classes_of_point + k : value + k;
#pragma omp simd
            for (int32_t i = 0; i < LANES; i++) {
                sum_of_lane[i] += exp_of_negative(source[i] - best);
            }
        }
        /* By halves: one after another they would wait for each other. */
        for (int32_t half = LANES / 2; half > 0; half /= 2) {
            for (int32_t i = 0; i < half; i++) {
                sum_of_lane[i] += sum_of_lane[i + half];
            }
        }
        *sum_of_exp = sum_of_lane[0];
    }
    return bad;
}

/* A run of at most BLOCK neighbouring grid points, classes `stride` apart. */
#define BLOCK 64
static int block_statistics(const float *logits, int64_t stride, int32_t classes, int32_t count,
                            uint8_t *label, float *max_logit, float *sum_of_exp)
{
    float best[BLOCK], sum[BLOCK];
    int32_t index[BLOCK], bad[BLOCK];
    for (int32_t i = 0; i < count; i++) {
        best[i] = logits[i];
        index[i] = 0;
        bad[i] = not_finite(logits[i]);
        sum[i] = 0.0f;
    }
    for (int32_t k = 1; k < classes; k++) {
        const float *plane = logits + k * stride;
#pragma omp simd
        for (int32_t i = 0; i < count; i++) {
            float v = plane[i];
            index[i] = v > best[i] ? k : index[i];
            best[i] = v > best[i] ? v : best[i];
            bad[i] |= not_finite(v);
        }
    }
    int any_bad = 0;
    for (int32_t i = 0; i < count; i++) {
        label[i] = (uint8_t)index[i];
        max_logit[i] = best[i];
        any_bad |= bad[i];
    }
    if (sum_of_exp != NULL && !any_bad) {
        for (int32_t k = 0; k < classes; k++) {
            const float *plane = logits + k * stride;
#pragma omp simd
            for (int32_t i = 0; i < count; i++) {
                sum[i] += exp_of_negative(plane[i] - best[i]);
            }
        }
        memcpy(sum_of_exp, sum, (size_t)count * sizeof *sum);
    }
    return any_bad;
}

/* Argmax, max logit and (unless NULL) the log-sum-exp of the grid points from `first` on.
 * nhwc: classes are contiguous; else points are. Returns 1 if a logit is not finite. */
static int statistics_of(const float *logits, int64_t points, int32_t classes, int32_t nhwc,
                         int64_t first, int64_t end, uint8_t *labels, float *max_logit,
                         float *logsumexp)
{
    int32_t step = nhwc ? 1 : BLOCK;
    for (int64_t p = first; p < end; p += step) {
        int32_t count = end - p < step ? (int32_t)(end - p) : step;
        float *sum = logsumexp != NULL ? logsumexp + p : NULL;
        int bad = nhwc
            ? point_statistics(logits + p * classes, classes, labels + p, max_logit + p, sum)
            : block_statistics(logits + p, points, classes, count, labels + p, max_logit + p, sum);
        if (bad) {
            return 1;
        }
    }
    if (logsumexp != NULL) {
#pragma omp simd
        for (int64_t p = first; p < end; p++) {
            logsumexp[p] = max_logit[p] + log_of_sum(logsumexp[p]);
        }
    }
    return 0;
}

/* The same of every grid point. */
int grid_statistics(const float *logits, int64_t points, int32_t classes, int32_t nhwc,
                    uint8_t *labels, float *max_logit, float *logsumexp)
{
    return statistics_of(logits, points, classes, nhwc, 0, points, labels, max_logit, logsumexp);
}

/* One axis of the interpolation, as UpsamplingAxis has it. */
typedef struct {
    const int32_t *lower, *upper;
    const float *weight;
    const int32_t *cell_start;
    int32_t cells, grid, pixels;
} Axis;

typedef struct {
    const float *logits;
    int32_t classes, nhwc;
    int64_t point_stride, class_stride;
    uint8_t *labels; /* these three are filled row by row, each once */
    float *max_logit;
    float *logsumexp; /* NULL: no confidence; overwritten unless it was given */
    Axis rows, cols;
} Job;

/* Working memory of one row of cells. */
typedef struct {
    uint8_t *mixed;    /* (cells) corners disagree */
    float *bound;      /* (grid) of the cell that starts there; see bound_of_cell */
    float *high;       /* (grid + 1) largest of two grid rows, for one class */
    uint8_t *hit;      /* (grid, rounded up to 8) */
    uint8_t *found;    /* (grid, classes) candidates of each cell */
    int32_t *count;    /* (grid) */
    float *difference; /* (grid) of one grid row: max logit minus log-sum-exp */
    float *line[2];    /* (pixels) log confidence of two grid rows at pixel columns */
    int32_t line_row[2]; /* which grid rows these are */
    float *log_confidence; /* (rows of the cell, pixels) */
} Scratch;

static inline float largest(float a, float b)
{
    return a > b ? a : b;
}

static inline float smallest(float a, float b)
{
    return a < b ? a : b;
}

/* What some corner's argmax reaches in the whole cell: a class below that is not its argmax. */
static float bound_of_cell(const Job *job, const int64_t corner[4])
{
    float bound = -FLT_MAX;
    for (int n = 0; n < 4; n++) {
        const float *plane = job->logits + job->labels[corner[n]] * job->class_stride;
        float low = smallest(smallest(plane[corner[0] * job->point_stride],
                                      plane[corner[1] * job->point_stride]),
                             smallest(plane[corner[2] * job->point_stride],
                                      plane[corner[3] * job->point_stride]));
        bound = largest(bound, low);
    }
    return bound;
}

/* Candidates of one cell when the classes of a grid point are contiguous. */
static int32_t candidates_of_cell(const Job *job, const int64_t corner[4], float bound,
                                  uint8_t *found)
{
    uint8_t hit[PADDED_CLASSES] = {0};
    int32_t classes = job->classes, count = 0;
    const float *a = job->logits + corner[0] * classes, *b = job->logits + corner[1] * classes;
    const float *c = job->logits + corner[2] * classes, *d = job->logits + corner[3] * classes;
#pragma omp simd
    for (int32_t k = 0; k < classes; k++) {
        hit[k] = largest(largest(a[k], b[k]), largest(c[k], d[k])) >= bound;
    }
    for (int32_t k = 0; k < classes; k += 8) {
        uint64_t eight;
        memcpy(&eight, hit + k, sizeof eight);
        for (int32_t i = k; eight != 0 && i < k + 8; i++) {
            if (hit[i]) {
                found[count++] = (uint8_t)i;
            }
        }
    }
    return count;
}

/* Candidates of all cells from grid column `first` to `last` between two grid rows when the
 * points are contiguous. Unmixed cells have a bound that nothing reaches. */
static void candidates_of_row(const Job *job, const Scratch *s, int32_t above, int32_t below,
                              int32_t first, int32_t last)
{
    int32_t width = job->cols.grid;
    float *bound = s->bound, *high = s->high;
    uint8_t *hit = s->hit;
    memset(s->count, 0, (size_t)width * sizeof *s->count);
    memset(hit, 0, (size_t)width + 8);
    for (int32_t k = 0; k < job->classes; k++) {
        const float *up = job->logits + k * job->class_stride + (int64_t)above * width;
        const float *down = job->logits + k * job->class_stride + (int64_t)below * width;
        int32_t end = last + 2 < width ? last + 2 : width;
#pragma omp simd
        for (int32_t x = first; x < end; x++) {
            high[x] = largest(up[x], down[x]);
        }
        high[width] = high[width - 1];
#pragma omp simd
        for (int32_t x = first; x <= last; x++) {
            hit[x] = largest(high[x], high[x + 1]) >= bound[x];
        }
        for (int32_t x = first; x <= last; x += 8) {
            uint64_t eight;
            memcpy(&eight, hit + x, sizeof eight);
            for (int32_t i = x; eight != 0 && i < x + 8; i++) {
                if (hit[i]) {
                    s->found[(int64_t)i * job->classes + s->count[i]++] = (uint8_t)k;
                }
            }
        }
    }
}

/* Argmax of the pixels of one mixed cell, eight columns at a time. */
static void fill_cell(const Job *job, const int64_t corner[4], const uint8_t *found,
                      int32_t count, int32_t first_row, int32_t end_row, int32_t first_col,
                      int32_t end_col, uint8_t *mask, float *log_confidence)
{
    enum { WIDTH = 8 };
    float upper[MAX_CLASSES + 1][WIDTH], lower[MAX_CLASSES + 1][WIDTH];
    for (int32_t start = first_col; start < end_col; start += WIDTH) {
        float right[WIDTH], left[WIDTH];
        int32_t columns = end_col - start < WIDTH ? end_col - start : WIDTH;
        for (int32_t j = 0; j < WIDTH; j++) {
            right[j] = j < columns ? job->cols.weight[start + j] : 0.0f;
            left[j] = 1.0f - right[j];
        }
        int32_t lines = count + (log_confidence != NULL); /* the last one: the log-sum-exp */
        for (int32_t n = 0; n < lines; n++) {
            const float *source = n < count
                ? job->logits + found[n] * job->class_stride : job->logsumexp;
            int64_t stride = n < count ? job->point_stride : 1;
            float a = source[corner[0] * stride], b = source[corner[1] * stride];
            float c = source[corner[2] * stride], d = source[corner[3] * stride];
#pragma omp simd
            for (int32_t j = 0; j < WIDTH; j++) {
                upper[n][j] = left[j] * a + right[j] * b;
                lower[n][j] = left[j] * c + right[j] * d;
            }
        }
        for (int32_t row = first_row; row < end_row; row++) {
            float down = job->rows.weight[row], up = 1.0f - down;
            float best[WIDTH];
            int32_t argmax[WIDTH];
#pragma omp simd
            for (int32_t j = 0; j < WIDTH; j++) {
                best[j] = up * upper[0][j] + down * lower[0][j];
                argmax[j] = found[0];
            }
            for (int32_t n = 1; n < count; n++) {
                int32_t class_id = found[n];
#pragma omp simd
                for (int32_t j = 0; j < WIDTH; j++) {
                    float v = up * upper[n][j] + down * lower[n][j];
                    argmax[j] = v > best[j] ? class_id : argmax[j];
                    best[j] = v > best[j] ? v : best[j];
                }
            }
            int64_t pixel = (int64_t)row * job->cols.pixels + start;
            for (int32_t j = 0; j < columns; j++) {
                mask[pixel + j] = (uint8_t)argmax[j];
            }
            if (log_confidence != NULL) {
                float *line = log_confidence
                    + (int64_t)(row - first_row) * job->cols.pixels + start;
                for (int32_t j = 0; j < columns; j++) {
                    line[j] = best[j] - (up * upper[count][j] + down * lower[count][j]);
                }
            }
        }
    }
}

/* Log confidence (max logit minus log-sum-exp) of one grid row, at the pixel columns. */
static void log_confidence_line(const Job *job, int32_t grid_row, float *difference, float *line)
{
    const float *max_logit = job->max_logit + (int64_t)grid_row * job->cols.grid;
    const float *sum = job->logsumexp + (int64_t)grid_row * job->cols.grid;
    const int32_t *lower = job->cols.lower, *upper = job->cols.upper;
    const float *weight = job->cols.weight;
#pragma omp simd
    for (int32_t x = 0; x < job->cols.grid; x++) {
        difference[x] = max_logit[x] - sum[x];
    }
#pragma omp simd
    for (int32_t x = 0; x < job->cols.pixels; x++) {
        line[x] = (1.0f - weight[x]) * difference[lower[x]] + weight[x] * difference[upper[x]];
    }
}

/* Makes s->line those of two grid rows. The lower one of a row of cells is mostly the upper one
 * of the next. */
static void log_confidence_lines(const Job *job, Scratch *s, int32_t above, int32_t below)
{
    if (s->line_row[1] == above) {
        float *line = s->line[0];
        s->line[0] = s->line[1];
        s->line[1] = line;
        s->line_row[1] = s->line_row[0];
        s->line_row[0] = above;
    }
    int32_t wanted[2] = {above, below};
    for (int n = 0; n < 2; n++) {
        if (s->line_row[n] != wanted[n]) {
            log_confidence_line(job, wanted[n], s->difference, s->line[n]);
            s->line_row[n] = wanted[n];
        }
    }
}

/* Confidence 0..255 from its logarithm; pixels below the threshold become 255 in the mask. */
static void finish_row(const float *log_confidence, int32_t pixels, float log_threshold,
                       uint8_t *mask, uint8_t *confidence)
{
    if (confidence != NULL) {
#pragma omp simd
        for (int32_t x = 0; x < pixels; x++) {
            float value = log_confidence[x] > 0.0f ? 0.0f : log_confidence[x];
            confidence[x] = (uint8_t)(int32_t)(255.0f * exp_of_negative(value) + 0.5f);
        }
    }
    if (log_threshold > -INFINITY) {
#pragma omp simd
        for (int32_t x = 0; x < pixels; x++) {
            mask[x] = log_confidence[x] < log_threshold ? 255 : mask[x];
        }
    }
}

#define CORNERS(above, below, left, right, width) {                          \
        (int64_t)(above) * (width) + (left), (int64_t)(above) * (width) + (right), \
        (int64_t)(below) * (width) + (left), (int64_t)(below) * (width) + (right)}

static void fill_row_of_cells(const Job *job, Scratch *s, int32_t cell_row, uint8_t *mask,
                              int need_confidence)
{
    const Axis *rows = &job->rows, *cols = &job->cols;
    int32_t first_row = rows->cell_start[cell_row], end_row = rows->cell_start[cell_row + 1];
    int32_t above = rows->lower[first_row], below = rows->upper[first_row];
    const uint8_t *up = job->labels + (int64_t)above * cols->grid;
    const uint8_t *down = job->labels + (int64_t)below * cols->grid;
    uint8_t *first_line = mask + (int64_t)first_row * cols->pixels;
    int32_t first_mixed = -1, last_mixed = -1;
    for (int32_t x = 0; x < cols->grid; x++) {
        s->bound[x] = FLT_MAX;
    }
    for (int32_t cell = 0; cell < cols->cells; cell++) {
        int32_t start = cols->cell_start[cell], end = cols->cell_start[cell + 1];
        int32_t a = cols->lower[start], b = cols->upper[start];
        for (int32_t x = start; x < end; x++) {
            first_line[x] = up[a];
        }
        s->mixed[cell] = up[a] != up[b] || up[a] != down[a] || up[a] != down[b];
        if (s->mixed[cell]) {
            int64_t corner[4] = CORNERS(above, below, a, b, cols->grid);
            s->bound[a] = bound_of_cell(job, corner);
            first_mixed = first_mixed < 0 ? a : first_mixed;
            last_mixed = a;
        }
    }
    for (int32_t row = first_row + 1; row < end_row; row++) {
        memcpy(mask + (int64_t)row * cols->pixels, first_line, (size_t)cols->pixels);
    }
    if (need_confidence) {
        log_confidence_lines(job, s, above, below);
        const float *first = s->line[0], *second = s->line[1];
        for (int32_t row = first_row; row < end_row; row++) {
            float lower = rows->weight[row], upper = 1.0f - lower;
            float *line = s->log_confidence + (int64_t)(row - first_row) * cols->pixels;
#pragma omp simd
            for (int32_t x = 0; x < cols->pixels; x++) {
                line[x] = upper * first[x] + lower * second[x];
            }
        }
    }
    if (first_mixed >= 0 && !job->nhwc) {
        candidates_of_row(job, s, above, below, first_mixed, last_mixed);
    }
    for (int32_t cell = 0; cell < cols->cells; cell++) {
        if (!s->mixed[cell]) {
            continue;
        }
        int32_t start = cols->cell_start[cell];
        int32_t a = cols->lower[start], b = cols->upper[start];
        int64_t corner[4] = CORNERS(above, below, a, b, cols->grid);
        uint8_t *found = s->found + (int64_t)a * job->classes;
        int32_t count = job->nhwc
            ? candidates_of_cell(job, corner, s->bound[a], found) : s->count[a];
        fill_cell(job, corner, found, count, first_row, end_row, start,
                  cols->cell_start[cell + 1], mask, need_confidence ? s->log_confidence : NULL);
    }
}

enum { DONE, NO_MEMORY, NOT_FINITE };

/* Rows of cells that a thread fills at a time: sixteen tasks of a 128 x 128 grid leave no thread
 * waiting for long. */
#define ROWS_PER_TASK 8

typedef struct {
    Job job;
    Scratch scratch[MOST_THREADS];
    int32_t bad[MOST_THREADS];
    int32_t given, need_confidence;
    float log_threshold;
    uint8_t *mask, *confidence;
    int32_t tasks, rows_per_task;
    uint8_t *done; /* (tasks) whose statistics are there; guarded by the lock */
    pthread_mutex_t lock;
} Picture;

static void fill_and_finish(Picture *picture, int32_t thread, int32_t row_of_cells)
{
    const Job *job = &picture->job;
    Scratch *s = &picture->scratch[thread];
    int32_t pixels = job->cols.pixels;
    int32_t first_row = job->rows.cell_start[row_of_cells];
    int32_t end_row = job->rows.cell_start[row_of_cells + 1];
    fill_row_of_cells(job, s, row_of_cells, picture->mask, picture->need_confidence);
    for (int32_t row = first_row; picture->need_confidence && row < end_row; row++) {
        int64_t pixel = (int64_t)row * pixels;
        finish_row(s->log_confidence + (int64_t)(row - first_row) * pixels, pixels,
                   picture->log_threshold, picture->mask + pixel,
                   picture->confidence ? picture->confidence + pixel : NULL);
    }
}

/* Fills some rows of cells. Statistics of the grid are made one row ahead of the pixels, so that
 * logits which both need are in the cache. Each grid row is of one task; the row of cells that
 * lies between two tasks is filled by the thread that ends the later one. */
static void fill_task(void *context, int32_t thread, int32_t number)
{
    Picture *picture = context;
    const Job *job = &picture->job;
    const Axis *rows = &job->rows, *cols = &job->cols;
    int64_t points = (int64_t)rows->grid * cols->grid;
    int32_t is_last = number == picture->tasks - 1;
    int32_t begin = number * picture->rows_per_task;
    int32_t end = is_last ? rows->cells : begin + picture->rows_per_task;
    float *wanted = picture->given ? NULL : job->logsumexp;
    /* A smaller picture leaves rows out; what is not finite is told all the same. */
    int64_t known = begin == 0 ? 0
        : (int64_t)rows->lower[rows->cell_start[begin]] * cols->grid;
    int64_t limit = is_last ? points : (int64_t)rows->lower[rows->cell_start[end]] * cols->grid;
    int32_t bad = picture->bad[thread];
    for (int32_t cell = begin; cell < end - !is_last; cell++) {
        int64_t needed = ((int64_t)rows->upper[rows->cell_start[cell]] + 1) * cols->grid;
        if (known < needed) {
            bad |= statistics_of(job->logits, points, job->classes, job->nhwc, known, needed,
                                 job->labels, job->max_logit, wanted);
            known = needed;
        }
        if (bad) {
            break;
        }
        fill_and_finish(picture, thread, cell);
    }
    if (!bad) {
        bad = statistics_of(job->logits, points, job->classes, job->nhwc, known, limit,
                            job->labels, job->max_logit, wanted);
    }
    if (bad) {
        picture->bad[thread] = 1;
        return; /* what lies between this task and its neighbours stays empty */
    }
    pthread_mutex_lock(&picture->lock);
    picture->done[number] = 1;
    int32_t fill_before = number > 0 && picture->done[number - 1];
    int32_t fill_behind = !is_last && picture->done[number + 1];
    pthread_mutex_unlock(&picture->lock);
    if (fill_before) {
        fill_and_finish(picture, thread, begin - 1);
    }
    if (fill_behind) {
        fill_and_finish(picture, thread, end - 1);
    }
}

/* Argmax of every pixel; need_confidence: also the confidence (unless NULL) and the threshold,
 * for which logsumexp (grid points) is computed unless it is given (not NULL). */
int exact_mask(const float *logits, int32_t classes, int32_t nhwc, const float *logsumexp,
               int32_t need_confidence, const Axis *rows, const Axis *cols, float log_threshold,
               uint8_t *mask, uint8_t *confidence, int32_t threads)
{
    size_t grid = (size_t)cols->grid, pixels = (size_t)cols->pixels;
    size_t points = (size_t)rows->grid * grid;
    int32_t tasks = (rows->cells + ROWS_PER_TASK - 1) / ROWS_PER_TASK;
    threads = threads_for(threads, tasks);
    /* Alone a thread goes from the first row to the last: what it needs again it had just now. */
    int32_t rows_per_task = threads == 1 ? rows->cells : ROWS_PER_TASK;
    tasks = threads == 1 ? 1 : tasks;
    Picture picture;
    memset(&picture, 0, sizeof picture);
    picture.given = logsumexp != NULL;
    picture.need_confidence = need_confidence;
    picture.log_threshold = log_threshold;
    picture.mask = mask;
    picture.confidence = confidence;
    picture.tasks = tasks;
    picture.rows_per_task = rows_per_task;
    int32_t tallest = 1;
    for (int32_t cell = 0; cell < rows->cells; cell++) {
        int32_t height = rows->cell_start[cell + 1] - rows->cell_start[cell];
        tallest = height > tallest ? height : tallest;
    }
    size_t floats = 3 * (grid + 1) + (need_confidence ? (2 + (size_t)tallest) * pixels : 0);
    size_t bytes = floats * sizeof(float) + grid * sizeof(int32_t) + (size_t)cols->cells
        + (grid + 8) + grid * (size_t)classes;
    bytes = (bytes + 127) / 64 * 64; /* threads share no line of the cache */
    size_t shared = (need_confidence && !picture.given ? 2 : 1) * points * sizeof(float)
        + points + (size_t)tasks;
    char *memory = malloc(bytes * (size_t)threads + shared);
    if (memory == NULL) {
        return NO_MEMORY;
    }
    for (int32_t n = 0; n < threads; n++) {
        Scratch *s = &picture.scratch[n];
        s->bound = (float *)(memory + bytes * (size_t)n);
        s->high = s->bound + grid + 1;
        s->difference = s->high + grid + 1;
        s->line[0] = s->difference + grid + 1;
        s->line[1] = s->line[0] + (need_confidence ? pixels : 0);
        s->line_row[0] = s->line_row[1] = -1;
        s->log_confidence = s->line[1] + (need_confidence ? pixels : 0);
        s->count = (int32_t *)(s->bound + floats);
        s->mixed = (uint8_t *)(s->count + grid);
        s->hit = s->mixed + cols->cells;
        s->found = s->hit + grid + 8;
    }
    float *max_logit = (float *)(memory + bytes * (size_t)threads);
    float *sums = max_logit + points;
    uint8_t *labels = (uint8_t *)(need_confidence && !picture.given ? sums + points : sums);
    Job job = {logits, classes, nhwc, nhwc ? classes : 1, nhwc ? 1 : (int64_t)points,
               labels, max_logit,
               picture.given ? (float *)logsumexp : need_confidence ? sums : NULL, *rows, *cols};
    picture.job = job;
    picture.done = labels + points;
    memset(picture.done, 0, (size_t)tasks);
    pthread_mutex_init(&picture.lock, NULL);
    run_on_threads(fill_task, &picture, tasks, threads);
    pthread_mutex_destroy(&picture.lock);
    free(memory);
    for (int32_t n = 0; n < threads; n++) {
        if (picture.bad[n]) {
            return NOT_FINITE;
        }
    }
    return DONE;
}

/* Pillow's antialiased resize of 8-bit RGB: columns first, then rows, each rounded to 8 bits.
 * Weights are fixed-point with 22 fractional bits (PRECISION_BITS of Pillow), positive, and sum
 * to one within a few units of the last bit, so that no result leaves 0..255.
 * A pixel takes four bytes on the way: four lanes are one vector, three are none. */
#define FRACTION_BITS 22
#define HALF (1 << (FRACTION_BITS - 1))

typedef struct {
    const int32_t *first;  /* (out) first source sample */
    const int32_t *taps;   /* (out) how many */
    const int32_t *weight; /* (out, most), 0 beyond the taps */
    int32_t most, in, out;
} Filter;

/* How the channels of a source pixel lie, as kernels.py numbers them. */
enum { RGB, BGR, RGBA, BGRA, MONO };

/* Pixels between two requests for memory that is needed soon. */
#define CHUNK 64

static inline int32_t channels_of(int32_t order)
{
    return order == MONO ? 1 : order <= BGR ? 3 : 4;
}

/* A line of the source as four bytes a pixel, red first; the fourth is never looked at. */
static inline void widen(const uint8_t *source, int32_t order, int32_t pixels, uint8_t *wide)
{
    switch (order) {
    case RGB:
        for (int32_t x = 0; x < pixels; x++) {
            memcpy(wide + 4 * x, source + 3 * x, 4);
        }
        break;
    case BGR:
#if defined(__x86_64__) && defined(__GNUC__)
        /* Two thirds of the time of single bytes; ARM has instructions for those. */
        for (int32_t x = 0; x < pixels; x++) {
            uint32_t pixel;
            memcpy(&pixel, source + 3 * x, 4);
            pixel = __builtin_bswap32(pixel) >> 8;
            memcpy(wide + 4 * x, &pixel, 4);
        }
#else
        for (int32_t x = 0; x < pixels; x++) {
            wide[4 * x] = source[3 * x + 2];
            wide[4 * x + 1] = source[3 * x + 1];
            wide[4 * x + 2] = source[3 * x];
            wide[4 * x + 3] = 0;
        }
#endif
        break;
    case RGBA:
        memcpy(wide, source, 4 * (size_t)pixels);
        break;
    case BGRA:
        for (int32_t x = 0; x < pixels; x++) {
            wide[4 * x] = source[4 * x + 2];
            wide[4 * x + 1] = source[4 * x + 1];
            wide[4 * x + 2] = source[4 * x];
            wide[4 * x + 3] = 0;
        }
        break;
    default:
        for (int32_t x = 0; x < pixels; x++) {
            wide[4 * x] = wide[4 * x + 1] = wide[4 * x + 2] = wide[4 * x + 3] = source[x];
        }
    }
}

/* The same of a whole line, which may be the last thing in its memory. `next` is the line that
 * comes after it, asked for meanwhile: no cache holds a picture that a network has run after. */
static void widen_line(const uint8_t *source, const uint8_t *next, int32_t order, int32_t pixels,
                       uint8_t *wide)
{
    int32_t channels = channels_of(order), x = 0;
    for (; x + CHUNK < pixels; x += CHUNK) {
        for (int32_t byte = 0; byte < CHUNK * channels; byte += 64) {
            PREFETCH(next + x * channels + byte);
        }
        widen(source + (int64_t)x * channels, order, CHUNK, wide + 4 * x);
    }
    /* Three bytes are read as four, but not at the end. */
    uint8_t last[4 * CHUNK + 4];
    memcpy(last, source + (int64_t)x * channels, (size_t)((pixels - x) * channels));
    widen(last, order, pixels - x, wide + 4 * x);
}

/* Inlined for the usual numbers of taps, so that the compiler unrolls them. */
static inline void resize_line_by(const uint8_t *line, const Filter *f, int32_t taps,
                                  uint8_t *out)
{
    for (int32_t x = 0; x < f->out; x++) {
        const uint8_t *source = line + 4 * (int64_t)f->first[x];
        const int32_t *weight = f->weight + (int64_t)x * taps;
        int32_t sum[4] = {HALF, HALF, HALF, HALF};
        for (int32_t t = 0; t < taps; t++) {
            for (int c = 0; c < 4; c++) {
                sum[c] += weight[t] * source[4 * t + c];
            }
        }
        for (int c = 0; c < 4; c++) {
            out[4 * (int64_t)x + c] = (uint8_t)(sum[c] >> FRACTION_BITS);
        }
    }
}

static void resize_line(const uint8_t *line, const Filter *f, uint8_t *out)
{
    switch (f->most) {
    case 2: resize_line_by(line, f, 2, out); break;
    case 3: resize_line_by(line, f, 3, out); break;
    case 4: resize_line_by(line, f, 4, out); break;
    case 5: resize_line_by(line, f, 5, out); break;
    case 6: resize_line_by(line, f, 6, out); break;
    default: resize_line_by(line, f, f->most, out); break;
    }
}

/* The weighted sum of lines; `line(t)` is lines + wide * ((first + t) % kept). */
static void mix_lines(const uint8_t *lines, size_t wide, int32_t kept, int32_t first,
                      int32_t taps, const int32_t *weight, int32_t *sum, uint8_t *mixed)
{
#pragma omp simd
    for (size_t i = 0; i < wide; i++) {
        sum[i] = HALF;
    }
    int32_t t = 0;
    for (; t + 1 < taps; t += 2) {
        const uint8_t *one = lines + wide * (size_t)((first + t) % kept);
        const uint8_t *two = lines + wide * (size_t)((first + t + 1) % kept);
        int32_t weight_one = weight[t], weight_two = weight[t + 1];
#pragma omp simd
        for (size_t i = 0; i < wide; i++) {
            sum[i] += weight_one * one[i] + weight_two * two[i];
        }
    }
    if (t < taps) {
        const uint8_t *one = lines + wide * (size_t)((first + t) % kept);
        int32_t weight_one = weight[t];
#pragma omp simd
        for (size_t i = 0; i < wide; i++) {
            sum[i] += weight_one * one[i];
        }
    }
#pragma omp simd
    for (size_t i = 0; i < wide; i++) {
        mixed[i] = (uint8_t)(sum[i] >> FRACTION_BITS);
    }
}

typedef struct {
    const uint8_t *image;
    int64_t step;
    int32_t order;
    const Filter *rows, *cols;
    uint8_t *result;    /* one of these two, the other is NULL */
    float *planes;
    const float *table;
    char *memory;
    size_t bytes; /* of memory, for each thread */
    int32_t tasks;
} Resizing;

/* tensor[c][p] = table[c][wide[4 p + c]]: 8-bit values to normalised planes. */
static void normalize_line(const uint8_t *wide, int32_t pixels, const float *table,
                           int64_t plane, float *tensor)
{
    for (int c = 0; c < 3; c++) {
        const float *channel = table + 256 * c;
        float *target = tensor + plane * c;
        for (int32_t x = 0; x < pixels; x++) {
            target[x] = channel[wide[4 * x + c]];
        }
    }
}

static void resize_task(void *context, int32_t thread, int32_t number)
{
    Resizing *r = context;
    const Filter *rows = r->rows, *cols = r->cols;
    size_t wide = 4 * (size_t)cols->out, widened = 4 * (size_t)(cols->in + cols->most);
    int32_t *sum = (int32_t *)(r->memory + r->bytes * (size_t)thread);
    int32_t kept = rows->most;
    uint8_t *lines = (uint8_t *)(sum + wide);
    uint8_t *mixed = lines + wide * (size_t)kept;
    uint8_t *source = mixed + wide;
    memset(source, 0, widened); /* weights of 0 look beyond the last pixel */
    int32_t begin = (int32_t)((int64_t)rows->out * number / r->tasks);
    int32_t end = (int32_t)((int64_t)rows->out * (number + 1) / r->tasks);
    int32_t done = begin < end ? rows->first[begin] : 0;
    for (int32_t y = begin; y < end; y++) {
        int32_t first = rows->first[y], taps = rows->taps[y];
        for (; done < first + taps; done++) {
            const uint8_t *line = r->image + done * r->step;
            const uint8_t *next = done + 1 < rows->in ? line + r->step : line;
            widen_line(line, next, r->order, cols->in, source);
            resize_line(source, cols, lines + wide * (size_t)(done % kept));
        }
        mix_lines(lines, wide, kept, first, taps, rows->weight + (int64_t)y * rows->most, sum,
                  mixed);
        if (r->planes != NULL) {
            normalize_line(mixed, cols->out, r->table, (int64_t)rows->out * cols->out,
                           r->planes + (int64_t)y * cols->out);
            continue;
        }
        uint8_t *target = r->result + 3 * (int64_t)y * cols->out;
        for (int32_t x = 0; x < cols->out - 1; x++) {
            memcpy(target + 3 * x, mixed + 4 * x, 4); /* the next pixel overwrites the fourth */
        }
        memcpy(target + 3 * (cols->out - 1), mixed + 4 * (cols->out - 1), 3);
    }
}

/* image: (in rows, in cols) pixels of some order, rows `step` bytes apart. With a table (3, 256)
 * the result is float planes (3, out rows, out cols), else (out rows, out cols, 3) values.
 * Returns 1 when memory is short. */
int resize_antialiased(const uint8_t *image, int64_t step, int32_t order, const Filter *rows,
                       const Filter *cols, const float *table, void *result, int32_t threads)
{
    size_t wide = 4 * (size_t)cols->out, widened = 4 * (size_t)(cols->in + cols->most);
    size_t bytes = wide * sizeof(int32_t) + wide * (size_t)rows->most + wide + widened;
    bytes = (bytes + 127) / 64 * 64;
    threads = threads_for(threads, rows->out);
    /* Lines where two tasks meet are resized twice: one task for each thread. */
    Resizing resizing = {image, step, order, rows, cols, table != NULL ? NULL : result,
                         table != NULL ? result : NULL, table, malloc(bytes * (size_t)threads),
                         bytes, threads};
    if (resizing.memory == NULL) {
        return 1;
    }
    run_on_threads(resize_task, &resizing, threads, threads);
    free(resizing.memory);
    return 0;
}

/* tensor[c][p] = table[c][pixels[p][c]]: 8-bit RGB to normalised planes. */
void normalize_to_planes(const uint8_t *pixels, int64_t count, const float *table, float *tensor)
{
    const float *red = table, *green = table + 256, *blue = table + 512;
    for (int64_t p = 0; p < count; p++) {
        tensor[p] = red[pixels[3 * p]];
        tensor[count + p] = green[pixels[3 * p + 1]];
        tensor[2 * count + p] = blue[pixels[3 * p + 2]];
    }
}
