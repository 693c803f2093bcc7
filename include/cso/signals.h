/* signals.h - SIGINT, SIGTERM, SIGHUP ask a long job to stop at the next safe point; SIGBUS (a mapped file shrank) ends it
 * with a clear line and exit code 4. */
#ifndef CSO_SIGNALS_H
#define CSO_SIGNALS_H

/* Installs the handlers; program is the name to print. A second SIGINT ends the process at once. */
void cso_signals_install(const char *program);
/* The signal that asked to stop, 0 if none did. */
int cso_signals_stop(void);
/* As if the signal had come (tests). */
void cso_signals_raise(int number);

#endif
