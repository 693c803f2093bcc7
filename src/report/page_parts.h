/* page_parts.h - what the HTML pages share: the head with its content security policy, escaped texts, data as JSON. */
#ifndef CSO_PAGE_PARTS_H
#define CSO_PAGE_PARTS_H

#include "io/json.h"

/* A style sheet or script that is compiled in. */
typedef struct page_asset {
    const char *bytes;
    size_t size;
    const char *sha256; /* 64 hex digits */
} page_asset;
extern const page_asset asset_page_base_css, asset_tree_page_css, asset_tree_page_js, asset_tree_chart_js, asset_tree_index_css,
    asset_tree_index_js;

/* Adds a page up to <body>: title, and style sheets inline. The policy lets these style sheets and scripts run, by the hash of
 * their bytes, and nothing else run or load; it also forbids scripts to turn strings into HTML. A hash holds whatever else is in
 * the page; a nonce in a file could be read and repeated by a text that is written later. css, scripts: NULL-terminated. */
void page_begin(cso_text *text, const char *title, const page_asset *const *css, const page_asset *const *scripts);
/* Adds the scripts and the end of the page. */
void page_end(cso_text *text, const page_asset *const *scripts);

/* Adds constant HTML of our own. */
void page_add(cso_text *text, const char *html);
/* Adds a text for an element's content or a quoted attribute: & < > " ' as references, what is not printable as U+FFFD, and line
 * breaks and tabs as blanks. */
void page_add_text(cso_text *text, const char *value);
/* Adds JSON as a data block with the id "data". < > & become \u003c \u003e \u0026, so that nothing in it ends the element. */
void page_add_data(cso_text *text, const cso_text *json);

#endif
