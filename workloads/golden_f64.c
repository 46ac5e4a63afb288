#define REAL double
#define GOLDEN golden_f64
#define SQRT sqrt
#define FABS fabs
#define EXP exp
#define ERF erf
#define SIN sin
#define COS cos
#include "workloads/golden_real.inc"

double rotary_angle(uint64_t j, uint64_t dk)
{
    return dk > 2 ? pow(10000, -(double)j / ((double)dk / 2 - 1)) : 1;
}
