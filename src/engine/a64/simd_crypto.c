/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Cryptographic SIMD instructions. What SHA3 needs are plain operations; the others have a function of their own. */
#include "engine/a64/simd.h"

#define WHOLE IR_VIMM(2, 1, 0)

static void put(struct tr *t, uint32_t w, ir_ref value)
{
    tr_put_v(t, SIMD_RD(w), value);
}

/* fn of Vd, Vn, Vm */
static void dnm(struct tr *t, uint32_t w, enum ir_vop fn)
{
    put(t, w, tr_vop(t, fn, simd_rd(t, w), simd_rn(t, w), simd_rm(t, w), WHOLE));
}

/* fn of Vd, Vn */
static void dn(struct tr *t, uint32_t w, enum ir_vop fn)
{
    put(t, w, simd_vop2(t, fn, simd_rd(t, w), simd_rn(t, w), WHOLE));
}

static ir_ref ra(struct tr *t, uint32_t w)
{
    return tr_get_v(t, A64_FIELD(w, 14, 10));
}

/* --- AES, SHA-1, SHA-256, SHA-512 -------------------------------------------------------------*/

SIMD_CLASS(vector_crypto_aes_round, dn(t, w, A64_BIT(w, 12) != 0 ? VOP_aesd : VOP_aese))
SIMD_CLASS(vector_crypto_aes_mix,
           put(t, w,
               simd_vop1(t, A64_BIT(w, 12) != 0 ? VOP_aesimc : VOP_aesmc, simd_rn(t, w), WHOLE)))

SIMD_CLASS(vector_crypto_sha3op_sha1_hash_choose, dnm(t, w, VOP_sha1c))
SIMD_CLASS(vector_crypto_sha3op_sha1_hash_parity, dnm(t, w, VOP_sha1p))
SIMD_CLASS(vector_crypto_sha3op_sha1_hash_majority, dnm(t, w, VOP_sha1m))
SIMD_CLASS(vector_crypto_sha3op_sha1_sched0, dnm(t, w, VOP_sha1su0))
SIMD_CLASS(vector_crypto_sha2op_sha1_sched1, dn(t, w, VOP_sha1su1))

/* SHA1H: the word rotated left by 30 */
void a64_vector_crypto_sha2op_sha1_hash(struct tr *t, uint32_t w)
{
    put(t, w, simd_vop1(t, VOP_ror, simd_rn(t, w), IR_VIMM(2, 0, 2) | IR_VIMM_SCALAR));
}

SIMD_CLASS(vector_crypto_sha3op_sha256_hash,
           dnm(t, w, A64_BIT(w, 12) != 0 ? VOP_sha256h2 : VOP_sha256h))
SIMD_CLASS(vector_crypto_sha2op_sha256_sched0, dn(t, w, VOP_sha256su0))
SIMD_CLASS(vector_crypto_sha3op_sha256_sched1, dnm(t, w, VOP_sha256su1))

SIMD_CLASS(vector_crypto_sha512_sha512h, dnm(t, w, VOP_sha512h))
SIMD_CLASS(vector_crypto_sha512_sha512h2, dnm(t, w, VOP_sha512h2))
SIMD_CLASS(vector_crypto_sha512_sha512su0, dn(t, w, VOP_sha512su0))
SIMD_CLASS(vector_crypto_sha512_sha512su1, dnm(t, w, VOP_sha512su1))

/* --- SHA3 -------------------------------------------------------------------------------------*/

static ir_ref rotate_right64(struct tr *t, ir_ref v, unsigned by)
{
    return by == 0 ? v : simd_vop1(t, VOP_ror, v, IR_VIMM(3, 1, by));
}

void a64_vector_crypto_sha3_eor3(struct tr *t, uint32_t w)
{
    const ir_ref nm = simd_bitwise(t, IR_VXOR, simd_rn(t, w), simd_rm(t, w), IR_REF_NONE);

    put(t, w, simd_bitwise(t, IR_VXOR, nm, ra(t, w), IR_REF_NONE));
}

void a64_vector_crypto_sha3_bcax(struct tr *t, uint32_t w)
{
    const ir_ref cleared = simd_bitwise(t, IR_VBIC, simd_rm(t, w), ra(t, w), IR_REF_NONE);

    put(t, w, simd_bitwise(t, IR_VXOR, simd_rn(t, w), cleared, IR_REF_NONE));
}

void a64_vector_crypto_sha3_rax1(struct tr *t, uint32_t w)
{
    put(t, w,
        simd_bitwise(t, IR_VXOR, simd_rn(t, w), rotate_right64(t, simd_rm(t, w), 63), IR_REF_NONE));
}

void a64_vector_crypto_sha3_xar(struct tr *t, uint32_t w)
{
    const ir_ref nm = simd_bitwise(t, IR_VXOR, simd_rn(t, w), simd_rm(t, w), IR_REF_NONE);

    put(t, w, rotate_right64(t, nm, A64_FIELD(w, 15, 10)));
}

/* --- SM3, SM4 ---------------------------------------------------------------------------------*/

SIMD_CLASS(vector_crypto_sm3_sm3partw1, dnm(t, w, VOP_sm3partw1))
SIMD_CLASS(vector_crypto_sm3_sm3partw2, dnm(t, w, VOP_sm3partw2))
SIMD_CLASS(vector_crypto_sm3_sm3ss1,
           put(t, w, tr_vop(t, VOP_sm3ss1, simd_rn(t, w), simd_rm(t, w), ra(t, w), WHOLE)))

/* The word of Vm is chosen by imm2. */
static void sm3_half_round(struct tr *t, uint32_t w, enum ir_vop fn)
{
    put(t, w,
        tr_vop(t, fn, simd_rd(t, w), simd_rn(t, w), simd_rm(t, w),
               IR_VIMM(2, 1, A64_FIELD(w, 13, 12))));
}

SIMD_CLASS(vector_crypto_sm3_sm3tt1a, sm3_half_round(t, w, VOP_sm3tt1a))
SIMD_CLASS(vector_crypto_sm3_sm3tt1b, sm3_half_round(t, w, VOP_sm3tt1b))
SIMD_CLASS(vector_crypto_sm3_sm3tt2a, sm3_half_round(t, w, VOP_sm3tt2a))
SIMD_CLASS(vector_crypto_sm3_sm3tt2b, sm3_half_round(t, w, VOP_sm3tt2b))

SIMD_CLASS(vector_crypto_sm4_sm4enc, dn(t, w, VOP_sm4e))
SIMD_CLASS(vector_crypto_sm4_sm4enckey,
           put(t, w, simd_vop2(t, VOP_sm4ekey, simd_rn(t, w), simd_rm(t, w), WHOLE)))
