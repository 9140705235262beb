/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The cryptographic functions, put together to whole algorithms the way that guests use the instructions, against the published
 * examples: FIPS 197 C.1, FIPS 180-4 ("abc"), GB/T 32905 A.1 ("abc"), GB/T 32907 A.1.
 */
#include <stdio.h>
#include <string.h>

#include "engine/cpu.h"
#include "engine/ir/functions.h"

static unsigned failures;

#define VECTOR  IR_VIMM(2, 1, 0)
#define VECTOR2 IR_VIMM(3, 1, 0)

static v128 call(ir_vop_fn *fn, uint32_t imm, v128 a, v128 b, v128 c)
{
    static struct a64_cpu cpu;
    v128 d;

    fn(&cpu, &d, &a, &b, &c, imm);
    return d;
}

static const v128 none;
#define CALL1(name, imm, a)       call(vop_##name, imm, a, none, none)
#define CALL2(name, imm, a, b)    call(vop_##name, imm, a, b, none)
#define CALL3(name, imm, a, b, c) call(vop_##name, imm, a, b, c)

static void expect(const char *what, const void *got, const char *hex, size_t n)
{
    const uint8_t *const bytes = got;
    char text[2 * 64 + 1] = "";

    for (size_t i = 0; i < n; i++) {
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
    if (strcmp(text, hex) != 0) {
        printf("%s: got %s, expected %s\n", what, text, hex);
        failures++;
    }
}

static v128 xor (v128 a, v128 b) { return (v128){.q = a.q ^ b.q}; }

    static uint32_t rol32(uint32_t x, unsigned by)
{
    return by == 0 ? x : x << by | x >> (32 - by);
}

/* --- AES --------------------------------------------------------------------------------------*/

static uint32_t sub_word(uint32_t word)
{
    const v128 columns = {
        .s = {word, word, word, word}}; /* alike, so that ShiftRows moves nothing */

    return CALL2(aese, VECTOR, columns, none).s[0];
}

static void aes128_expand_key(v128 keys[11])
{
    uint32_t round_constant = 1;

    for (unsigned i = 0; i < 16; i++) {
        keys[0].b[i] = (uint8_t)i;
    }
    for (unsigned i = 1; i <= 10; i++) {
        uint32_t word = sub_word(rol32(keys[i - 1].s[3], 24)) ^ round_constant;

        for (unsigned column = 0; column < 4; column++) {
            word ^= keys[i - 1].s[column];
            keys[i].s[column] = word;
        }
        round_constant = round_constant << 1 ^ (round_constant >> 7) * 0x11b;
    }
}

static void test_aes(void)
{
    v128 keys[11], state;

    for (unsigned i = 0; i < 16; i++) {
        state.b[i] = (uint8_t)(i * 0x11);
    }
    aes128_expand_key(keys);
    expect("AES-128 round key 10", &keys[10], "13111d7fe3944a17f307a78b4d2b30c5", 16);
    for (unsigned i = 0; i < 9; i++) {
        state = CALL1(aesmc, VECTOR, CALL2(aese, VECTOR, state, keys[i]));
    }
    state = xor(CALL2(aese, VECTOR, state, keys[9]), keys[10]);
    expect("AES-128 encrypt", &state, "69c4e0d86a7b0430d8cdb78070b4c55a", 16);

    state = CALL1(aesimc, VECTOR, CALL2(aesd, VECTOR, state, keys[10]));
    for (unsigned i = 9; i > 1; i--) {
        state = CALL1(aesimc, VECTOR, CALL2(aesd, VECTOR, state, CALL1(aesimc, VECTOR, keys[i])));
    }
    state = xor(CALL2(aesd, VECTOR, state, CALL1(aesimc, VECTOR, keys[1])), keys[0]);
    expect("AES-128 decrypt", &state, "00112233445566778899aabbccddeeff", 16);
}

/* --- The SHA family ---------------------------------------------------------------------------*/

/* "abc" in one block: 0x61626380 0 ... 24 */
static void padded_abc(v128 w[4])
{
    memset(w, 0, 4 * sizeof(w[0]));
    w[0].s[0] = 0x61626380;
    w[3].s[3] = 24;
}

static void expect_words(const char *what, const uint32_t *words, unsigned n, const char *hex)
{
    uint32_t big_endian[8];

    for (unsigned i = 0; i < n; i++) {
        big_endian[i] = __builtin_bswap32(words[i]);
    }
    expect(what, big_endian, hex, 4 * n);
}

static void test_sha1(void)
{
    static const uint32_t constants[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    static ir_vop_fn *const rounds[4] = {vop_sha1c, vop_sha1p, vop_sha1m, vop_sha1p};
    const v128 start = {.s = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}};
    v128 w[24], abcd = start, e = {.s = {0xc3d2e1f0}};
    uint32_t digest[5];

    padded_abc(w);
    for (unsigned i = 0; i < 20; i++) {
        const uint32_t k = constants[i / 5];
        const v128 words = CALL2(add, VECTOR, w[i], ((v128){.s = {k, k, k, k}}));
        const v128 next_e = {.s = {rol32(abcd.s[0], 30)}}; /* SHA1H */

        w[i + 4] = CALL2(sha1su1, VECTOR, CALL3(sha1su0, VECTOR, w[i], w[i + 1], w[i + 2]),
                         w[i + 3]);
        abcd = call(rounds[i / 5], VECTOR, abcd, e, words);
        e = next_e;
    }
    for (unsigned i = 0; i < 4; i++) {
        digest[i] = start.s[i] + abcd.s[i];
    }
    digest[4] = 0xc3d2e1f0 + e.s[0];
    expect_words("SHA-1", digest, 5, "a9993e364706816aba3e25717850c26c9cd0d89d");
}

// clang-format off
/* Fractions of the cube roots of the first primes; SHA-256 uses the upper halves of the first 64. */
static const uint64_t sha512_constants[80] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
    0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
    0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
    0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
    0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
    0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
    0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
    0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
    0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
    0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
    0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
    0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
    0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
    0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
    0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
    0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
    0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
};

