/* page_parts.c - see page_parts.h. */
#include "page_parts.h"

#include "base/printable.h"
#include "base/utf8.h"

#include <string.h>

void page_add(cso_text *text, const char *html) {
    cso_text_add(text, html, strlen(html));
}

/* Value of a hex digit of cmake's SHA256. */
static unsigned digit(char c) {
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Adds 'sha256-BASE64', as a policy names an asset. */
static void add_hash(cso_text *text, const char *sha256) {
    static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    page_add(text, " 'sha256-");
    for (size_t at = 0; at < 64; at += 6) { /* 3 bytes become 4 letters; the last 2 become 3 */
        size_t bytes = at + 6 <= 64 ? 3 : 2;
        unsigned bits = 0;
        for (size_t i = 0; i < 6; i++)
            bits = bits << 4 | (i < 2 * bytes ? digit(sha256[at + i]) : 0);
        char letters[4] = {'=', '=', '=', '='};
        for (size_t i = 0; i <= bytes; i++)
            letters[i] = LETTERS[bits >> (18 - 6 * i) & 63];
        cso_text_add(text, letters, 4);
    }
    page_add(text, "'");
}

void page_begin(cso_text *text, const char *title, const page_asset *const *css, const page_asset *const *scripts) {
    page_add(text, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src");
    for (size_t i = 0; scripts[i]; i++)
        add_hash(text, scripts[i]->sha256);
    page_add(text, "; style-src");
    for (size_t i = 0; css[i]; i++)
        add_hash(text, css[i]->sha256);
    page_add(text,
             "; img-src data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
             "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n"
             "<link rel=\"icon\" href=\"data:,\">\n<title>");
    page_add_text(text, title);
    page_add(text, "</title>\n");
    for (size_t i = 0; css[i]; i++) {
        page_add(text, "<style>");
        cso_text_add(text, css[i]->bytes, css[i]->size);
        page_add(text, "</style>\n");
    }
    page_add(text, "</head>\n<body>\n");
}

void page_end(cso_text *text, const page_asset *const *scripts) {
    for (size_t i = 0; scripts[i]; i++) {
        page_add(text, "<script>");
        cso_text_add(text, scripts[i]->bytes, scripts[i]->size);
        page_add(text, "</script>\n");
    }
    page_add(text, "</body>\n</html>\n");
}

/* The reference for a character; NULL: none is needed. */
static const char *reference(char c) {
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case '\n':
    case '\t':
        return " ";
    default:
        return NULL;
    }
}

void page_add_text(cso_text *text, const char *value) {
    size_t size = strlen(value);
    for (size_t at = 0; at < size && !text->failed;) {
        size_t length = cso_printable_length(value + at, size - at);
        const char *other = reference(value[at]);
        if (other)
            page_add(text, other);
        else if (length)
            cso_text_add(text, value + at, length);
        else
            page_add(text, "\xEF\xBF\xBD");
        if (!length) { /* the whole of a control character, one byte of what is not UTF-8 */
            length = cso_utf8_length(value + at, size - at);
            if (!length)
                length = !strncmp(value + at, "\xC0\x80", 2) ? 2 : 1;
        }
        at += length;
    }
}

void page_add_data(cso_text *text, const cso_text *json) {
    page_add(text, "<script type=\"application/json\" id=\"data\">");
    size_t run = 0;
    for (size_t at = 0; at < json->size; at++) {
        char c = json->data[at];
        if (c != '<' && c != '>' && c != '&')
            continue;
        cso_text_add(text, json->data + run, at - run);
        cso_text_format(text, "\\u%04x", (unsigned)c);
        run = at + 1;
    }
    cso_text_add(text, json->data + run, json->size - run);
    page_add(text, "</script>\n");
    text->failed = text->failed || json->failed;
}
