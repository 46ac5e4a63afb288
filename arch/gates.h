/* Gate equivalents of datapath and control blocks: what Yosys 0.23 makes of
 * them with the library of tests/reference/area/README.md, without a timing
 * constraint. Structure is counted where it is known (partial products, Dadda
 * trees), the rest is fitted to the published rows. */
#ifndef ARCH_GATES_H
#define ARCH_GATES_H

enum gate_style { GATES_CSA, GATES_RTL }; /* compressor trees of full adders; synthesised `*` and `+` */

struct gates {
    double comb_ge, seq_ge;
};

/* Full and half adders of a Dadda reduction. */
struct dadda {
    unsigned long full, half;  /* adder cells */
    unsigned merged;           /* adders with a constant input: plain gates */
    unsigned carry_bits;       /* columns of the final adder, from the first with two bits */
};
/* Signed w x a products, `length` of them, Baugh-Wooley; acc_bits > 0 adds an
 * accumulator row and sets the width, else it is w + a. w + a and acc_bits at
 * most 64, all of w, a, length at least 1. */
struct dadda gates_dadda(unsigned w, unsigned a, unsigned length, unsigned acc_bits);

/* Logic of the two as plain RTL (arch/gates_rtl.c). */
double gates_mul_rtl(unsigned w, unsigned a);
double gates_dot_rtl(unsigned w, unsigned a, unsigned length, unsigned acc_bits);

struct gates gates_mul(unsigned w, unsigned a, enum gate_style style);
struct gates gates_dot(unsigned w, unsigned a, unsigned length, unsigned acc_bits, enum gate_style style);
struct gates gates_requant(unsigned acc_bits, unsigned mul_bits, unsigned out_bits);
struct gates gates_crossbar(unsigned masters, unsigned banks, unsigned data_bits);
struct gates gates_fifo(unsigned depth, unsigned width);
struct gates gates_regfile(unsigned words, unsigned width, unsigned read_ports);
struct gates gates_barrel(unsigned width);
struct gates gates_add(unsigned width);
struct gates gates_max(unsigned width);
struct gates gates_isqrt(unsigned width);
struct gates gates_div(unsigned width);

#endif