/* Fractions of the square roots; the same holds. */
static const uint64_t sha512_start[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};
// clang-format on

static void test_sha256(void)
{
    v128 w[20], abcd, efgh;
    uint32_t digest[8];

    padded_abc(w);
    for (unsigned i = 0; i < 4; i++) {
        abcd.s[i] = (uint32_t)(sha512_start[i] >> 32);
        efgh.s[i] = (uint32_t)(sha512_start[4 + i] >> 32);
    }
    for (unsigned i = 0; i < 16; i++) {
        const v128 before = abcd;
        v128 words;

        for (unsigned j = 0; j < 4; j++) {
            words.s[j] = w[i].s[j] + (uint32_t)(sha512_constants[4 * i + j] >> 32);
        }
        w[i + 4] = CALL3(sha256su1, VECTOR, CALL2(sha256su0, VECTOR, w[i], w[i + 1]), w[i + 2],
                         w[i + 3]);
        abcd = CALL3(sha256h, VECTOR, abcd, efgh, words);
        efgh = CALL3(sha256h2, VECTOR, efgh, before, words);
    }
    for (unsigned i = 0; i < 4; i++) {
        digest[i] = abcd.s[i] + (uint32_t)(sha512_start[i] >> 32);
        digest[4 + i] = efgh.s[i] + (uint32_t)(sha512_start[4 + i] >> 32);
    }
    expect_words("SHA-256", digest, 8,
                 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* The upper doubleword of low and the lower one of high */
static v128 middle(v128 low, v128 high)
{
    return CALL2(ext, IR_VIMM(0, 1, 8), low, high);
}

static void test_sha512(void)
{
    v128 w[48] = {{.d = {0x6162638000000000, 0}}}, start[4], x[4]; /* ab cd ef gh */
    uint64_t digest[8];

    w[7].d[1] = 24;
    memcpy(start, sha512_start, sizeof(start));
    memcpy(x, start, sizeof(x));
    for (unsigned i = 0; i < 40; i++) {
        v128 words, head, sum;

        memcpy(&words, &sha512_constants[2 * i], sizeof(words));
        words = CALL2(add, VECTOR2, w[i], words);
        w[i + 8] = CALL3(sha512su1, VECTOR2, CALL2(sha512su0, VECTOR2, w[i], w[i + 1]), w[i + 7],
                         middle(w[i + 4], w[i + 5]));
        sum = CALL2(add, VECTOR2, x[3], middle(words, words));
        head = CALL3(sha512h, VECTOR2, sum, middle(x[2], x[3]), middle(x[1], x[2]));
        sum = CALL2(add, VECTOR2, x[1], head);
        head = CALL3(sha512h2, VECTOR2, head, x[1], x[0]);
        x[3] = x[2];
        x[2] = sum;
        x[1] = x[0];
        x[0] = head;
    }
    for (unsigned i = 0; i < 8; i++) {
        digest[i] = __builtin_bswap64(start[i / 2].d[i % 2] + x[i / 2].d[i % 2]);
    }
    expect("SHA-512", digest,
           "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
           "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
           64);
}

/* --- SM3 --------------------------------------------------------------------------------------*/

static v128 sm3_state(const uint32_t *words)
{
    return (v128){.s = {words[3], words[2], words[1], words[0]}};
}

static void test_sm3(void)
{
    static const uint32_t start[8] = {0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600,
                                      0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e};
    v128 w[20], abcd = sm3_state(start), efgh = sm3_state(start + 4);
    uint32_t digest[8];

    padded_abc(w);
    for (unsigned i = 0; i < 16; i++) {
        const v128 part1 = CALL3(sm3partw1, VECTOR, w[i],
                                 CALL2(ext, IR_VIMM(0, 1, 12), w[i + 1], w[i + 2]), w[i + 3]);
        const v128 mixed = xor(w[i], w[i + 1]);

        w[i + 4] = CALL3(sm3partw2, VECTOR, part1, middle(w[i + 2], w[i + 3]),
                         CALL2(ext, IR_VIMM(0, 1, 12), w[i], w[i + 1]));
        for (unsigned j = 0; j < 4; j++) {
            const uint32_t imm = IR_VIMM(2, 1, j), constant = i < 4 ? 0x79cc4519 : 0x7a879d8a;
            const v128 ss1 = CALL3(sm3ss1, VECTOR, abcd, efgh,
                                   ((v128){.s = {0, 0, 0, rol32(constant, (4 * i + j) % 32)}}));

            abcd = call(i < 4 ? vop_sm3tt1a : vop_sm3tt1b, imm, abcd, ss1, mixed);
            efgh = call(i < 4 ? vop_sm3tt2a : vop_sm3tt2b, imm, efgh, ss1, w[i]);
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        digest[i] = start[i] ^ abcd.s[3 - i];
        digest[4 + i] = start[4 + i] ^ efgh.s[3 - i];
    }
    expect_words("SM3", digest, 8,
                 "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
}

/* --- SM4 --------------------------------------------------------------------------------------*/

static void sm4_expand_key(v128 keys[8])
{
    v128 key = {.s = {0x01234567 ^ 0xa3b1bac6, 0x89abcdef ^ 0x56aa3350, 0xfedcba98 ^ 0x677d9197,
                      0x76543210 ^ 0xb27022dc}};

    for (unsigned i = 0; i < 8; i++) {
        v128 constants;

        for (unsigned j = 0; j < 16; j++) { /* the bytes of a word count from its top */
            constants.b[j ^ 3] = (uint8_t)(7 * (16 * i + j));
        }
        key = CALL2(sm4ekey, VECTOR, key, constants);
        keys[i] = key;
    }
}

static void test_sm4(void)
{
    v128 keys[8], state = {.s = {0x01234567, 0x89abcdef, 0xfedcba98, 0x76543210}};
    uint32_t text[4];

    sm4_expand_key(keys);
    for (unsigned i = 0; i < 8; i++) {
        state = CALL2(sm4e, VECTOR, state, keys[i]);
    }
    for (unsigned i = 0; i < 4; i++) {
        text[i] = state.s[3 - i];
    }
    expect_words("SM4", text, 4, "681edf34d206965e86b3e94f536e4246");
}

int main(void)
{
    test_aes();
    test_sha1();
    test_sha256();
    test_sha512();
    test_sm3();
    test_sm4();
    if (failures != 0) {
        printf("%u failures\n", failures);
    }
    return failures != 0;
}
