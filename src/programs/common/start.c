/* start.c - see start.h.
 *
 * Libraries start before main: OpenBLAS reserves 128 MiB of addresses for each core, and where RLIMIT_AS forbids that, it tries
 * again without end; with a stack of a few pages code dies of a segmentation fault. What stands in .preinit_array runs before the
 * libraries' constructors, and may use system calls and little else of the C library.
 */
#include "start.h"

#include "base/signals.h"
#include "base/status.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

enum { LEAST_STACK_KIB = 512, START_SECONDS = 2 };

static const char *program = "cso";

_Noreturn static void refuse(const char *message) {
    ssize_t written = write(STDERR_FILENO, program, strlen(program));
    written = write(STDERR_FILENO, message, strlen(message));
    (void)written;
    _exit(CSO_ERR_SYSTEM);
}

static void on_slow_start(int number) {
    (void)number;
    refuse(
        ": OpenBLAS cannot reserve its memory (expected a larger ulimit -v: 128 MiB for each core, and what the program needs)\n");
}

/* Processor time that the libraries' start may take, 0: no limit. */
static void limit_start(long seconds) {
    struct sigaction action = {.sa_handler = seconds ? on_slow_start : SIG_DFL};
    const struct itimerval timer = {.it_value = {.tv_sec = seconds}};
    if (!seconds)
        setitimer(ITIMER_PROF, &timer, NULL);
    sigaction(SIGPROF, &action, NULL);
    if (seconds)
        setitimer(ITIMER_PROF, &timer, NULL);
}

static void check_limits(int argc, char **argv, char **environment) {
    struct rlimit stack, addresses;
    (void)environment;
    if (argc > 0 && argv[0]) {
        const char *slash = strrchr(argv[0], '/');
        program = slash ? slash + 1 : argv[0];
    }
    if (!getrlimit(RLIMIT_STACK, &stack) && stack.rlim_cur < (rlim_t)LEAST_STACK_KIB * 1024)
        refuse(": the stack is too small (expected ulimit -s of 512 or more)\n");
    if (!getrlimit(RLIMIT_AS, &addresses) && addresses.rlim_cur != RLIM_INFINITY)
        limit_start(START_SECONDS);
}

__attribute__((section(".preinit_array"), used)) static void (*const before_libraries)(int, char **, char **) = check_limits;

/* A closed descriptor would be that of the next file that is opened, and messages would go into it. The new ones are open for the
 * other direction, so that to read or write them still fails. */
static void open_streams(void) {
    static const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int file = STDIN_FILENO; file <= STDERR_FILENO; file++)
        if (fcntl(file, F_GETFD) < 0 && open("/dev/null", modes[file]) != file) /* the lowest one that is free */
            _exit(CSO_ERR_SYSTEM);
}

void program_start(const char *name) {
    limit_start(0);
    open_streams();
    cso_signals_install(name);
}
