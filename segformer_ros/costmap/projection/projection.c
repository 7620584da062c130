/* Copyright 2026 segformer_ros maintainers
 * SPDX-License-Identifier: Apache-2.0
 *
 * The loops of the projections and of the grid that numpy runs in dozens of passes.
 * kernels.py beside it has its functions for numpy arrays. Every function has a numpy twin that
 * gives the same bits, so nothing depends on a compiler being there: each operation is one of the
 * twin's, in its order and precision, and the compiler must not fuse them (-ffp-contract=off).
 *
 * Plain C99. Arguments are checked by the Python side. Nothing is kept between calls.
 */

#include <math.h>
#include <stdint.h>
#include <string.h>

#define GROUND 1
#define OBSTACLE 2
/* Cells or samples that one step works on: its arrays stay in the nearest cache. */
#define BLOCK 256
/* Samples of a bin that are laid at once: from the near end, and where the view ends. */
#define LAID 64
#define EDGE 16

/* A polynomial lens and the mask's pixels. Polynomials in r^2, highest power first; `limit` is the
 * largest r^2 that the lens sees; `turn` leads from the optical frame to the lens, by rows. */
typedef struct {
    float over[4], under[4], tangential[2], prism[4];
    float limit, fx, fy, cx, cy;
    float turn[9];
    int32_t turned, rational, width, height;
} Lens;

/* The index of the nearest pixel as a float, width * height for none: exact up to 16 million.
 * With coefficients that are zero the formula gives what a shorter one would. */
static inline float pixel_of(const Lens *lens, float x, float y, float z)
{
    if (lens->turned) {
        const float *t = lens->turn;
        float turned_x = t[0] * x + t[1] * y + t[2] * z;
        float turned_y = t[3] * x + t[4] * y + t[5] * z;
        z = t[6] * x + t[7] * y + t[8] * z;
        x = turned_x;
        y = turned_y;
    }
    float inverse = 1.0f / z;
    x = x * inverse;
    y = y * inverse;
    float s = x * x + y * y;
    const float *over = lens->over, *under = lens->under, *prism = lens->prism;
    float p1 = lens->tangential[0], p2 = lens->tangential[1];
    float gain = ((over[0] * s + over[1]) * s + over[2]) * s + over[3];
    if (lens->rational) {
        gain = gain / (((under[0] * s + under[1]) * s + under[2]) * s + under[3]);
    }
    float common = gain + (2.0f * p1) * y + (2.0f * p2) * x;
    float xd = x * common + p2 * s, yd = y * common + p1 * s;
    if (lens->rational) {
        xd = xd + (prism[0] + prism[1] * s) * s;
        yd = yd + (prism[2] + prism[3] * s) * s;
    }
    float u = rintf(xd * lens->fx + lens->cx), v = rintf(yd * lens->fy + lens->cy);
    float width = (float)lens->width, height = (float)lens->height;
    int seen = (z > 0.0f) & (s <= lens->limit) & (u >= 0.0f) & (u < width) & (v >= 0.0f)
        & (v < height);
    return seen ? v * width + u : width * height;
}

/* The samples of one bin, `laid` of `count`: at ranges * line + start in the optical frame. */
typedef struct {
    const Lens *lens;
    const float *line, *start, *ranges;
    int32_t *row, laid, count;
} Samples;

static inline void lay(const Samples *bin, int32_t from, int32_t to)
{
    const Lens lens = *bin->lens;
    const float line_x = bin->line[0], line_y = bin->line[1], line_z = bin->line[2];
    const float start_x = bin->start[0], start_y = bin->start[1], start_z = bin->start[2];
    const float *ranges = bin->ranges;
    int32_t *row = bin->row;
#pragma omp simd
    for (int32_t r = from; r < to; r++) {
        row[r] = (int32_t)pixel_of(&lens, line_x * ranges[r] + start_x,
                                   line_y * ranges[r] + start_y, line_z * ranges[r] + start_z);
    }
}

