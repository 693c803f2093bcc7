/* reply_list.h - the replies of a turn, gathered one by one and put in order: what a list is made of. */
#ifndef CSO_DATA_REPLY_LIST_H
#define CSO_DATA_REPLY_LIST_H

#include "pair_source.h"

typedef struct listed_reply {
    cso_message message;
    cso_reply_info info;
    size_t place; /* in the order in which they came */
} listed_reply;

/* Zero-initialise. The texts are not the list's. */
typedef struct reply_list {
    listed_reply *items; /* the preferred reply first */
    size_t count, capacity;
    source_reply *replies; /* (count), made by reply_list_rank */
    size_t unknown_strategies;
} reply_list;

void reply_list_free(reply_list *list);
/* *added false: a negative of this very text is there already. */
cso_status reply_list_add(reply_list *list, const cso_message *message, const cso_reply_info *info, bool *added, cso_error *err);
/* Orders what was added and fills replies: first the preferred reply with rank 0; then the negatives, by q where all of them have it
 * (the highest first, rank 1; equal ones have the same rank), else as they came, all with rank 1. */
cso_status reply_list_rank(reply_list *list, cso_error *err);

#endif
