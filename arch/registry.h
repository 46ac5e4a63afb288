/* The component classes: a row each, sorted by name. Row X is X_class in its file, and the section X of an
 * architecture file. */
#ifndef ARCH_REGISTRY_H
#define ARCH_REGISTRY_H

#define ARCH_CLASSES(row) \
    row(apb) \
    row(buffers) \
    row(clocks) \
    row(engine) \
    row(host) \
    row(hyperram) \
    row(memory) \
    row(private_l2) \
    row(regfile) \
    row(retention) \
    row(sequencer) \
    row(streamer) \
    row(streams) \
    row(tcdm) \
    row(traffic) \
    row(udma) \
    row(vector)

#endif