/* The pixel of a sample, those up to it laid. */
static inline int32_t sample(Samples *bin, int32_t r)
{
    if (r >= bin->laid) {
        int32_t to = bin->count - bin->laid < LAID ? bin->count : bin->laid + LAID;
        lay(bin, bin->laid, to);
        bin->laid = to;
    }
    return bin->row[r];
}

static inline int in_view(const Lens *lens, const uint8_t *hidden, int32_t pixel)
{
    return pixel != lens->width * lens->height && (hidden == NULL || !hidden[pixel]);
}

/* Where a bin's view begins: its first sample in view, `count` if there is none, and the pixel of
 * that one or of the last. */
static inline void view_begins(Samples *bin, const uint8_t *hidden, int32_t *first,
                               int32_t *edge_pixel)
{
    int32_t near = 0;
    while (near < bin->count && !in_view(bin->lens, hidden, sample(bin, near))) {
        near++;
    }
    *first = near;
    *edge_pixel = bin->row[near < bin->count ? near : bin->count - 1];
}

/* The range of a bin's last sample in view, 0 if there is none. Samples that lie behind the laid
 * ones are laid from the far end, as many as it takes. */
static inline float view_ends(const Samples *bin, const uint8_t *hidden, int32_t first)
{
    int32_t far = bin->count - 1, begun = bin->count;
    while (far > first) {
        if (far >= bin->laid && far < begun) {
            begun = begun - bin->laid < EDGE ? bin->laid : begun - EDGE;
            lay(bin, begun, far + 1);
        }
        if (in_view(bin->lens, hidden, bin->row[far])) {
            break;
        }
        far--;
    }
    return first < bin->count ? bin->ranges[far] : 0.0f;
}

/* The pixel of every sample of every bin. `hidden` marks pixels that do not count as in view
 * (NULL: none does). */
void lay_samples(const Lens *lens, const float *lines, int32_t bins, const float *ranges,
                 int32_t count, const float *start, const uint8_t *hidden, int32_t *first,
                 float *end, int32_t *edge_pixels, int32_t *pixels)
{
    for (int32_t b = 0; b < bins; b++) {
        Samples bin = {lens, lines + 3 * b, start, ranges, pixels + (int64_t)b * count, count,
                       count};
        lay(&bin, 0, count);
        view_begins(&bin, hidden, first + b, edge_pixels + b);
        end[b] = view_ends(&bin, hidden, first[b]);
    }
}

/* What bins show, one value each. */
typedef struct {
    float *contact;
    int32_t *contact_pixel, *contact_depth;
    uint8_t *foot_seen, *blind;
    float *clear;
    int32_t *clear_pixel;
    float *seen;
} Shown;

/* The first obstacle that a bin shows by itself: its first sample, `count` if there is none. */
typedef struct {
    float range;
    int32_t sample, pixel, depth, foot_seen, blind;
} Contact;

/* How masks are read. */
typedef struct {
    const uint8_t *labels, *kinds;
    int32_t min_run, max_gap, edge_rows;
} Reading;

/* The last ground within a window before a sample, or the sample before it. */
static inline int32_t last_ground_before(const int32_t *row, const Reading *read, int32_t stop,
                                         int32_t window)
{
    for (int32_t back = 1; back <= window; back++) {
        int32_t place = stop > back ? stop - back : 0;
        if (read->kinds[read->labels[row[place]]] == GROUND) {
            return place;
        }
    }
    return stop > 1 ? stop - 1 : 0;
}

