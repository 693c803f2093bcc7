/* tiles.c - how a product's result is cut into tasks.
 *
 * A library that divides a product among its own threads rounds differently with each number of them, so the cut is ours and
 * depends on the shape alone. A task packs both its sides again: large tiles cost less, many tiles feed more threads.
 */
#include "gemm_internal.h"

/* How long a product takes with `threads` threads relative to no loss at all: whole rounds of tiles, and the packing. */
static double cost_with(const cso_gemm_tiles *t, size_t threads) {
    static const double PACKING = 64; /* what packing a number costs, in pairs of flops; measured */
    size_t rounds = (t->count_m * t->count_n + threads - 1) / threads;
    double tile_m = (double)t->tile_m, tile_n = (double)t->tile_n;
    double work = (double)(rounds * threads) * tile_m * tile_n / ((double)t->m * (double)t->n);
    return work * (1 + PACKING / tile_m + PACKING / tile_n);
}

/* Serves few threads well and many passably. */
static double cost(const cso_gemm_tiles *t) {
    static const struct {
        size_t threads;
        double weight;
    } machines[] = {{2, 0.5}, {4, 0.3}, {8, 0.15}, {16, 0.05}};
    double sum = 0;
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++)
        sum += machines[i].weight * cost_with(t, machines[i].threads);
    return sum;
}

cso_gemm_tiles cso_gemm_tiles_choose(size_t m, size_t n, size_t unit) {
    enum { SMALLEST = 96, MOST = 64, UNIT = 16 };
    cso_gemm_tiles best = {0};
    for (size_t i = 1; i <= MOST && (i == 1 || m / i >= SMALLEST); i++)
        for (size_t j = 1; j <= MOST && (j == 1 || n / j >= SMALLEST); j++) {
            cso_gemm_tiles t = {m, n, cso_gemm_piece(m, (m + i - 1) / i, UNIT), cso_gemm_piece(n, (n + j - 1) / j, unit), 0, 0};
            t.count_m = (m + t.tile_m - 1) / t.tile_m;
            t.count_n = (n + t.tile_n - 1) / t.tile_n;
            if (best.m == 0 || cost(&t) < cost(&best))
                best = t;
        }
    return best;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

cso_gemm_tile cso_gemm_tile_at(const cso_gemm_tiles *tiles, size_t index) {
    size_t i = index % tiles->count_m * tiles->tile_m, j = index / tiles->count_m * tiles->tile_n;
    return (cso_gemm_tile){i, smaller(tiles->tile_m, tiles->m - i), j, smaller(tiles->tile_n, tiles->n - j)};
}
