/* HCI, the heterogeneous cluster interconnect (pulp-platform/hci d6a4872b,
 * EXPFIFO=0): narrow masters through the crossbar with LockIn ("log branch"),
 * wide HWPE accesses through routers and an arbiter tree, and one arbiter that
 * gives every bank to one of the two branches. Flat state. */
#ifndef ARCH_HCI_H
#define ARCH_HCI_H

#include "arch/xbar.h"

enum { HCI_MAX_HWPE = 8 };

struct hci {
    struct xbar log;
    uint64_t stalled; /* banks whose arbiter holds on to a request set */
    uint8_t n_hwpe, hwpe_words; /* a wide access takes hwpe_words consecutive banks */
    uint8_t invert, num, den;   /* invert_prio, priority_cnt_numerator, _denominator */
    uint8_t count;              /* conflict counter of the arbiter in front of the banks */
    uint8_t tree[HCI_MAX_HWPE]; /* those of the HWPE tree, level by level */
    uint8_t pad[2];
};

struct hci_grants {
    uint64_t log, hwpe; /* masks of masters, masks of HWPEs */
};

/* hwpe_words <= n_banks; n_hwpe <= HCI_MAX_HWPE. */
void hci_init(struct hci *h, unsigned n_log, unsigned n_banks, unsigned n_hwpe, unsigned hwpe_words);
/* One cycle. `requests[b]` is the set of log masters that want bank b; it is
 * read for the banks in `asked`, the others have none. `hwpe` is the set of
 * requesting HWPEs, first_bank[i] the bank of the first word of HWPE i. A wide
 * access is granted only when it owns all its banks. */
struct hci_grants hci_step(struct hci *h, uint64_t asked, const uint64_t requests[], uint64_t hwpe,
                           const uint8_t first_bank[]);

#endif
