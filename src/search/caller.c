/* caller.c - see caller.h. */
#include "caller.h"

#include "base/memory.h"
#include "base/rng.h"

#include <stdlib.h>

/* A question on its way. */
typedef struct pending {
    size_t number; /* of its call */
    size_t tries, refused;
    bool done;
} pending;

typedef struct asking {
    cso_caller *caller;
    const cso_question *questions;
    size_t count;
    cso_answer_reader read;
    void *context;
    pending *calls;    /* (count) */
    cso_question *now; /* (count) those that are asked at the moment */
    size_t *which;     /* (count) and whose they are */
    const char *why;   /* the last answer that was refused */
} asking;

static cso_status read_answer(asking *a, size_t index, const char *text, bool cut, cso_error *err) {
    const char *why = NULL;
    CSO_TRY(a->read(a->context, index, text, cut, &why, err));
    a->calls[index].done = !why;
    if (why) {
        a->calls[index].refused++;
        a->caller->refused++;
        a->why = why;
    }
    return CSO_OK;
}

static void watch(const asking *a, cso_role role, const cso_answer *answer, bool from_journal) {
    const cso_search_watcher *watcher = a->caller->watcher;
    if (watcher)
        watcher->answered(watcher->context, role, answer, from_journal);
}

static cso_answer as_answer(const cso_journal_entry *entry) {
    return (cso_answer){.text = entry->answer,
                        .prompt_tokens = entry->prompt_tokens,
                        .completion_tokens = entry->completion_tokens,
                        .cut = entry->cut,
                        .tries = entry->tries,
                        .cost = entry->cost};
}

/* Reads what the journal holds: the search sees every answer as it will be read again. */
static cso_status read_entry(asking *a, size_t index, const cso_journal_entry *entry, bool again, cso_error *err) {
    const cso_answer answer = as_answer(entry);
    watch(a, entry->role, &answer, again);
    return read_answer(a, index, entry->answer, entry->cut, err);
}

/* Takes what the journal has of a call: all but the last of its answers were refused before, too. */
static cso_status replay(asking *a, size_t index, cso_error *err) {
    const cso_question *question = &a->questions[index];
    const cso_journal_entry *entry;
    char digest[CSO_DIGEST_HEX];
    if (!a->caller->journal)
        return CSO_OK;
    cso_journal_question(question->system, question->user, digest);
    for (size_t k = 0; !a->calls[index].done; k++) {
        cso_status status = cso_journal_find(a->caller->journal, a->calls[index].number, k, question->role, digest, &entry, err);
        a->caller->changed |= status == CSO_ERR_USAGE;
        CSO_TRY(status);
        if (!entry)
            return CSO_OK;
        CSO_TRY(read_entry(a, index, entry, true, err));
    }
    return CSO_OK;
}

/* An answer counts once it is in the journal. */
static cso_status keep(asking *a, size_t index, const cso_answer *answer, cso_error *err) {
    const cso_question *question = &a->questions[index];
    const cso_journal_entry *kept;
    cso_journal_entry entry = {
        .call = a->calls[index].number,
        .role = question->role,
        .answer = answer->text,
        .prompt_tokens = answer->prompt_tokens,
        .completion_tokens = answer->completion_tokens,
        .cut = answer->cut,
        .tries = answer->tries,
        .cost = answer->cost,
    };
    if (!a->caller->journal)
        return read_entry(a, index, &entry, false, err);
    cso_journal_question(question->system, question->user, entry.question);
    CSO_TRY(cso_journal_append(a->caller->journal, &entry, &kept, err));
    return read_entry(a, index, kept, false, err);
}

static cso_status take(void *context, size_t now, cso_answer *answer, cso_error *err) {
    asking *a = context;
    size_t index = a->which[now];
    a->calls[index].tries += answer->tries;
    cso_status status = keep(a, index, answer, err);
    free(answer->text);
    answer->text = NULL;
    return status;
}

static cso_status fail_refused(const asking *a, size_t index, cso_error *err) {
    return cso_fail(err, CSO_ERR_SYSTEM, "role.%s: no answer of %zu was what was asked: %s (call %zu)",
                    cso_role_words[a->questions[index].role], a->calls[index].refused, a->why, a->calls[index].number);
}

/* Of an asking: a function of the search, the call, and how often its answer was refused, in this run or an earlier one. */
static uint64_t seed_of(const cso_caller *caller, const pending *call) {
    cso_rng rng = cso_rng_make(caller->seed, CSO_STREAM_SEARCH, call->number + 1);
    rng.index += 2 * call->refused;
    return cso_rng_u64(&rng);
}

/* Gathers what is not answered yet; an answer that was refused too often is the end. */
static cso_status gather(asking *a, size_t *count, cso_error *err) {
    *count = 0;
    for (size_t i = 0; i < a->count; i++) {
        if (a->calls[i].done)
            continue;
        if (a->calls[i].tries > a->caller->policy->max_retries[a->questions[i].role])
            return fail_refused(a, i, err);
        a->now[*count] = a->questions[i];
        a->now[*count].tries = a->calls[i].tries;
        a->now[*count].seed = seed_of(a->caller, &a->calls[i]);
        a->which[(*count)++] = i;
    }
    return CSO_OK;
}

static cso_status ask_all(asking *a, cso_error *err) {
    const cso_policy *policy = a->caller->policy;
    size_t count;
    for (size_t i = 0; i < a->count; i++) {
        a->calls[i].number = a->caller->next++;
        a->caller->calls[a->questions[i].role]++;
    }
    for (size_t i = 0; i < a->count; i++)
        CSO_TRY(replay(a, i, err));
    for (;;) {
        CSO_TRY(gather(a, &count, err));
        if (!count)
            return CSO_OK;
        CSO_TRY(policy->ask(policy->self, a->now, count, take, a, err));
    }
}

cso_status cso_caller_ask(cso_caller *caller, const cso_question *questions, size_t count, cso_answer_reader read, void *context,
                          cso_error *err) {
    asking a = {.caller = caller, .questions = questions, .count = count, .read = read, .context = context};
    a.calls = cso_calloc(count, sizeof *a.calls);
    a.now = cso_calloc(count, sizeof *a.now);
    a.which = cso_calloc(count, sizeof *a.which);
    cso_status status = a.calls && a.now && a.which ? ask_all(&a, err) : cso_fail_memory(err, "the calls of a search");
    free(a.calls);
    free(a.now);
    free(a.which);
    return status;
}
