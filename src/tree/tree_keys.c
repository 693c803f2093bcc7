/* tree_keys.c - see tree_keys.h. */
#include "tree_keys.h"

#include <string.h>

enum { BLOCK = 64 }; /* ids that are compared at once */

cso_status cso_tree_key_make(cso_tree_key *key, const cso_sequence *sequence, size_t index, cso_error *err) {
    size_t last = 0;
    if (sequence->scored) {
        if (sequence->length && sequence->scored[0])
            return cso_fail(err, CSO_ERR_INTERNAL, "sequence %zu: its first token is scored, but nothing comes before it", index);
        for (size_t t = sequence->length; t-- > 1 && !last;)
            last = sequence->scored[t] ? t : 0;
    } else if (sequence->length > 1 && sequence->length > sequence->score_start) {
        last = sequence->length - 1;
    }
    if (last > INT32_MAX - 1)
        return cso_fail(err, CSO_ERR_INPUT, "sequence %zu: %zu tokens are too many for a tree (expected fewer than 2^31)", index,
                        last);
    for (size_t t = 0; last && t <= last; t++)
        if (sequence->ids[t] < 0)
            return cso_fail(err, CSO_ERR_INPUT, "sequence %zu: token %zu has the negative id %d", index, t, (int)sequence->ids[t]);
    *key = (cso_tree_key){.ids = sequence->ids, .laid = last, .group = sequence->group, .index = index};
    return CSO_OK;
}

size_t cso_tree_key_common(const cso_tree_key *a, const cso_tree_key *b, size_t limit) {
    size_t n = 0;
    if (a->group != b->group)
        return 0;
    if (a->ids == b->ids)
        return limit;
    while (limit - n >= BLOCK && !memcmp(a->ids + n, b->ids + n, BLOCK * sizeof *a->ids))
        n += BLOCK;
    while (n < limit && a->ids[n] == b->ids[n])
        n++;
    return n;
}