/* The first obstacle of a bin, and the last ground before the first gap. */
static inline Contact scan_bin(Samples *bin, int32_t first, const Reading *read, float *clear,
                               int32_t *clear_pixel)
{
    const uint8_t *labels = read->labels, *kinds = read->kinds;
    const int32_t count = bin->count;
    const int32_t length = read->min_run < count ? read->min_run : count;
    int32_t obstacles = 0, gap = 0, ground = 0, contact = -1, stop = -1;
    /* Most contacts come early: nothing behind them is looked at. */
    for (int32_t r = 0; r < count && (contact < 0 || stop < 0); r++) {
        int32_t kind = kinds[labels[sample(bin, r)]];
        if (kind == GROUND) {
            ground += contact < 0;
            obstacles = gap = 0;
            continue;
        }
        obstacles = kind == OBSTACLE ? obstacles + 1 : 0;
        if (contact < 0 && obstacles == length) {
            contact = r - length + 1;
        }
        gap += r >= first;
        if (stop < 0 && gap == length) {
            stop = r - length + 1;
        }
    }
    const int32_t *row = bin->row;
    int32_t place = contact < 0 ? 0 : contact;
    int32_t foot = last_ground_before(row, read, place, read->max_gap + 1);
    int beside = foot < place && kinds[labels[row[foot]]] == GROUND;
    float border = beside ? 0.5f * (bin->ranges[place] + bin->ranges[foot]) : bin->ranges[place];
    int blind = contact >= 0 && ground < read->min_run;
    int32_t deep = place + read->min_run - 1;
    stop = stop < 0 ? count : stop;
    int32_t last = last_ground_before(row, read, stop, read->min_run);
    *clear = stop > 0 && kinds[labels[row[last]]] == GROUND ? bin->ranges[last] : 0.0f;
    *clear_pixel = row[last];
    return (Contact){contact < 0 ? INFINITY : border, contact < 0 ? count : contact, row[place],
                     row[deep < count ? deep : count - 1], beside && !blind, blind};
}

/* The bin whose contact counts for a bin: itself, or a nearer neighbour. */
static inline int32_t owner_of(const Contact *own, int32_t bins, int32_t count, int32_t b,
                               int32_t edge_rows)
{
    int32_t left = b > 0 ? b - 1 : 0, right = b < bins - 1 ? b + 1 : b;
    int32_t nearer = own[left].sample <= own[right].sample ? left : right;
    return own[b].sample < count && own[b].sample - own[nearer].sample > edge_rows ? nearer : b;
}

static inline void settle(const Contact *own, int32_t bins, int32_t count, const Reading *read,
                          const float *end, const Shown *shown)
{
    for (int32_t b = 0; b < bins; b++) {
        /* The neighbour may be one of those bins itself. */
        int32_t owner = owner_of(own, bins, count, owner_of(own, bins, count, b, read->edge_rows),
                                 read->edge_rows);
        const Contact *found = own + owner;
        shown->contact[b] = found->range;
        shown->contact_pixel[b] = found->pixel;
        shown->contact_depth[b] = found->depth;
        shown->foot_seen[b] = (uint8_t)found->foot_seen;
        shown->blind[b] = (uint8_t)found->blind;
        shown->clear[b] = shown->clear[b] < found->range ? shown->clear[b] : found->range;
        shown->seen[b] = found->range < end[b] ? found->range : end[b];
    }
}

/* What every bin of a table shows; `own` is room for one each. */
void scan_bins(int32_t *pixels, int32_t bins, int32_t count, const int32_t *first,
               const float *end, const float *ranges, const Reading *read, Contact *own,
               const Shown *shown)
{
    for (int32_t b = 0; b < bins; b++) {
        Samples bin = {NULL, NULL, NULL, ranges, pixels + (int64_t)b * count, count, count};
        own[b] = scan_bin(&bin, first[b], read, shown->clear + b, shown->clear_pixel + b);
    }
    settle(own, bins, count, read, end, shown);
}

/* Both at once: samples are laid as far as somebody looks, and not kept. `row` is room for one
 * bin's. */
void walk_bins(const Lens *lens, const float *lines, int32_t bins, const float *ranges,
               int32_t count, const float *start, const uint8_t *hidden, const Reading *read,
               int32_t *row, Contact *own, int32_t *first, float *end, int32_t *edge_pixels,
               const Shown *shown)
{
    for (int32_t b = 0; b < bins; b++) {
        Samples bin = {lens, lines + 3 * b, start, ranges, row, 0, count};
        view_begins(&bin, hidden, first + b, edge_pixels + b);
        own[b] = scan_bin(&bin, first[b], read, shown->clear + b, shown->clear_pixel + b);
        end[b] = view_ends(&bin, hidden, first[b]);
    }
    settle(own, bins, count, read, end, shown);
}

