#include "mpirun.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

bool mpirun_there(void) {
#ifdef CSO_HAVE_MPI
    if (system("mpirun --version >/dev/null 2>&1") == 0)
        return true;
    printf("skipped: there is no mpirun\n");
#else
    printf("skipped: this build is without MPI\n");
#endif
    return false;
}

pid_t mpirun_start(int n, const char *program, const char *const *words, const char *file) {
    char count[16];
    const char *const before[] = {"mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", count};
    const char *argv[64];
    size_t used = 0;
    snprintf(count, sizeof count, "%d", n);
    for (size_t i = 0; n && i < sizeof before / sizeof *before; i++)
        argv[used++] = before[i];
    argv[used++] = program;
    for (size_t i = 0; words[i] && used < 63; i++)
        argv[used++] = words[i];
    argv[used] = NULL;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        int errors = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0666), null = open("/dev/null", O_RDWR);
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(errors, STDERR_FILENO);
        setenv("OMP_NUM_THREADS", "1", 0);
        setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* MPI keeps memory to the end */
        execvp(argv[0], (char *const *)(void *)argv);
        _exit(127);
    }
    return child;
}

int mpirun_wait(pid_t child) {
    int status;
    if (waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* The parent and the name of a process: "PID (NAME) STATE PARENT ..." */
static bool read_stat(int pid, int *parent, char name[64]) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    bool read = file && fscanf(file, "%*d (%63[^)]) %*c %d", name, parent) == 2;
    if (file)
        fclose(file);
    return read;
}

pid_t mpirun_process(pid_t child, const char *program, size_t index) {
    const char *slash = strrchr(program, '/'), *wanted = slash ? slash + 1 : program;
    char name[64];
    int found = 0, parent;
    DIR *list = opendir("/proc");
    for (struct dirent *entry; !found && list && (entry = readdir(list));) {
        int pid = atoi(entry->d_name);
        if (pid > 0 && read_stat(pid, &parent, name) && parent == (int)child && !strcmp(name, wanted) && index-- == 0)
            found = pid;
    }
    if (list)
        closedir(list);
    return found;
}

void mpirun_itself(int n, const char *program) {
    char file[] = "/tmp/cso-test-ranks-XXXXXX", text[400] = "";
    int descriptor = mkstemp(file), code = mpirun_wait(mpirun_start(n, program, (const char *[]){"rank", NULL}, file));
    FILE *errors = fdopen(descriptor, "r");
    if (code && fgets(text, sizeof text, errors))
        fail_msg("%d ranks: exit code %d: %s", n, code, text);
    assert_int_equal(code, 0);
    fclose(errors);
    remove(file);
}
