/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The floating-point functions of the IR, lane by lane on top of fp.h. */
#include "engine/fp/fp_vops.h"

#include "engine/cpu.h"
#include "engine/fp/fp.h"
#include "engine/fp/fp_flags.h"
#include "engine/ir/functions.h"

/* --- Lanes ------------------------------------------------------------------------------------------------------------------- */

static inline uint64_t get(const v128 *v, unsigned lane, unsigned i)
{
    switch (lane) {
    case 1:
        return v->h[i];
    case 2:
        return v->s[i];
    default:
        return v->d[i];
    }
}

static inline void put(v128 *v, unsigned lane, unsigned i, uint64_t value)
{
    switch (lane) {
    case 1:
        v->h[i] = (uint16_t)value;
        break;
    case 2:
        v->s[i] = (uint32_t)value;
        break;
    default:
        v->d[i] = value;
        break;
    }
}

static inline unsigned lanes(uint32_t imm)
{
    return imm & IR_VIMM_SCALAR ? 1 : (8u << IR_VIMM_Q(imm)) >> IR_VIMM_LANE(imm);
}

static inline const struct fp_format *format(uint32_t imm)
{
    return &fp_formats[IR_VIMM_LANE(imm)];
}

/* The flags of before come along: an operation may be cheaper when what it would raise is set. */
static inline struct fp_env begin(const struct a64_cpu *cpu)
{
    return (struct fp_env){.fpcr = cpu->fpcr, .fpsr = cpu->fpsr};
}

static inline void end(struct a64_cpu *cpu, const struct fp_env *env)
{
    if (__builtin_expect((env->fpsr & ~cpu->fpsr & FPSR_IXC) != 0, 0) && fp_flags_flush(cpu)) {
        cpu_request(cpu, CPU_REQUEST_MODE);
    }
    cpu->fpsr = env->fpsr;
}

/* What the lanes above the result hold before it is written: zero, or with FPCR.NEP those of one operand. IsMerging(). */
static inline v128 background(const struct a64_cpu *cpu, const v128 *a, const v128 *b,
                              const v128 *c, uint32_t imm)
{
    if (__builtin_expect((cpu->fpcr & FPCR_NEP) != 0, 0) && (imm & IR_VIMM_SCALAR) != 0) {
        switch (imm & FP_VMERGE_C) {
        case FP_VMERGE_A:
            return *a;
        case FP_VMERGE_B:
            return *b;
        case FP_VMERGE_C:
            return *c;
        default:
            break;
        }
    }
    return (v128){.d = {0, 0}};
}

static inline enum fp_rounding rounding(const struct fp_env *env, uint32_t imm)
{
    const enum fp_rounding r = (enum fp_rounding)FP_VROUND_OF(imm);

    return r == FP_FROM_FPCR ? fp_rounding_mode(env) : r;
}

/* --- Two operands ------------------------------------------------------------------------------------------------------------ */

typedef uint64_t binary_fn(struct fp_env *env, const struct fp_format *f, uint64_t op1,
                           uint64_t op2);

static inline __attribute__((always_inline)) void binary(binary_fn *fn, struct a64_cpu *cpu,
                                                         v128 *d, const v128 *a, const v128 *b,
                                                         const v128 *c, uint32_t imm)
{
    const struct fp_format *const f = format(imm);
    const unsigned lane = IR_VIMM_LANE(imm);
    const unsigned n = lanes(imm);
    struct fp_env env = begin(cpu);
    v128 r = background(cpu, a, b, c, imm);

    switch (FP_VMODE(imm)) {
    case FP_VMODE_PLAIN:
        for (unsigned i = 0; i < n; i++) {
            put(&r, lane, i, fn(&env, f, get(a, lane, i), get(b, lane, i)));
        }
        break;
    case FP_VMODE_PAIR:
        for (unsigned i = 0; i < n; i++) {
            const unsigned first = 2 * i;
            const bool low =
                first < n ||
                n == 1; /* a and b may be the same value: their addresses tell nothing */
            const v128 *const v = low ? a : b;
            const unsigned at = low ? first : first - n;

            put(&r, lane, i, fn(&env, f, get(v, lane, at), get(v, lane, at + 1)));
        }
        break;
    case FP_VMODE_ELEM: {
        const uint64_t element = get(b, lane, FP_VELEM_INDEX(imm));

        for (unsigned i = 0; i < n; i++) {
            put(&r, lane, i, fn(&env, f, get(a, lane, i), element));
        }
        break;
    }
    default: {
        /* Reduce(): neighbours first, which is the order of its recursion from the leaves. */
        v128 work = *a;

        for (unsigned left = n / 2; left != 0; left /= 2) {
            for (unsigned i = 0; i < left; i++) {
                put(&work, lane, i,
                    fn(&env, f, get(&work, lane, 2 * i), get(&work, lane, 2 * i + 1)));
            }
        }
        put(&r, lane, 0, get(&work, lane, 0));
        break;
    }
    }
    *d = r;
    end(cpu, &env);
}

