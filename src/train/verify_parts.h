/* verify_parts.h - shared by verify.c (a folder with checksums) and verify_run.c; inside src/train only. */
#ifndef CSO_VERIFY_PARTS_H
#define CSO_VERIFY_PARTS_H

#include "io/json.h"
#include "verify.h"

/* Adds a damage of folder/name; name NULL: of the folder. */
cso_status verify_damage(cso_verified *v, const char *folder, const char *name, cso_error *err, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* Makes an entry of a CSO_ERR_INPUT about folder/name: what was to be read there is damaged. Others are passed on. */
cso_status verify_failed(cso_verified *v, cso_status status, const char *folder, const char *name, cso_error *err);

#endif
