/* dtype_option.h - a stored type named on a command line. */
#ifndef CSO_DTYPE_OPTION_H
#define CSO_DTYPE_OPTION_H

#include "base/status.h"
#include "kernels/dtype.h"

/* "q4_0" or "Q4_0"; option: "--type", for the message. An unknown name is CSO_ERR_USAGE with a suggestion. */
cso_status parse_dtype(const char *option, const char *text, cso_dtype *dtype, cso_error *err);

#endif
