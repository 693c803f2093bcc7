/* signals.c - a flag that long jobs poll, and a last message when a mapped file shrinks.
 *
 * Handlers have a stack of their own. oneDNN's generated code keeps numbers below the stack pointer, beyond the 128 bytes that a
 * handler on the same stack preserves, and would read what the handler overwrote. Only the main thread has such a stack; other
 * threads block signals (parallel.c).
 */
#include "signals.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t stop_signal, save_asked;
static char bus_message[160]; /* composed in advance: a handler may call little more than write() */
static char handler_stack[1 << 16];

static void on_stop(int number) {
    if (number == SIGINT && stop_signal == SIGINT) {
        signal(SIGINT, SIG_DFL); /* second request: the signal itself ends the process when this handler returns */
        raise(SIGINT);
        return;
    }
    stop_signal = number;
}

static void on_save(int number) {
    (void)number;
    save_asked = 1;
}

static void on_bus_error(int number) {
    (void)number;
    ssize_t written = write(STDERR_FILENO, bus_message, strlen(bus_message));
    (void)written;
    _exit(4); /* CSO_ERR_SYSTEM */
}

static void install(int number, void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

void cso_signals_install(const char *program) {
    const char *text = ": a file in use was cut short or can no longer be read (bus error)\n";
    size_t room = sizeof bus_message - strlen(text) - 1, length = strlen(program);
    if (length > room)
        length = room;
    memcpy(bus_message, program, length);
    strcpy(bus_message + length, text);

    const stack_t stack = {.ss_sp = handler_stack, .ss_size = sizeof handler_stack};
    sigaltstack(&stack, NULL);
    static const int stops[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        struct sigaction old;
        if (!sigaction(stops[i], NULL, &old) && old.sa_handler == SIG_IGN)
            continue; /* nohup, or a shell's background job: stays ignored */
        install(stops[i], on_stop);
    }
    install(SIGBUS, on_bus_error);
}

int cso_signals_stop(void) {
    return (int)stop_signal;
}

void cso_signals_accept_save(void) {
    install(SIGUSR1, on_save);
}

bool cso_signals_save(void) {
    bool asked = save_asked != 0;
    save_asked = 0;
    return asked;
}

void cso_signals_raise(int number) {
    if (number == SIGUSR1)
        save_asked = 1;
    else
        stop_signal = number;
}
