/* run_folder_check.c - folders that a run must not take for its own. */
#include "checkpoint.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Whether `inner` is `outer` or lies in it; both as realpath gives them. */
static bool holds(const char *outer, const char *inner) {
    size_t length = strlen(outer);
    return inner && !strncmp(outer, inner, length) && (!inner[length] || inner[length] == '/');
}

/* Whether a folder has files, none of which a run has made. */
static bool has_others_only(const char *folder) {
    bool others = false, run = false;
    DIR *list = opendir(folder);
    for (struct dirent *entry; list && (entry = readdir(list));) {
        const char *name = entry->d_name;
        if (!strcmp(name, ".") || !strcmp(name, "..") || !strcmp(name, "lost+found"))
            continue;
        if (!strcmp(name, ".lock") || !strcmp(name, "metrics.jsonl") || cso_starts_with(name, "checkpoint-"))
            run = true;
        else
            others = true;
    }
    if (list)
        closedir(list);
    return others && !run;
}

cso_status cso_run_folder_suits(const char *dir, cso_error *err) {
    if (dir[0] == '~' && (!dir[1] || dir[1] == '/'))
        return cso_fail(err, CSO_ERR_USAGE, "checkpoint.dir: %s: ~ is not replaced here (expected the whole path)", dir);
    char *folder = realpath(dir, NULL), *home = NULL, *here = NULL;
    if (!folder) /* it is made when the run starts */
        return CSO_OK;
    const char *what = NULL;
    here = realpath(".", NULL);
    if (getenv("HOME"))
        home = realpath(getenv("HOME"), NULL);
    if (!strcmp(folder, "/"))
        what = "the root folder";
    else if (cso_path_is_folder(folder) && has_others_only(folder)) {
        if (home && !strcmp(folder, home))
            what = "the home folder";
        else if (holds(folder, here))
            what =
                strcmp(folder, here) ? "a folder above the current one, with other files" : "the current folder, with other files";
        else if (holds(folder, home))
            what = "a folder above the home folder";
        else if (strrchr(folder, '/') == folder)
            what = "a top-level folder with other files";
    }
    cso_status status = CSO_OK;
    if (what)
        status = cso_fail(err, CSO_ERR_USAGE, "checkpoint.dir: %s is %s (expected a folder for the run alone, such as runs/a)", dir,
                          what);
    free(folder);
    free(home);
    free(here);
    return status;
}
