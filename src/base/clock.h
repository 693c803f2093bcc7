/* clock.h - time for measurements. */
#ifndef CSO_CLOCK_H
#define CSO_CLOCK_H

/* Seconds of a monotonic clock; its zero is arbitrary. */
double cso_clock(void);
/* Seconds of processor time of this process, all threads together. */
double cso_clock_processor(void);

#endif
