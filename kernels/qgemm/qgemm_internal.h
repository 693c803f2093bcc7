/* qgemm_internal.h - what the files of kernels/qgemm share. */
#ifndef CSO_KERNELS_QGEMM_INTERNAL_H
#define CSO_KERNELS_QGEMM_INTERNAL_H

#include "qgemm.h"
#include "qgemm_tile.h"

/* Bytes of a panel, a multiple of 64; the tensor has that, so it does not overflow unless sizes in memory would. */
size_t cso_qgemm_panel_bytes(cso_dtype dtype, size_t columns);
/* panel = rows row0 .. row0 + rows of the tensor; rows in 1..16. Columns that are missing become zeros. Of plain numbers a panel
 * is the rows, one after the other. */
void cso_qgemm_pack_panel(const cso_tensor *tensor, size_t row0, size_t rows, uint8_t *panel);

/* Is the type plain numbers, multiplied in f32? */
static inline bool cso_qgemm_is_plain(cso_dtype dtype) {
    return !cso_qgemm_formats[dtype].block;
}

/* What the rows' kernels of some formats need besides the integers: offsets or sums. A set of formats is a bit for each dtype. */
cso_status cso_qgemm_rows_prepare(cso_context *ctx, cso_qgemm_rows *rows, uint32_t formats, cso_error *err);
size_t cso_qgemm_rows_count(const cso_qgemm_rows *rows);
/* Rows first .. of x as they are, up to `most` of them. */
void cso_qgemm_rows_plain(const cso_qgemm_rows *rows, size_t first, size_t most, cso_qgemm_plain *tile);
/* The tile's fields that come from x: group `group` of sixteen rows (the last may have fewer), for a format that is prepared. */
void cso_qgemm_rows_group(const cso_qgemm_rows *rows, size_t group, cso_dtype dtype, cso_qgemm_tile *tile);

#endif
