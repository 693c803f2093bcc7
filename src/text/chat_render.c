/* chat_render.c - the parts of a chat template's rendering. */
#include "base/memory.h"
#include "chat_template.h"

#include <stdlib.h>
#include <string.h>

void cso_render_bytes(cso_rendering *out, const char *text, size_t size) {
    cso_text_add(&out->text, text, size);
}

void cso_render_text(cso_rendering *out, const char *text) {
    cso_text_add(&out->text, text, strlen(text));
}

void cso_render_special(cso_rendering *out, const char *token) {
    if (!cso_grow(&out->marks, &out->mark_capacity, out->mark_count + 1, sizeof *out->marks)) {
        out->failed = true;
        return;
    }
    out->marks[out->mark_count++] = (cso_mark){out->text.size, strlen(token)};
    cso_render_text(out, token);
}

void cso_render_cut(cso_rendering *out, size_t message) {
    if (!message)
        return;
    if (!cso_grow(&out->cuts, &out->cut_capacity, out->cut_count + 1, sizeof *out->cuts)) {
        out->failed = true;
        return;
    }
    out->cuts[out->cut_count++] = (cso_cut){message, out->text.size, out->mark_count, out->turn_count};
}

void cso_rendering_free(cso_rendering *rendering) {
    free(rendering->text.data);
    free(rendering->marks);
    free(rendering->turns);
    free(rendering->cuts);
    *rendering = (cso_rendering){0};
}

void cso_render_turn_begin(cso_rendering *out, const cso_message *message) {
    if (!cso_has_role(message, "assistant"))
        return;
    if (!cso_grow(&out->turns, &out->turn_capacity, out->turn_count + 1, sizeof *out->turns)) {
        out->failed = true;
        return;
    }
    out->turns[out->turn_count++] = (cso_mark){.begin = out->text.size};
}

void cso_render_turn_end(cso_rendering *out, const cso_message *message) {
    if (cso_has_role(message, "assistant") && !out->failed) {
        cso_mark *turn = &out->turns[out->turn_count - 1];
        turn->size = out->text.size - turn->begin;
    }
}

/* Bytes of the white space that text[size] begins with, 0: none. As Python's str.strip, and so Jinja's trim:
 * U+0009..U+000D, U+001C..U+0020, U+0085, U+00A0, U+1680, U+2000..U+200A, U+2028, U+2029, U+202F, U+205F, U+3000. */
static size_t space_length(const unsigned char *text, size_t size) {
    if (size && ((text[0] >= 0x09 && text[0] <= 0x0D) || (text[0] >= 0x1C && text[0] <= 0x20)))
        return 1;
    if (size >= 2 && text[0] == 0xC2 && (text[1] == 0x85 || text[1] == 0xA0))
        return 2;
    if (size < 3)
        return 0;
    unsigned point = (text[0] & 0x0Fu) << 12 | (text[1] & 0x3Fu) << 6 | (text[2] & 0x3Fu);
    if (text[0] < 0xE0 || text[0] > 0xEF || (text[1] & 0xC0) != 0x80 || (text[2] & 0xC0) != 0x80)
        return 0;
    bool space = point == 0x1680 || (point >= 0x2000 && point <= 0x200A) || point == 0x2028 || point == 0x2029 || point == 0x202F ||
                 point == 0x205F || point == 0x3000;
    return space ? 3 : 0;
}

void cso_render_trimmed(cso_rendering *out, const char *text, size_t size) {
    const unsigned char *byte = (const unsigned char *)text;
    size_t begin = 0, length;
    while ((length = space_length(byte + begin, size - begin)))
        begin += length;
    for (bool trimmed = true; trimmed && size > begin;) {
        trimmed = false;
        for (length = 1; length <= 3 && length <= size - begin && !trimmed; length++)
            trimmed = space_length(byte + size - length, length) == length;
        if (trimmed)
            size -= length - 1; /* undoes the loop's last increment */
    }
    cso_render_bytes(out, text + begin, size - begin);
}