/* The bins of a table: unit vector ahead, azimuth of the first bin, bins in a unit of azimuth. */
typedef struct {
    float ahead_x, ahead_y, start, per_unit;
    int32_t bins;
} Bins;

/* Where a vector leaves the square of side 2 around the origin; NaN for a zero vector. */
static inline float azimuth_of(float x, float y)
{
    float ahead = x + y, aside = y - x;
    float half = aside / (fabsf(ahead) + fabsf(aside));
    float around = ahead >= 0.0f ? 2.0f * half + 1.0f : -3.0f - 2.0f * half;
    return around < -4.0f ? around + 8.0f : around;
}

/* What the cells of a rectangle show. */
typedef struct {
    const float *column_x, *row_x, *column_y, *row_y; /* their sums are relative to the foot */
    int32_t columns, rows;
    int32_t corner, width;                            /* first cell; cells in a grid's row */
    float foot_x, foot_y;
    float from_ground[12];                            /* optical frame from ground frame */
    float height_squared, height_focal, resolution;   /* of the range weights */
} Cells;

/* The ground in the cells of a rectangle, up to where each bin ends (`seen`).
 * Returns how many cells were written. */
int32_t ground_cells(const Lens *given, const Bins *table, const float *seen, const Cells *near,
                     const uint8_t *labels, const uint8_t *kinds, const uint8_t *class_costs,
                     const uint8_t *confidences, int64_t *cells, float *weights, float *costs)
{
    const Lens lens = *given;
    const Bins bins = *table;
    const Cells area = *near;
    const float *m = area.from_ground;
    int32_t found = 0;
    for (int32_t r = 0; r < area.rows; r++) {
        const float row_x = area.row_x[r], row_y = area.row_y[r];
        const int64_t row_cell = area.corner + (int64_t)r * area.width;
        for (int32_t low = 0; low < area.columns; low += BLOCK) {
            int32_t size = area.columns - low < BLOCK ? area.columns - low : BLOCK;
            float x[BLOCK], y[BLOCK], squared[BLOCK], place[BLOCK], pixel[BLOCK];
            int32_t cell[BLOCK];
            const float *column_x = area.column_x + low, *column_y = area.column_y + low;
#pragma omp simd
            for (int32_t i = 0; i < size; i++) {
                float cell_x = column_x[i] + row_x, cell_y = column_y[i] + row_y;
                float around = azimuth_of(cell_x * bins.ahead_x + cell_y * bins.ahead_y,
                                          cell_y * bins.ahead_x - cell_x * bins.ahead_y);
                x[i] = cell_x;
                y[i] = cell_y;
                place[i] = (around - bins.start) * bins.per_unit;
                squared[i] = cell_x * cell_x + cell_y * cell_y;
            }
            int32_t kept = 0;
            for (int32_t i = 0; i < size; i++) {
                if (!(place[i] >= 0.0f && place[i] < (float)bins.bins)) {
                    continue;
                }
                float limit = seen[(int32_t)place[i]];
                if (!(squared[i] < limit * limit)) {
                    continue;
                }
                x[kept] = x[i] + area.foot_x;
                y[kept] = y[i] + area.foot_y;
                squared[kept] = squared[i];
                cell[kept++] = low + i;
            }
#pragma omp simd
            for (int32_t i = 0; i < kept; i++) {
                pixel[i] = pixel_of(&lens, m[0] * x[i] + (m[1] * y[i] + m[3]),
                                    m[4] * x[i] + (m[5] * y[i] + m[7]),
                                    m[8] * x[i] + (m[9] * y[i] + m[11]));
            }
            for (int32_t i = 0; i < kept; i++) {
                int32_t p = (int32_t)pixel[i];
                uint8_t label = labels[p];
                if (kinds[label] != GROUND) {
                    continue;
                }
                float distance = sqrtf(squared[i]);
                float covered = (area.height_squared + distance * distance) / area.height_focal;
                float weight = area.resolution / covered;
                weight = weight < 1.0f ? weight : 1.0f;
                float sure = confidences == NULL ? 1.0f
                    : (float)confidences[p] * (float)(1.0 / 255.0);
                cells[found] = row_cell + cell[i];
                weights[found] = weight * sure;
                costs[found++] = (float)class_costs[label];
            }
        }
    }
    return found;
}