static uint64_t fabd(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2)
{
    return fp_abs(env, f, fp_sub(env, f, op1, op2));
}

static uint64_t fnmul(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2)
{
    return fp_neg(env, f, fp_mul(env, f, op1, op2));
}

/* A mask of the lane: put() takes the low bits of it. */
static uint64_t fcmeq(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2)
{
    return fp_compare_eq(env, f, op1, op2) ? ~0ull : 0;
}

static uint64_t fcmge(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2)
{
    return fp_compare_ge(env, f, op1, op2) ? ~0ull : 0;
}

static uint64_t fcmgt(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2)
{
    return fp_compare_gt(env, f, op1, op2) ? ~0ull : 0;
}

static uint64_t facge(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2)
{
    return fcmge(env, f, fp_abs(env, f, op1), fp_abs(env, f, op2));
}

static uint64_t facgt(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2)
{
    return fcmgt(env, f, fp_abs(env, f, op1), fp_abs(env, f, op2));
}

#define BINARY(name, fn)                                                                       \
    void vop_##name(struct a64_cpu *cpu, v128 *d, const v128 *a, const v128 *b, const v128 *c, \
                    uint32_t imm)                                                              \
    {                                                                                          \
        binary(fn, cpu, d, a, b, c, imm);                                                      \
    }

BINARY(fadd, fp_add)
BINARY(fsub, fp_sub)
BINARY(fabd, fabd)
BINARY(fmul, fp_mul)
BINARY(fnmul, fnmul)
BINARY(fmulx, fp_mulx)
BINARY(fdiv, fp_div)
BINARY(fmax, fp_max)
BINARY(fmin, fp_min)
BINARY(fmaxnm, fp_maxnum)
BINARY(fminnm, fp_minnum)
BINARY(frecps, fp_recip_step_fused)
BINARY(frsqrts, fp_rsqrt_step_fused)
BINARY(fcmeq, fcmeq)
BINARY(fcmge, fcmge)
BINARY(fcmgt, fcmgt)
BINARY(facge, facge)
BINARY(facgt, facgt)

/* --- Fused multiply-add ------------------------------------------------------------------------------------------------------ */

void vop_fmla(struct a64_cpu *cpu, v128 *d, const v128 *a, const v128 *b, const v128 *c,
              uint32_t imm)
{
    const struct fp_format *const f = format(imm);
    const unsigned lane = IR_VIMM_LANE(imm);
    const bool by_element = FP_VMODE(imm) == FP_VMODE_ELEM;
    struct fp_env env = begin(cpu);
    v128 r = background(cpu, a, b, c, imm);

    for (unsigned i = 0; i < lanes(imm); i++) {
        uint64_t op1 = get(a, lane, i), addend = get(c, lane, i);

        if (imm & FP_VNEG_PRODUCT) {
            op1 = fp_neg(&env, f, op1);
        }
        if (imm & FP_VNEG_ADDEND) {
            addend = fp_neg(&env, f, addend);
        }
        put(&r, lane, i,
            fp_muladd(&env, f, addend, op1, get(b, lane, by_element ? FP_VELEM_INDEX(imm) : i)));
    }
    *d = r;
    end(cpu, &env);
}

void vop_fmlal(struct a64_cpu *cpu, v128 *d, const v128 *a, const v128 *b, const v128 *c,
               uint32_t imm)
{
    const unsigned n = 2u << IR_VIMM_Q(imm);
    const unsigned from = imm & FP_VUPPER ? n : 0;
    const bool by_element = FP_VMODE(imm) == FP_VMODE_ELEM;
    struct fp_env env = begin(cpu);
    v128 r = {.d = {0, 0}};

    for (unsigned i = 0; i < n; i++) {
        uint64_t op1 = a->h[from + i];

        if (imm & FP_VNEG_PRODUCT) {
            op1 = fp_neg(&env, &fp_formats[FP_H], op1);
        }
        r.s[i] = (uint32_t)fp_muladdh(&env, c->s[i], op1,
                                      b->h[by_element ? FP_VELEM_INDEX(imm) : from + i]);
    }
    *d = r;
    end(cpu, &env);
}

