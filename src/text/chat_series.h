/* chat_series.h - rendering many lists of messages of which each begins as the one before it does: the pairs of a dialogue.
 *
 * The ids are those of cso_chat_render. What a list has in common with the one before is neither rendered nor encoded again, nor is
 * a text between special tokens that came before, so the pairs of a dialogue take time by what is new in them.
 * With parse_special each list is encoded whole: a special token of the contents may reach across the template's.
 */
#ifndef CSO_CHAT_SERIES_H
#define CSO_CHAT_SERIES_H

#include "chat.h"

typedef struct cso_chat_series cso_chat_series;

/* Lists of one track follow each other; which track a list is put on changes nothing but the time it takes. */
enum { CSO_CHAT_TRACKS = 2 };

/* The template and tokenizer must live as long as the series. */
cso_status cso_chat_series_create(cso_chat_series **series, const cso_chat_template *chat, const cso_tokenizer *tokenizer,
                                  cso_error *err);
void cso_chat_series_free(cso_chat_series *series);

/* known: so many of the first messages are those of the list that this track had before; 0 finds out. *ids: of the whole list, the
 * series' own, until the next call with this track. *same: so many of the first ids are those that this track had before. Errors
 * are those of cso_chat_render. */
cso_status cso_chat_series_render(cso_chat_series *series, size_t track, const cso_chat_request *request, size_t known,
                                  const cso_ids **ids, size_t *same, cso_error *err);

#endif