/* Where a depth image's points lie, and what they are. */
typedef struct {
    double odom[6];                       /* two rows of odom_from_ground: x, y and shift */
    double origin_x, origin_y, resolution;
    float from_camera[12];                /* ground frame from optical frame */
    float nearest, tolerance, slope, max_height, max_range;
    int32_t width, height;
    int32_t overrules;                    /* a level obstacle is ground */
    uint8_t unlabeled;
} DepthView;

/* Points that were sorted, (N,) each; `misnamed` only of ground. */
typedef struct {
    int64_t *cells;
    float *x, *y, *sure;
    uint8_t *labels, *misnamed;
} Points;

/* Sort the measured points within range that lie in the grid into ground and obstacles.
 * `directions` has three rows of `number`. Returns how many are ground; `blocked` are obstacles. */
int32_t depth_points(const float *directions, const int32_t *pixels, int32_t number,
                     const float *depth, const uint8_t *labels, const uint8_t *confidences,
                     const uint8_t *kinds, const uint8_t *lethal_when_level,
                     const DepthView *given, const Points *ground, const Points *obstacles,
                     int32_t *blocked)
{
    const DepthView view = *given;
    const float *m = view.from_camera;
    const double *o = view.odom;
    int32_t grounds = 0, walls = 0;
    for (int32_t low = 0; low < number; low += BLOCK) {
        int32_t size = number - low < BLOCK ? number - low : BLOCK;
        const float *right = directions + low, *down = right + number, *ahead = down + number;
        const int32_t *pixel = pixels + low;
        float distance[BLOCK], x[BLOCK], y[BLOCK], z[BLOCK], out[BLOCK];
        double column[BLOCK], row[BLOCK];
        for (int32_t i = 0; i < size; i++) {
            distance[i] = depth[pixel[i]];
        }
#pragma omp simd
        for (int32_t i = 0; i < size; i++) {
            float a = right[i] * distance[i], b = down[i] * distance[i];
            float c = ahead[i] * distance[i];
            x[i] = m[0] * a + m[1] * b + m[2] * c + m[3];
            y[i] = m[4] * a + m[5] * b + m[6] * c + m[7];
            z[i] = m[8] * a + m[9] * b + m[10] * c + m[11];
            float dx = x[i] - m[3], dy = y[i] - m[7];
            out[i] = sqrtf(dx * dx + dy * dy);
            double odom_x = o[0] * (double)x[i] + o[1] * (double)y[i] + o[2];
            double odom_y = o[3] * (double)x[i] + o[4] * (double)y[i] + o[5];
            column[i] = floor((odom_x - view.origin_x) / view.resolution);
            row[i] = floor((odom_y - view.origin_y) / view.resolution);
        }
        for (int32_t i = 0; i < size; i++) {
            int measured = (distance[i] > view.nearest) & (distance[i] < INFINITY)
                & (out[i] <= view.max_range) & (column[i] >= 0.0) & (column[i] < view.width)
                & (row[i] >= 0.0) & (row[i] < view.height);
            if (!measured) {
                continue;
            }
            uint8_t label = labels[pixel[i]];
            int32_t kind = kinds[label];
            int level = fabsf(z[i]) <= view.tolerance + view.slope * out[i];
            int wrong = view.overrules && level && kind == OBSTACLE && !lethal_when_level[label];
            int is_ground = wrong || (level && kind == GROUND);
            int is_obstacle = level ? kind == OBSTACLE
                : z[i] <= view.max_height
                    && (kind == OBSTACLE || kind == GROUND || label == view.unlabeled);
            if (!is_ground && !is_obstacle) {
                continue;
            }
            const Points *points = is_ground ? ground : obstacles;
            int32_t n = is_ground ? grounds++ : walls++;
            points->cells[n] = (int64_t)row[i] * view.width + (int64_t)column[i];
            points->x[n] = x[i];
            points->y[n] = y[i];
            points->sure[n] = confidences == NULL ? 1.0f
                : (float)confidences[pixel[i]] * (float)(1.0 / 255.0);
            points->labels[n] = label;
            if (is_ground) {
                points->misnamed[n] = (uint8_t)wrong;
            }
        }
    }
    *blocked = walls;
    return grounds;
}

