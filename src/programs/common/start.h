/* start.h - the first moments of a program. */
#ifndef CSO_PROGRAM_START_H
#define CSO_PROGRAM_START_H

/* To be called first in main: opens descriptors 0 to 2 where they are closed, and installs the signals' handlers (base/signals.h)
 * for the program of that name. A program that links this file also checks the limits of stack and address space before its
 * libraries start, and ends with one line and exit code 4 where they do not let it start. */
void program_start(const char *name);

#endif