void vop_bfmlal(struct a64_cpu *cpu, v128 *d, const v128 *a, const v128 *b, const v128 *c,
                uint32_t imm)
{
    const unsigned odd = imm & FP_VUPPER ? 1 : 0;
    const bool by_element = FP_VMODE(imm) == FP_VMODE_ELEM;
    struct fp_env env = begin(cpu);
    v128 r;

    for (unsigned i = 0; i < 4; i++) {
        const unsigned at = 2 * i + odd;

        r.s[i] = fp_bf_muladdh(&env, c->s[i], a->h[at],
                               b->h[by_element ? FP_VELEM_INDEX(imm) : at]);
    }
    *d = r;
    end(cpu, &env);
}

void vop_bfdot(struct a64_cpu *cpu, v128 *d, const v128 *a, const v128 *b, const v128 *c,
               uint32_t imm)
{
    const struct fp_env env = begin(cpu);
    v128 r = *c, pairs = *b;

    if (FP_VMODE(imm) == FP_VMODE_ELEM) {
        for (unsigned i = 0; i < 4; i++) {
            pairs.s[i] = b->s[FP_VELEM_INDEX(imm)];
        }
    }
    fp_bf_dot_add4(&env, r.s, a->s, pairs.s);
    if (IR_VIMM_Q(imm) == 0) {
        r.d[1] = 0;
    }
    *d = r;
}

/* BFMatMulAdd(): 2x4 by 4x2, the second operand by columns. */
void vop_bfmmla(struct a64_cpu *cpu, v128 *d, const v128 *a, const v128 *b, const v128 *c,
                uint32_t imm)
{
    const struct fp_env env = begin(cpu);
    v128 r = *c;

    (void)imm;
    for (unsigned k = 0; k < 2; k++) {
        const uint32_t rows[4] = {a->s[k], a->s[k], a->s[2 + k], a->s[2 + k]},
                       columns[4] = {b->s[k], b->s[2 + k], b->s[k], b->s[2 + k]};

        fp_bf_dot_add4(&env, r.s, rows, columns);
    }
    *d = r;
}

/* --- Complex ----------------------------------------------------------------------------------------------------------------- */

void vop_fcadd(struct a64_cpu *cpu, v128 *d, const v128 *a, const v128 *b, const v128 *c,
               uint32_t imm)
{
    const struct fp_format *const f = format(imm);
    const unsigned lane = IR_VIMM_LANE(imm);
    struct fp_env env = begin(cpu);
    v128 r = {.d = {0, 0}};

    (void)c;
    for (unsigned i = 0; i < lanes(imm); i += 2) {
        /* a + b turned by 90 or 270 degrees: (re, im) becomes (-im, re) or (im, -re). */
        uint64_t re = get(b, lane, i + 1), im = get(b, lane, i);

        if (FP_VROT_OF(imm) == 1) {
            re = fp_neg(&env, f, re);
        } else {
            im = fp_neg(&env, f, im);
        }
        put(&r, lane, i, fp_add(&env, f, get(a, lane, i), re));
        put(&r, lane, i + 1, fp_add(&env, f, get(a, lane, i + 1), im));
    }
    *d = r;
    end(cpu, &env);
}

void vop_fcmla(struct a64_cpu *cpu, v128 *d, const v128 *a, const v128 *b, const v128 *c,
               uint32_t imm)
{
    const struct fp_format *const f = format(imm);
    const unsigned lane = IR_VIMM_LANE(imm);
    const unsigned rot = FP_VROT_OF(imm);
    struct fp_env env = begin(cpu);
    v128 r = {.d = {0, 0}};

    for (unsigned i = 0; i < lanes(imm); i += 2) {
        const unsigned at = FP_VMODE(imm) == FP_VMODE_ELEM ? 2 * FP_VELEM_INDEX(imm) : i;
        /* Even quarter turns take the real part of a, odd ones the imaginary part, which swaps the parts of b. */
        const uint64_t factor = get(a, lane, i + (rot & 1));
        uint64_t re = get(b, lane, at + (rot & 1)), im = get(b, lane, at + !(rot & 1));

        if (rot == 1 || rot == 2) {
            re = fp_neg(&env, f, re);
        }
        if (rot >= 2) {
            im = fp_neg(&env, f, im);
        }
        put(&r, lane, i, fp_muladd(&env, f, get(c, lane, i), factor, re));
        put(&r, lane, i + 1, fp_muladd(&env, f, get(c, lane, i + 1), factor, im));
    }
    *d = r;
    end(cpu, &env);
}

