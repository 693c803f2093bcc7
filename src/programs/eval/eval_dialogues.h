/* eval_dialogues.h - cso-eval dialogues: how good models and adapters are on held-out dialogues. */
#ifndef CSO_EVAL_DIALOGUES_H
#define CSO_EVAL_DIALOGUES_H

/* The command, without the program's name; the exit code. */
int eval_dialogues(int argc, char **argv);

#endif
