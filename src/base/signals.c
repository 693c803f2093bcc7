/* signals.c - see signals.h.
 *
 * A handler answers by itself, since the main thread may be in a product for minutes: with write(), of texts that are made in
 * advance or put together by hand, since a handler may call little more.
 *
 * Handlers have a stack of their own. oneDNN's generated code keeps numbers below the stack pointer, beyond the 128 bytes that a
 * handler on the same stack preserves, and would read what the handler overwrote. Only the main thread has such a stack; other
 * threads block signals (parallel.c).
 */
#include "signals.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

/* A second SIGINT counts after this many seconds. */
static const double REPEAT_SECONDS = 0.1;
enum { HOLD_MICROSECONDS = 800000, LOST_BYTES = 200 };

/* What a handler says of the step that is being made. Two take turns: a handler reads one while the other is written. */
typedef struct step_text {
    double end; /* on cso_clock; 0: unknown */
    char lost[LOST_BYTES];
} step_text;

static enum { AT_ONCE, HOLD, STEP } volatile mode;
static volatile sig_atomic_t stop_signal, save_asked, interrupt_accepted, interrupt_asked, silent, terminal;
static double asked_at;
static step_text steps[2];
static atomic_int current_step;
static char program_name[64];
static char handler_stack[1 << 16];

/* A line that grows; cut where it is full. */
typedef struct line {
    size_t used;
    char text[512];
} line;

static void add(line *l, const char *text) {
    size_t length = strlen(text), room = sizeof l->text - l->used;
    if (length > room)
        length = room;
    memcpy(l->text + l->used, text, length);
    l->used += length;
}

static void add_number(line *l, int number) {
    char digits[12], *at = digits + sizeof digits;
    *--at = '\0';
    do
        *--at = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    add(l, at);
}

/* "about 3 min" */
static void add_duration(line *l, double seconds) {
    int minutes = seconds < 1e7 ? (int)(seconds / 60 + 0.5) : 0;
    add(l, seconds < 1.5 ? "in a moment" : "about ");
    if (seconds < 1.5)
        return;
    if (seconds >= 3570) {
        add_number(l, minutes / 60);
        add(l, " h ");
        add_number(l, minutes % 60);
        add(l, " min");
    } else if (seconds >= 59.5) {
        add_number(l, minutes);
        add(l, " min");
    } else {
        add_number(l, (int)(seconds + 0.5));
        add(l, " s");
    }
}

/* Drops the line where nobody reads: a handler must not wait. */
static void say(line *l) {
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (silent || poll(&out, 1, 0) != 1 || out.revents != POLLOUT)
        return;
    ssize_t written = write(STDERR_FILENO, l->text, l->used);
    (void)written;
}

static line begin_line(void) {
    line l = {0};
    if (terminal)
        add(&l, "\r\033[K"); /* in place of the live line, and of the terminal's ^C */
    return l;
}

_Noreturn static void end_now(int number, const char *lost) {
    line l = begin_line();
    add(&l, program_name);
    add(&l, ": stopped by signal ");
    add_number(&l, number);
    if (lost[0])
        add(&l, ": ");
    add(&l, lost);
    add(&l, "\n");
    say(&l);
    _exit(128 + number); /* CSO_STOPPED + n */
}

static void answer(int number) {
    double end = steps[current_step].end, left = end - cso_clock();
    line l = begin_line();
    add(&l, "stopping after this step");
    if (end > 0 && left > 0) {
        add(&l, " (");
        add_duration(&l, left);
        add(&l, ")");
    }
    add(&l, number == SIGINT ? "; again: stop now and lose it\n" : "; Ctrl-C: stop now and lose it\n");
    say(&l);
}

static void on_stop(int number) {
    int error = errno;
    double now = cso_clock();
    if (number == SIGINT && interrupt_accepted && (!interrupt_asked || now - asked_at <= REPEAT_SECONDS)) {
        interrupt_asked = 1;
        asked_at = now;
        errno = error;
        return;
    }
    if (mode == AT_ONCE)
        end_now(number, "");
    if (!stop_signal) {
        stop_signal = number;
        asked_at = now;
        if (mode == STEP)
            answer(number);
        else
            setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {.tv_usec = HOLD_MICROSECONDS}}, NULL);
    } else if (mode == STEP && number == SIGINT && now - asked_at > REPEAT_SECONDS) {
        end_now(number, steps[current_step].lost);
    }
    errno = error;
}

static void on_alarm(int number) {
    (void)number;
    if (mode != STEP && stop_signal)
        end_now((int)stop_signal, "");
}

static void on_save(int number) {
    (void)number;
    save_asked = 1;
}

static void on_bus_error(int number) {
    (void)number;
    line l = begin_line();
    add(&l, program_name);
    add(&l, ": a file in use was cut short or can no longer be read (bus error)\n");
    silent = 0; /* nothing else says why this process ended */
    say(&l);
    _exit(4); /* CSO_ERR_SYSTEM */
}

static void install(int number, void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_ONSTACK};
    sigfillset(&action.sa_mask); /* one handler at a time: they share what they read and their stack */
    sigaction(number, &action, NULL);
}

void cso_signals_install(const char *program) {
    snprintf(program_name, sizeof program_name, "%s", program);
    terminal = cso_terminal_replaces_lines(STDERR_FILENO);

    const stack_t stack = {.ss_sp = handler_stack, .ss_size = sizeof handler_stack};
    sigaltstack(&stack, NULL);
    static const int stops[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        struct sigaction old;
        if (!sigaction(stops[i], NULL, &old) && old.sa_handler == SIG_IGN)
            continue; /* nohup, or a shell's background job: stays ignored */
        install(stops[i], on_stop);
    }
    install(SIGALRM, on_alarm);
    install(SIGBUS, on_bus_error);
    signal(SIGXFSZ, SIG_IGN);
}

int cso_signals_stop(void) {
    return (int)stop_signal;
}

void cso_signals_hold(void) {
    mode = HOLD;
}

void cso_signals_release(void) {
    mode = AT_ONCE; /* a signal that came has started the alarm */
}

void cso_signals_step(double seconds, const char *lost) {
    int next = !current_step;
    steps[next].end = seconds > 0 ? cso_clock() + seconds : 0;
    snprintf(steps[next].lost, sizeof steps[next].lost, "%s", lost);
    current_step = next;
    mode = STEP;
}

void cso_signals_be_silent(void) {
    silent = 1;
}

void cso_signals_ignore_pipes(void) {
    signal(SIGPIPE, SIG_IGN);
}

void cso_signals_accept_save(void) {
    install(SIGUSR1, on_save);
}

bool cso_signals_save(void) {
    bool asked = save_asked != 0;
    save_asked = 0;
    return asked;
}

void cso_signals_accept_interrupt(bool accept) {
    interrupt_asked = 0;
    interrupt_accepted = accept;
}

bool cso_signals_interrupt(void) {
    bool asked = interrupt_asked != 0;
    interrupt_asked = 0;
    return asked;
}

void cso_signals_raise(int number) {
    if (number == SIGUSR1)
        save_asked = 1;
    else
        stop_signal = number;
}