/* Let evidence fade towards zero by `step`, all but marks: those are as they were, or nothing
 * once they were last seen before `oldest`. */
void fade(float *evidence, const double *times, int32_t cells, float threshold, float step,
          double oldest)
{
    for (int32_t low = 0; low < cells; low += BLOCK) {
        int32_t size = cells - low < BLOCK ? cells - low : BLOCK, marks = 0;
        float *part = evidence + low, before[BLOCK];
#pragma omp simd reduction(+:marks)
        for (int32_t i = 0; i < size; i++) {
            float value = part[i];
            float less = value < step ? value : step;
            less = less > -step ? less : -step;
            before[i] = value;
            part[i] = value - less;
            marks += value >= threshold;
        }
        /* Few blocks hold marks, and theirs alone are the times that are read. */
        for (int32_t i = 0; marks > 0 && i < size; i++) {
            if (before[i] >= threshold) {
                part[i] = times[low + i] < oldest ? 0.0f : before[i];
                marks--;
            }
        }
    }
}

/* A grid's cells, and how a frame is taken into them. `forgotten` is a time before which a cost
 * was last seen that counts no more. */
typedef struct {
    float *standing, *moving, *costs;
    double *ground_times;
    double stamp, forgotten;
    float free_gain, free_limit, cost_gain;
} Fusion;

static inline float lowered(float evidence, float by, float limit)
{
    float least = evidence < limit ? evidence : limit, less = evidence - by;
    return less > least ? less : least;
}

/* Take ground into a grid, each of `cells` once; where obstacles are seen they win. */
void fuse_ground(const Fusion *given, const int64_t *cells, const float *weights,
                 const float *seen_costs, int32_t number, const uint8_t *obstacle)
{
    const Fusion grid = *given;
    for (int32_t i = 0; i < number; i++) {
        const int64_t cell = cells[i];
        if (obstacle[cell]) {
            continue;
        }
        float by = grid.free_gain * weights[i], cost = grid.costs[cell];
        double time = grid.ground_times[cell];
        float share = time < grid.forgotten ? 1.0f : grid.cost_gain * weights[i];
        grid.standing[cell] = lowered(grid.standing[cell], by, grid.free_limit);
        grid.moving[cell] = lowered(grid.moving[cell], by, grid.free_limit);
        grid.costs[cell] = cost + share * (seen_costs[i] - cost);
        grid.ground_times[cell] = time > grid.stamp ? time : grid.stamp;
    }
}

/* The values of an OccupancyGrid; `known_from` is the time from which on ground is known. Returns
 * whether a cell is known or holds evidence. */
int32_t show_cells(const float *standing, const float *moving, const float *costs,
                   const double *ground_times, int32_t cells, double known_from, float threshold,
                   float highest, int8_t unknown, int8_t lethal, int8_t *values)
{
    int32_t held = 0;
    for (int32_t low = 0; low < cells; low += BLOCK) {
        int32_t size = cells - low < BLOCK ? cells - low : BLOCK;
        int32_t value[BLOCK];
#pragma omp simd reduction(|:held)
        for (int32_t i = 0; i < size; i++) {
            float cost = rintf(costs[low + i]), stays = standing[low + i], moves = moving[low + i];
            cost = cost > 0.0f ? cost : 0.0f;
            cost = cost < highest ? cost : highest;
            int32_t known = ground_times[low + i] >= known_from;
            int32_t shown = known ? (int32_t)cost : unknown;
            value[i] = (stays >= threshold) | (moves >= threshold) ? lethal : shown;
            held |= known | (stays != 0.0f) | (moves != 0.0f);
        }
        for (int32_t i = 0; i < size; i++) {
            values[low + i] = (int8_t)value[i];
        }
    }
    return held;
}
