/* Job queue of an HWPE (hwpe-ctrl v1.7.3): `contexts` register sets, filled in
 * turn by one core at a time, run in order. Flat state. */
#ifndef ARCH_REGFILE_H
#define ARCH_REGFILE_H

#include <stdbool.h>
#include <stdint.h>

enum { JOB_NO_CONTEXT = -1, JOB_OTHER_CORE = -2 }; /* what ACQUIRE returns instead of a job */
enum { JOB_IDS = 256 };

struct job_queue {
    uint8_t contexts;
    uint8_t used;      /* contexts that are being programmed, wait or run */
    bool programming;  /* between ACQUIRE and TRIGGER */
    uint8_t core;      /* who programs */
    uint8_t next_id;   /* 8-bit job counter */
    uint8_t waiting;   /* committed, not started */
    bool running;
};

void job_queue_init(struct job_queue *q, unsigned contexts);
/* The ACQUIRE read: a job id from 0 to 255, or JOB_NO_CONTEXT when all contexts
 * are taken, or JOB_OTHER_CORE while another core (or this one) is programming. */
int job_acquire(struct job_queue *q, unsigned core);
/* The TRIGGER write: the job is committed. */
void job_commit(struct job_queue *q);
/* Starts the oldest committed job; false when there is none or one runs. */
bool job_start(struct job_queue *q);
/* The running job is done: its context is free. */
void job_done(struct job_queue *q);

#endif
