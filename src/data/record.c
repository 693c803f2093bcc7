/* record.c - the pairs of one record. */
#include "record.h"

#include "base/memory.h"
#include "render.h"

#include <stdlib.h>

typedef struct pair_visit {
    pair_renderer renderer;
    cso_pair_visitor visit;
    void *context;
} pair_visit;

static cso_status visit_source(void *context, const pair_source *source, const char *place, cso_error *err) {
    pair_visit *visit = context;
    cso_pair_tokens pair;
    cso_status status = render_pair(&visit->renderer, source, place, &pair, err);
    if (status == CSO_OK)
        status = visit->visit(visit->context, &pair, err);
    cso_pair_tokens_free(&pair);
    return status;
}

struct cso_record_cache {
    pair_renderer renderer;
};

cso_status cso_record_cache_create(cso_record_cache **cache, cso_error *err) {
    *cache = cso_calloc(1, sizeof **cache);
    return *cache ? CSO_OK : cso_fail_memory(err, "a record's rendering");
}

void cso_record_cache_free(cso_record_cache *cache) {
    if (cache)
        pair_renderer_free(&cache->renderer);
    free(cache);
}

cso_status cso_record_pairs_cached(cso_record_cache *cache, const cso_record_request *request, cso_pair_visitor visit,
                                   void *context, cso_error *err) {
    source_counts counts = {0};
    pair_visit pair = {.renderer = cache->renderer, .visit = visit, .context = context};
    pair.renderer.tokenizer = request->tokenizer;
    pair.renderer.chat = request->chat;
    pair.renderer.options = request->options;
    source_request source = {request->record, request->place, request->options, &counts, visit_source, &pair};
    cso_status status = record_sources(&source, request->form, err);
    cache->renderer = pair.renderer;
    return status;
}

cso_status cso_record_pairs(const cso_record_request *request, cso_pair_visitor visit, void *context, cso_error *err) {
    cso_record_cache cache = {0};
    cso_status status = cso_record_pairs_cached(&cache, request, visit, context, err);
    pair_renderer_free(&cache.renderer);
    return status;
}

cso_status cso_record_messages(const cJSON *record, const char *place, cso_record_messages_visitor visit, void *context,
                               cso_error *err) {
    message_list list = {0};
    cso_status status =
        message_list_read(&list, cJSON_GetObjectItemCaseSensitive(record, "messages"), place, "messages", false, err);
    if (status == CSO_OK)
        status = visit(context, list.items, list.count, err);
    message_list_free(&list);
    return status;
}
