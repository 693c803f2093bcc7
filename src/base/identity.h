/* identity.h - what makes a run this run: names and values that must be the same where a checkpoint is continued, and in all
 * processes of a run. A checkpoint stores them; the message of a refused one lists those that differ. */
#ifndef CSO_IDENTITY_H
#define CSO_IDENTITY_H

#include "option.h"
#include "status.h"

#include <stdbool.h>
#include <stddef.h>

enum { CSO_IDENTITY_MAX = 96, CSO_IDENTITY_KEY = 64, CSO_IDENTITY_VALUE = 192 };
typedef struct cso_identity {
    size_t count;
    struct {
        char key[CSO_IDENTITY_KEY], value[CSO_IDENTITY_VALUE];
    } items[CSO_IDENTITY_MAX];
    char failed[CSO_IDENTITY_KEY]; /* the first key that there was no room for; "": none */
} cso_identity;

/* Adds a name and its value. One too many, or a text too long, is remembered: cso_identity_check then fails. */
void cso_identity_add(cso_identity *identity, const char *key, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The value of a key under its name; of several numbers each: "train.betas[0]". */
void cso_identity_add_option(cso_identity *identity, const cso_option *row, const void *field);
/* CSO_ERR_INTERNAL, naming the key, unless everything that was added is there in full. */
cso_status cso_identity_check(const cso_identity *identity, cso_error *err);

#endif
