/* eval_systems.h - what is compared: models, and adapters on them, each with a name. */
#ifndef CSO_EVAL_SYSTEMS_H
#define CSO_EVAL_SYSTEMS_H

#include "programs/common/args.h"

typedef struct eval_system {
    char *name;          /* "base", an adapter's name; of several models MODEL or MODEL/ADAPTER */
    const char *model;   /* path */
    const char *adapter; /* folder; NULL: the model alone */
    size_t base;         /* the system of the model alone */
    char *file;          /* of its predictions; NULL: none is kept */
} eval_system;

/* Zero-initialise; eval_systems_free. */
typedef struct eval_systems {
    eval_system *items; /* (count) each model, then its adapters */
    size_t count;
} eval_systems;

/* models: PATH or NAME=PATH, with names if there are several. adapters: FOLDER or NAME=FOLDER, of several models MODEL/NAME=FOLDER. out:
 * the folder of the predictions, or NULL. A name has letters, digits and . _ - and does not begin with a point. Errors:
 * CSO_ERR_USAGE. */
cso_status eval_systems_make(eval_systems *systems, const cso_arg_list *models, const cso_arg_list *adapters, const char *out,
                             cso_error *err);
void eval_systems_free(eval_systems *systems);
/* The system with this name; CSO_ERR_USAGE where there is none. */
cso_status eval_systems_find(const eval_systems *systems, const char *name, size_t *index, cso_error *err);

#endif
