/* dtype_option.h - a stored type named on a command line. */
#ifndef CSO_DTYPE_OPTION_H
#define CSO_DTYPE_OPTION_H

#include "base/status.h"
#include "kernels/dtype.h"

/* "q4_0" or "Q4_0"; option: "--type", for the message. What is not known is CSO_ERR_USAGE with did-you-mean. */
cso_status parse_dtype(const char *option, const char *text, cso_dtype *dtype, cso_error *err);

#endif
