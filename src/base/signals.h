/* signals.h - SIGINT, SIGTERM, SIGHUP ask a long job to stop at the next safe point; SIGBUS (a mapped file shrank) ends it with
 * one line and exit code 4; SIGUSR1 may ask for a checkpoint. */
#ifndef CSO_SIGNALS_H
#define CSO_SIGNALS_H

#include <stdbool.h>

/* Installs the handlers, in the main thread; program is the name to print. A second SIGINT ends the process at once. */
void cso_signals_install(const char *program);
/* The signal that asked to stop, 0 if none did. */
int cso_signals_stop(void);
/* From now on SIGUSR1 asks for a checkpoint instead of ending the process. */
void cso_signals_accept_save(void);
/* Whether a checkpoint was asked for since the last call. */
bool cso_signals_save(void);
/* As if the signal had come (tests). */
void cso_signals_raise(int number);

#endif
