/* trainer_ranks.c - a run of several processes: the same start, the same signal, the same parameters all along.
 *
 * Each process makes the same update from the same sum of gradients, so adapter and moments never travel but at the start.
 */
#include "trainer_parts.h"

#include "base/memory.h"
#include "base/signals.h"
#include "run_identity.h"

#include <stdlib.h>
#include <string.h>

bool trainer_writes(const trainer *t) {
    return cso_comm_rank(t->job->comm) == 0;
}

static cso_status compare(const trainer *t, const cso_identity *mine, cso_error *err) {
    cso_identity first = *mine;
    cso_status status = CSO_OK;
    cso_comm_broadcast(t->job->comm, &first, sizeof first);
    for (size_t i = 0; status == CSO_OK && i < mine->count; i++)
        if (strcmp(first.items[i].value, mine->items[i].value) != 0)
            status = cso_fail(err, CSO_ERR_USAGE, "%s is %s here and %s in process 0 (expected the same in all)",
                              mine->items[i].key, mine->items[i].value, first.items[i].value);
    return cso_comm_agree(t->job->comm, status, err);
}

cso_status trainer_check_ranks(const trainer *t, cso_error *err) {
    cso_identity course;
    if (cso_comm_size(t->job->comm) == 1)
        return CSO_OK;
    CSO_TRY(run_course_make(&course, t->job, t->length.total_steps, err)); /* the same in all processes: none is left waiting */
    CSO_TRY(compare(t, &t->identity, err));
    return compare(t, &course, err);
}

void trainer_share_start(trainer *t) {
    cso_comm *comm = t->job->comm;
    cso_comm_broadcast(comm, t->job->adapter->params, t->job->adapter->n_params * sizeof(float));
    cso_comm_broadcast(comm, t->adamw.m, t->adamw.n * sizeof(float));
    cso_comm_broadcast(comm, t->adamw.v, t->adamw.n * sizeof(float));
    cso_comm_broadcast(comm, &t->adamw.steps, sizeof t->adamw.steps);
    cso_comm_broadcast(comm, &t->state, sizeof t->state);
    cso_comm_broadcast(comm, &t->saved_step, sizeof t->saved_step);
}

void trainer_share_cache(const trainer *t, cso_reference_cache *cache) {
    cso_comm_broadcast(t->job->comm, cache->logps, cache->n * sizeof *cache->logps);
}

cso_status trainer_check_equal(const trainer *t, cso_error *err) {
    cso_comm *comm = t->job->comm;
    char mine[33], first[33];
    if (cso_comm_size(comm) == 1)
        return CSO_OK;
    cso_adapter_fingerprint(t->job->adapter, mine);
    memcpy(first, mine, sizeof first);
    cso_comm_broadcast(comm, first, sizeof first);
    cso_status status = CSO_OK;
    if (strcmp(mine, first) != 0)
        status = cso_fail(err, CSO_ERR_INTERNAL, "step %zu: the adapter differs from that of process 0 (is the memory sound?)",
                          t->state.step);
    return cso_comm_agree(comm, status, err);
}

int trainer_share_signals(const trainer *t, bool *save) {
    cso_comm *comm = t->job->comm;
    const cso_train_observer *observer = &t->job->observer;
    const int asked = observer->should_stop && observer->should_stop(observer->context) ? TRAINER_STOP_ASKED : 0;
    const int signalled = cso_signals_stop();
    const int mine[2] = {signalled ? signalled : asked, cso_signals_save()};
    int *all = t->signals, signal = 0;
    cso_comm_gather_all(comm, mine, all, sizeof mine);
    *save = false;
    for (int rank = 0; rank < cso_comm_size(comm); rank++, all += 2) {
        signal = signal ? signal : all[0];
        *save |= all[1] != 0;
    }
    if (signal > 0)
        cso_signals_raise(signal); /* the exit code is made of it */
    return signal;
}
