/* signals.h - what SIGINT, SIGTERM and SIGHUP do to a program: they end it at once, or wait for a safe point.
 *
 * By default they end the process at once, with one line on stderr and exit code 128 + n. Code that leaves temporary files takes a
 * moment for them (hold), and a trainer as long as its step takes (step): then the signal is answered on stderr and kept, for the
 * caller to poll. SIGBUS (a mapped file shrank) ends the process with one line and exit code 4; SIGUSR1 may ask for a checkpoint;
 * SIGXFSZ is ignored, so that a write beyond the limit of a file's size fails with EFBIG. */
#ifndef CSO_SIGNALS_H
#define CSO_SIGNALS_H

#include <stdbool.h>

/* Installs the handlers, in the main thread; program is the name to print. */
void cso_signals_install(const char *program);
/* The signal that asked to stop, 0 if none did. */
int cso_signals_stop(void);

/* Until release a signal only sets what cso_signals_stop returns, so that the caller can remove its temporary files and return
 * CSO_STOPPED. The process ends 0.8 seconds after the signal all the same. */
void cso_signals_hold(void);
void cso_signals_release(void);

/* From now on a signal waits for the end of a step, however long that takes, and is answered "stopping after this step (about 3
 * min); again: stop now and lose it". SIGINT after that ends the process at once and says `lost`, for example "steps 51 to 57 since
 * checkpoint-50 are lost"; a SIGINT within 0.1 seconds of the first is taken for the same one (timeout(1) sends two). seconds: from
 * now to the end of the step, 0: unknown. To be called at every step, as often as something becomes known. */
void cso_signals_step(double seconds, const char *lost);
/* Nothing is said of a signal from now on (all processes of a run but the first), except of SIGBUS. */
void cso_signals_be_silent(void);
/* A reader of stdout or stderr that goes away (SIGPIPE) does not end the process from now on. */
void cso_signals_ignore_pipes(void);

/* From now on SIGUSR1 asks for a checkpoint instead of ending the process. */
void cso_signals_accept_save(void);
/* Whether a checkpoint was asked for since the last call. */
bool cso_signals_save(void);
/* While true, SIGINT only sets what cso_signals_interrupt returns, so that it ends a part of the work and not the process. A second
 * one that comes before the first was asked for ends the process. */
void cso_signals_accept_interrupt(bool accept);
/* Whether SIGINT came so since the last call. */
bool cso_signals_interrupt(void);
/* As if the signal had come and waited (tests; a signal that another process got). */
void cso_signals_raise(int number);

#endif
