/* searches.c - see searches.h. */
#include "searches.h"

#include "base/file.h"
#include "base/folder_lock.h"
#include "base/memory.h"
#include "searches_parts.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const cso_folder_owner cso_search_owner = {"searching", "search.dir"};
static const size_t STACK_BYTES = (size_t)1 << 20;

char *cso_search_file(const char *dir, const char *folder, size_t index, const char *ending) {
    return cso_format("%s/%s/%06zu%s", dir, folder, index, ending);
}

static cso_status make_folder(const char *dir, const char *name, cso_error *err) {
    char *path = cso_path_join(dir, name);
    cso_status status = path ? cso_make_folder(path, err) : cso_fail_memory(err, "a path");
    free(path);
    return status;
}

/* A folder that has journals is that of a run. */
static cso_status check_fresh(const char *dir, cso_error *err) {
    char *path = cso_path_join(dir, "journal");
    cso_names names = {0};
    cso_status status = path ? CSO_OK : cso_fail_memory(err, "a path");
    if (status == CSO_OK && cso_path_exists(path))
        status = cso_folder_list(path, false, &names, err);
    if (status == CSO_OK && names.count)
        status = cso_fail(err, CSO_ERR_USAGE, "%s: holds a search already (expected --resume auto, or another search.dir)", dir);
    cso_names_free(&names);
    free(path);
    return status;
}

/* What a process that was killed left half written. */
static cso_status clean(const char *dir, const char *name, const char *const *ours, cso_error *err) {
    size_t removed = 0;
    char *path = cso_path_join(dir, name);
    cso_status status = path ? CSO_OK : cso_fail_memory(err, "a path");
    if (status == CSO_OK && cso_path_is_folder(path))
        status = cso_folder_remove_leftovers(path, true, ours, &removed, err);
    free(path);
    return status;
}

static cso_status clean_all(const char *dir, cso_error *err) {
    static const char *const OURS[] = {"esc-pro.jsonl.", "config.toml.", NULL}, *const ANY[] = {"", NULL};
    CSO_TRY(clean(dir, "", OURS, err));
    CSO_TRY(clean(dir, "trees", ANY, err));
    return clean(dir, "pages", ANY, err);
}

static cso_status open_folder(cso_searches *s, bool resume, cso_error *err) {
    const char *dir = s->options->config->search.dir;
    CSO_TRY(cso_make_folders(dir, err));
    CSO_TRY(cso_folder_lock(dir, &cso_search_owner, &s->lock, err));
    if (!resume)
        CSO_TRY(check_fresh(dir, err));
    CSO_TRY(clean_all(dir, err));
    CSO_TRY(make_folder(dir, "journal", err));
    return make_folder(dir, "trees", err);
}

cso_status cso_searches_open(cso_searches **searches, const cso_searches_options *options, bool resume, cso_error *err) {
    cso_searches *s = *searches = cso_calloc(1, sizeof *s);
    if (!s)
        return cso_fail_memory(err, "the searches");
    size_t count = options->seeds->count;
    s->options = options;
    s->lock = -1;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->ended, NULL);
    s->summaries = cso_calloc(count, sizeof *s->summaries);
    s->live = cso_calloc(count, sizeof *s->live);
    s->threads = cso_calloc(options->config->search.parallel, sizeof *s->threads);
    cso_status status = s->summaries && s->live && s->threads ? open_folder(s, resume, err) : cso_fail_memory(err, "the searches");
    if (status != CSO_OK) {
        cso_searches_close(s);
        *searches = NULL;
    }
    return status;
}

static void join_threads(cso_searches *s) {
    for (size_t i = 0; i < s->thread_count; i++)
        pthread_join(s->threads[i], NULL);
    s->thread_count = 0;
}

void cso_searches_close(cso_searches *s) {
    if (!s)
        return;
    join_threads(s);
    for (size_t i = 0; s->summaries && i < s->options->seeds->count; i++)
        cso_search_summary_free(&s->summaries[i]);
    if (s->lock >= 0)
        close(s->lock);
    pthread_cond_destroy(&s->ended);
    pthread_mutex_destroy(&s->mutex);
    free(s->summaries);
    free(s->live);
    free(s->threads);
    free(s);
}

/* The next seed whose search is to be begun; SIZE_MAX: none. */
static size_t take_seed(cso_searches *s) {
    size_t seed = SIZE_MAX, count = s->options->seeds->count;
    pthread_mutex_lock(&s->mutex);
    while (s->next < count && s->summaries[s->next].begun && s->summaries[s->next].state == CSO_SEARCH_COMPLETE)
        s->next++;
    if (!s->stopping && s->next < count)
        seed = s->next++;
    s->running += seed != SIZE_MAX;
    pthread_mutex_unlock(&s->mutex);
    return seed;
}

