/* json_each.h - cso_json_each for a file that is already open. */
#ifndef CSO_JSON_EACH_H
#define CSO_JSON_EACH_H

#include "json.h"

#include <stdio.h>

/* Visits the records of an open file; path is for messages, and for whether it ends in .json. */
cso_status cso_json_each_open(FILE *file, const char *path, cso_json_visitor visit, void *context, cso_error *err);

#endif