/* --- One operand ------------------------------------------------------------------------------------------------------------- */

#define UNARY(name, expression)                                                                \
    void vop_##name(struct a64_cpu *cpu, v128 *d, const v128 *a, const v128 *b, const v128 *c, \
                    uint32_t imm)                                                              \
    {                                                                                          \
        const struct fp_format *const f = format(imm);                                         \
        const unsigned lane = IR_VIMM_LANE(imm);                                               \
        struct fp_env env = begin(cpu);                                                        \
        v128 r = background(cpu, a, b, c, imm);                                                \
                                                                                               \
        for (unsigned i = 0; i < lanes(imm); i++) {                                            \
            const uint64_t op = get(a, lane, i);                                               \
                                                                                               \
            put(&r, lane, i, expression);                                                      \
        }                                                                                      \
        *d = r;                                                                                \
        end(cpu, &env);                                                                        \
    }

UNARY(fabs, fp_abs(&env, f, op))
UNARY(fneg, fp_neg(&env, f, op))
UNARY(fsqrt, fp_sqrt(&env, f, op))
UNARY(frecpe, fp_recip_estimate(&env, f, op))
UNARY(frsqrte, fp_rsqrt_estimate(&env, f, op))
UNARY(frecpx, fp_recpx(&env, f, op))
UNARY(frint, fp_round_int(&env, f, op, rounding(&env, imm), (imm & FP_VEXACT) != 0))
UNARY(frint_n, fp_round_int_n(&env, f, op, rounding(&env, imm), 8u << FP_VINT_OF(imm)))

void vop_urecpe(struct a64_cpu *cpu, v128 *d, const v128 *a, const v128 *b, const v128 *c,
                uint32_t imm)
{
    v128 r = {.d = {0, 0}};

    (void)cpu, (void)b, (void)c;
    for (unsigned i = 0; i < lanes(imm); i++) {
        r.s[i] = fp_unsigned_recip_estimate(a->s[i]);
    }
    *d = r;
}

void vop_ursqrte(struct a64_cpu *cpu, v128 *d, const v128 *a, const v128 *b, const v128 *c,
                 uint32_t imm)
{
    v128 r = {.d = {0, 0}};

    (void)cpu, (void)b, (void)c;
    for (unsigned i = 0; i < lanes(imm); i++) {
        r.s[i] = fp_unsigned_rsqrt_estimate(a->s[i]);
    }
    *d = r;
}

void vop_fcmp(struct a64_cpu *cpu, v128 *d, const v128 *a, const v128 *b, const v128 *c,
              uint32_t imm)
{
    const unsigned lane = IR_VIMM_LANE(imm);
    struct fp_env env = begin(cpu);
    const unsigned nzcv = fp_compare(&env, format(imm), get(a, lane, 0), get(b, lane, 0),
                                     (imm & FP_VSIGNAL) != 0);

    (void)c;
    *d = (v128){.d = {(uint64_t)nzcv << 28, 0}};
    end(cpu, &env);
}

void vop_fccmp(struct a64_cpu *cpu, v128 *d, const v128 *a, const v128 *b, const v128 *c,
               uint32_t imm)
{
    if (c->d[0] != 0) {
        vop_fcmp(cpu, d, a, b, c, imm);
    } else {
        *d = (v128){.d = {(uint64_t)FP_VNZCV_OF(imm) << 28, 0}};
    }
}

/* --- Conversions ------------------------------------------------------------------------------------------------------------- */

void vop_fcvt_int(struct a64_cpu *cpu, v128 *d, const v128 *a, const v128 *b, const v128 *c,
                  uint32_t imm)
{
    const unsigned lane = IR_VIMM_LANE(imm), int_lane = FP_VINT_OF(imm);
    struct fp_env env = begin(cpu);
    const enum fp_rounding mode = rounding(&env, imm);
    v128 r = background(cpu, a, b, c, imm);

    for (unsigned i = 0; i < lanes(imm); i++) {
        put(&r, int_lane, i,
            fp_to_fixed(&env, format(imm), get(a, lane, i), FP_VFBITS_OF(imm),
                        (imm & FP_VUNSIGNED) != 0, mode, 8u << int_lane));
    }
    *d = r;
    end(cpu, &env);
}