static void *work(void *context) {
    cso_searches *s = context;
    for (size_t seed; (seed = take_seed(s)) != SIZE_MAX;) {
        searches_run_one(s, seed);
        pthread_mutex_lock(&s->mutex);
        s->running--;
        pthread_mutex_unlock(&s->mutex);
    }
    pthread_mutex_lock(&s->mutex);
    s->working--;
    pthread_cond_signal(&s->ended);
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

/* Signals are the main thread's. */
static int start_thread(cso_searches *s, pthread_t *thread) {
    sigset_t all, before;
    pthread_attr_t attributes;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(thread, &attributes, work, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return failed;
}

/* How far an earlier start came is told again by this one. */
static void forget_incomplete(cso_searches *s) {
    for (size_t i = 0; i < s->options->seeds->count; i++)
        if (s->summaries[i].state != CSO_SEARCH_COMPLETE || !s->summaries[i].begun) {
            cso_search_summary_free(&s->summaries[i]);
            s->live[i] = (search_live){0};
        }
}

cso_status cso_searches_start(cso_searches *s, const cso_policy *policy, cso_error *err) {
    size_t count = s->options->config->search.parallel;
    join_threads(s);
    if (count > s->options->seeds->count)
        count = s->options->seeds->count;
    forget_incomplete(s);
    s->policy = policy;
    s->next = 0;
    s->stopping = false;
    pthread_mutex_lock(&s->mutex);
    for (size_t i = 0; i < count; i++) {
        errno = start_thread(s, &s->threads[s->thread_count]);
        if (errno)
            break;
        s->thread_count++;
        s->working++;
    }
    pthread_mutex_unlock(&s->mutex);
    return s->thread_count ? CSO_OK : cso_fail_errno(err, "start a thread for", "a search");
}

bool cso_searches_wait(cso_searches *s, double seconds) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    double fraction = seconds + (double)until.tv_nsec * 1e-9;
    until.tv_sec += (time_t)fraction;
    until.tv_nsec = (long)((fraction - (double)(time_t)fraction) * 1e9);
    pthread_mutex_lock(&s->mutex);
    while (s->working && pthread_cond_timedwait(&s->ended, &s->mutex, &until) != ETIMEDOUT)
        ;
    bool all = !s->working;
    pthread_mutex_unlock(&s->mutex);
    if (all)
        join_threads(s);
    return all;
}

void cso_searches_stop(cso_searches *s) {
    pthread_mutex_lock(&s->mutex);
    s->stopping = true;
    pthread_mutex_unlock(&s->mutex);
}

void cso_searches_stats_get(cso_searches *s, cso_searches_stats *stats) {
    pthread_mutex_lock(&s->mutex);
    *stats = (cso_searches_stats){.count = s->options->seeds->count, .running = s->running};
    for (size_t i = 0; i < stats->count; i++) {
        const cso_search_summary *summary = &s->summaries[i];
        const search_live *live = &s->live[i];
        stats->complete += summary->begun && summary->state == CSO_SEARCH_COMPLETE;
        stats->failed += summary->begun && summary->state == CSO_SEARCH_FAILED;
        stats->iterations += live->iterations;
        stats->ended += live->ended;
        stats->records += summary->records;
        stats->pairs += summary->begun ? summary->pairs : live->pairs;
        stats->calls += live->answers;
        stats->replayed += live->replayed;
        stats->prompt_tokens += live->prompt_tokens;
        stats->completion_tokens += live->completion_tokens;
        stats->cost += live->cost;
        stats->replayed_cost += live->replayed_cost;
    }
    pthread_mutex_unlock(&s->mutex);
}

const cso_search_summary *cso_searches_summary(const cso_searches *s, size_t index) {
    return &s->summaries[index];
}

cso_status cso_searches_write_records(const cso_searches *s, cso_error *err) {
    char *path = cso_path_join(s->options->config->search.dir, "esc-pro.jsonl");
    cso_save *save = NULL;
    cso_status status = path ? cso_save_begin(&save, path, err) : cso_fail_memory(err, "a path");
    for (size_t i = 0; status == CSO_OK && i < s->options->seeds->count; i++)
        if (s->summaries[i].begun && s->summaries[i].state == CSO_SEARCH_COMPLETE && s->summaries[i].text_size)
            status = cso_save_write(save, s->summaries[i].text, s->summaries[i].text_size, err);
    if (status == CSO_OK)
        status = cso_save_commit(save, err);
    else
        cso_save_abort(save);
    free(path);
    return status;
}
