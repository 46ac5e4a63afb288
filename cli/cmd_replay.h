#ifndef CLI_CMD_REPLAY_H
#define CLI_CMD_REPLAY_H

/* `retsim replay FILE.trace [--chart]`; argv[0] is "replay". Returns the exit code. */
int cmd_replay(int argc, char **argv);

#endif
