/* Energy and area of logic over technology nodes: Stillmaker and Baas 2017. */
#ifndef ARCH_SCALING_H
#define ARCH_SCALING_H

/* Relative energy of an operation at a node (nm) and supply. Ratios are what it
 * is for. NAN outside 7..130 nm. */
double scaling_energy(double node_nm, double volts);
/* Area relative to 45 nm. NAN outside 7..130 nm. */
double scaling_area(double node_nm);

#endif
