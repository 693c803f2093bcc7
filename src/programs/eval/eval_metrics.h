/* eval_metrics.h - cso-eval metrics: how good predictions are that are in a file. */
#ifndef CSO_EVAL_METRICS_H
#define CSO_EVAL_METRICS_H

/* The command, without the program's name; the exit code. */
int eval_metrics(int argc, char **argv);

#endif
