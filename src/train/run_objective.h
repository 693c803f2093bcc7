/* run_objective.h - the objective that a configuration asks for. */
#ifndef CSO_RUN_OBJECTIVE_H
#define CSO_RUN_OBJECTIVE_H

#include "loss/objective.h"
#include "run_config.h"

/* From loss.type or loss.types, loss.weights and the options. CSO_ERR_USAGE: "loss.weights: 2 weights for 3 losses", or what
 * cso_objective_make says. */
cso_status cso_run_objective(const cso_run_config *config, cso_objective *objective, cso_error *err);

#endif
