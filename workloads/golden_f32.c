#define REAL float
#define GOLDEN golden_f32
#define SQRT sqrtf
#define FABS fabsf
#define EXP expf
#define ERF erff
#define SIN sinf
#define COS cosf
#include "workloads/golden_real.inc"
