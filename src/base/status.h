/* status.h - how every fallible function of cso reports failure.
 *
 * A status value is also the program's exit code. The deepest function that knows the cause fills the cso_error;
 * its callers only pass it on with CSO_TRY. Libraries never print and never exit.
 */
#ifndef CSO_STATUS_H
#define CSO_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cso_status {
    CSO_OK = 0,
    CSO_ERR_INTERNAL = 1, /* a bug of ours */
    CSO_ERR_USAGE = 2,    /* wrong command line or configuration */
    CSO_ERR_INPUT = 3,    /* bad model, adapter, data or checkpoint file */
    CSO_ERR_SYSTEM = 4,   /* I/O, disk full, out of memory, network */
    CSO_ERR_NUMERIC = 5,  /* NaN or Inf that could not be skipped */
    CSO_STOPPED = 128     /* stopped by signal n; the exit code is 128 + n */
} cso_status;

/* One line without a newline, "FILE:LINE: what is wrong (what was expected)". Bytes of hostile names are made printable. */
typedef struct cso_error {
    cso_status status;
    char message[1024];
} cso_error;

/* Fills *err (which may be NULL) and returns status, so that a function can end with `return cso_fail(...)`. */
cso_status cso_fail(cso_error *err, cso_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The usual failure of an allocation of `what`. */
cso_status cso_fail_memory(cso_error *err, const char *what);

/* A failed system call: "PATH: cannot OPERATION: strerror(errno)" with CSO_ERR_SYSTEM. */
cso_status cso_fail_errno(cso_error *err, const char *operation, const char *path);

/* Puts "PLACE: " before the message of an error that is already filled. */
cso_status cso_error_prefix(cso_error *err, cso_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define CSO_TRY(call)                                                                                                              \
    do {                                                                                                                           \
        cso_status cso_try_status_ = (call);                                                                                       \
        if (cso_try_status_ != CSO_OK)                                                                                             \
            return cso_try_status_;                                                                                                \
    } while (0)

/* For functions with one exit path: needs a variable `status` and a label `done`. */
#define CSO_TRY_DONE(call)                                                                                                         \
    do {                                                                                                                           \
        if ((status = (call)) != CSO_OK)                                                                                           \
            goto done;                                                                                                             \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
