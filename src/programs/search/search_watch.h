/* search_watch.h - what is seen of a search while it runs: a live line on a terminal, a line every half minute elsewhere. */
#ifndef CSO_SEARCH_WATCH_H
#define CSO_SEARCH_WATCH_H

#include "base/log.h"
#include "search/searches.h"
#include "search_players.h"

typedef struct search_watch {
    cso_log *log;
    const cso_search_config *config;
    double began, spoke;
    double done_before; /* part of the run that was done when it began, 0 to 1 */
    bool priced;        /* a role has a price */
} search_watch;

void search_watch_begin(search_watch *watch, cso_log *log, const cso_search_config *config, const cso_searches_stats *stats);
/* Draws or says what there is. */
void search_watch_tick(search_watch *watch, const cso_searches_stats *stats, const search_players_stats *players);

enum { SEARCH_ENGINE_TEXT = 160 };
/* "812 tokens/s, 81 % of 90K prompt tokens reused, 0.4 of 3.0 GiB of keys and values": what the own engine did. Returns text. */
const char *search_engine_text(const cso_engine_stats *stats, char text[SEARCH_ENGINE_TEXT]);

#endif
