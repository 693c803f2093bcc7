#include "stop_texts.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* The number of bytes of the text that the stream ends with, after one more byte. */
static size_t advance(const cso_stop_text *stop, size_t state, char byte) {
    while (state && (state == stop->size || stop->text[state] != byte))
        state = stop->failure[state - 1];
    return stop->text[state] == byte ? state + 1 : 0;
}

static cso_status prepare(cso_stop_text *stop, const char *text, cso_error *err) {
    *stop = (cso_stop_text){.text = text, .size = strlen(text)};
    if (!stop->size)
        return cso_fail(err, CSO_ERR_USAGE, "a stop text must not be empty");
    stop->failure = cso_calloc(stop->size, sizeof *stop->failure);
    if (!stop->failure)
        return cso_fail_memory(err, "stop texts");
    for (size_t i = 1; i < stop->size; i++)
        stop->failure[i] = advance(stop, stop->failure[i - 1], text[i]);
    return CSO_OK;
}

cso_status cso_stop_texts_open(cso_stop_texts *stops, const char *const *texts, size_t n, cso_error *err) {
    cso_status status = CSO_OK;
    *stops = (cso_stop_texts){.list = cso_calloc(n, sizeof *stops->list)};
    if (!stops->list)
        return cso_fail_memory(err, "stop texts");
    while (status == CSO_OK && stops->n < n) {
        status = prepare(&stops->list[stops->n], texts[stops->n], err);
        stops->n++;
    }
    if (status != CSO_OK)
        cso_stop_texts_close(stops);
    return status;
}

void cso_stop_texts_close(cso_stop_texts *stops) {
    for (size_t i = 0; i < stops->n; i++)
        free(stops->list[i].failure);
    free(stops->list);
    *stops = (cso_stop_texts){0};
}

bool cso_stop_texts_find(const cso_stop_texts *stops, size_t *states, const char *bytes, size_t size, size_t *end, size_t *length) {
    *length = 0;
    for (size_t i = 0; i < size && !*length; i++) {
        for (size_t j = 0; j < stops->n; j++) {
            const cso_stop_text *stop = &stops->list[j];
            states[j] = advance(stop, states[j], bytes[i]);
            if (states[j] == stop->size && stop->size > *length)
                *length = stop->size;
        }
        *end = i + 1;
    }
    return *length > 0;
}

size_t cso_stop_texts_held(const cso_stop_texts *stops, const size_t *states) {
    size_t held = 0;
    for (size_t j = 0; j < stops->n; j++)
        held = states[j] > held ? states[j] : held;
    return held;
}
