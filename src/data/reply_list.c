/* reply_list.c - see reply_list.h. */
#include "reply_list.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void reply_list_free(reply_list *list) {
    free(list->items);
    free(list->replies);
    *list = (reply_list){0};
}

static bool same_text(const cso_message *a, const cso_message *b) {
    return a->size == b->size && !memcmp(a->content, b->content, a->size);
}

cso_status reply_list_add(reply_list *list, const cso_message *message, const cso_reply_info *info, bool *added, cso_error *err) {
    *added = false;
    for (size_t i = 1; i < list->count; i++)
        if (same_text(&list->items[i].message, message))
            return CSO_OK;
    if (!cso_grow(&list->items, &list->capacity, list->count + 1, sizeof *list->items))
        return cso_fail_memory(err, "a list of replies");
    list->items[list->count] = (listed_reply){*message, *info, list->count};
    list->count++;
    list->unknown_strategies += !info->strategy;
    *added = true;
    return CSO_OK;
}

/* The higher q first, equal ones as they came. */
static int compare(const void *first, const void *second) {
    const listed_reply *a = first, *b = second;
    if (a->info.q != b->info.q)
        return a->info.q > b->info.q ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

static void rank_negatives(reply_list *list) {
    listed_reply *items = list->items;
    bool all = true;
    for (size_t i = 1; i < list->count; i++)
        all = all && !isnan(items[i].info.q);
    if (all && list->count > 2)
        qsort(items + 1, list->count - 1, sizeof *items, compare);
    for (size_t i = 0; i < list->count; i++) {
        bool lower = i < 2 || (all && items[i].info.q < items[i - 1].info.q);
        items[i].info.rank = i ? items[i - 1].info.rank + lower : 0;
    }
}

cso_status reply_list_rank(reply_list *list, cso_error *err) {
    rank_negatives(list);
    free(list->replies);
    list->replies = cso_calloc(list->count, sizeof *list->replies);
    if (!list->replies)
        return cso_fail_memory(err, "a list of replies");
    for (size_t i = 0; i < list->count; i++)
        list->replies[i] = (source_reply){.messages = &list->items[i].message, .count = 1, .info = list->items[i].info};
    return CSO_OK;
}