void vop_cvtf_int(struct a64_cpu *cpu, v128 *d, const v128 *a, const v128 *b, const v128 *c,
                  uint32_t imm)
{
    const unsigned lane = IR_VIMM_LANE(imm), int_lane = FP_VINT_OF(imm);
    struct fp_env env = begin(cpu);
    const enum fp_rounding mode = rounding(&env, imm);
    v128 r = background(cpu, a, b, c, imm);

    for (unsigned i = 0; i < lanes(imm); i++) {
        put(&r, lane, i,
            fp_from_fixed(&env, format(imm), get(a, int_lane, i), FP_VFBITS_OF(imm),
                          (imm & FP_VUNSIGNED) != 0, mode, 8u << int_lane));
    }
    *d = r;
    end(cpu, &env);
}

void vop_fjcvtzs(struct a64_cpu *cpu, v128 *d, const v128 *a, const v128 *b, const v128 *c,
                 uint32_t imm)
{
    struct fp_env env = begin(cpu);
    bool z;
    const uint32_t integer = fp_to_fixed_js(&env, a->d[0], &z);

    (void)b, (void)c, (void)imm;
    *d = (v128){.d = {integer | (uint64_t)z << 62, 0}};
    end(cpu, &env);
}

void vop_fcvt(struct a64_cpu *cpu, v128 *d, const v128 *a, const v128 *b, const v128 *c,
              uint32_t imm)
{
    const unsigned from = FP_VSOURCE_OF(imm);
    struct fp_env env = begin(cpu);
    v128 r = background(cpu, a, b, c, imm);

    put(&r, IR_VIMM_LANE(imm), 0,
        fp_convert(&env, format(imm), &fp_formats[from], get(a, from, 0), rounding(&env, imm)));
    *d = r;
    end(cpu, &env);
}

void vop_bfcvt(struct a64_cpu *cpu, v128 *d, const v128 *a, const v128 *b, const v128 *c,
               uint32_t imm)
{
    struct fp_env env = begin(cpu);
    v128 r = background(cpu, a, b, c, imm);

    r.h[0] = (uint16_t)fp_convert_bf(&env, a->s[0]);
    *d = r;
    end(cpu, &env);
}

void vop_fcvtl(struct a64_cpu *cpu, v128 *d, const v128 *a, const v128 *b, const v128 *c,
               uint32_t imm)
{
    const unsigned lane = IR_VIMM_LANE(imm);
    const unsigned n = 16u >> lane;
    const unsigned from = imm & FP_VUPPER ? n : 0;
    struct fp_env env = begin(cpu);
    v128 r;

    (void)b, (void)c;
    for (unsigned i = 0; i < n; i++) {
        put(&r, lane, i,
            fp_convert(&env, format(imm), &fp_formats[lane - 1], get(a, lane - 1, from + i),
                       fp_rounding_mode(&env)));
    }
    *d = r;
    end(cpu, &env);
}

/* Half of a vector: the lower with zero above it, or the upper with b's lower half below it. */
static v128 narrowed(uint64_t half, const v128 *b, uint32_t imm)
{
    return imm & FP_VUPPER ? (v128){.d = {b->d[0], half}} : (v128){.d = {half, 0}};
}

void vop_fcvtn(struct a64_cpu *cpu, v128 *d, const v128 *a, const v128 *b, const v128 *c,
               uint32_t imm)
{
    const unsigned lane = IR_VIMM_LANE(imm);
    struct fp_env env = begin(cpu);
    const enum fp_rounding mode = rounding(&env, imm);
    v128 r = {.d = {0, 0}};

    (void)c;
    for (unsigned i = 0; i < 8u >> lane; i++) {
        put(&r, lane, i,
            fp_convert(&env, format(imm), &fp_formats[lane + 1], get(a, lane + 1, i), mode));
    }
    *d = narrowed(r.d[0], b, imm);
    end(cpu, &env);
}

void vop_bfcvtn(struct a64_cpu *cpu, v128 *d, const v128 *a, const v128 *b, const v128 *c,
                uint32_t imm)
{
    struct fp_env env = begin(cpu);
    v128 r = {.d = {0, 0}};

    (void)c;
    for (unsigned i = 0; i < 4; i++) {
        r.h[i] = (uint16_t)fp_convert_bf(&env, a->s[i]);
    }
    *d = narrowed(r.d[0], b, imm);
    end(cpu, &env);
}
