/* chat_loop.h - a chat with the model in a terminal. */
#ifndef CSO_CHAT_LOOP_H
#define CSO_CHAT_LOOP_H

#include "generate_session.h"

/* Reads messages and commands from standard input until it ends, /quit, or a signal (CSO_STOPPED). The session has its decoder. from: a
 * file with the messages to go on from; NULL: none. */
cso_status chat_loop(generate_session *session, const char *from, cso_error *err);

#endif
