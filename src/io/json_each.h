/* json_each.h - the part of cso_json_each that needs no file's name on disk. */
#ifndef CSO_JSON_EACH_H
#define CSO_JSON_EACH_H

#include "json.h"

#include <stdio.h>

/* Visits the records of an open file; path is for messages, and for whether it ends in .json. */
cso_status cso_json_each_open(FILE *file, const char *path, cso_json_visitor visit, void *context, cso_error *err);

#endif
