/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Loads and stores of every form: the text as the assembler reads it, the word, and what the decoder says, as one line. The script
 * insn_words.py checks that the text is the word; mmio_forms compares the decoder with the engine.
 */
#include <applevisor/insn.h>

#include "check.h"

static const struct {
    const char *text; /* "-": not for the assembler */
    uint32_t word;
    const char *line;
} forms[] = {
#define FORM(text, word, line) {text, word, line},
#include "insn_forms.inc"
#undef FORM
};

#define N_FORMS (sizeof(forms) / sizeof(forms[0]))

static const char *show_address(const av_insn *insn, char *buffer, size_t size)
{
    static const char *const extends[8] = {[2] = "uxtw", [3] = "lsl", [6] = "sxtw", [7] = "sxtx"};
    static const char *const hows[] = {"[base]", "[base]", "pre", "post", "pc", "auth"};
    char base[8] = "";

    if (insn->base != AV_INSN_NO_REGISTER) {
        snprintf(base, sizeof(base), " x%u", insn->base);
    }
    if (insn->index != AV_INSN_NO_REGISTER) {
        snprintf(buffer, size, "%s%s, x%u %s %u%s", hows[insn->addressing], base, insn->index,
                 extends[insn->index_extend & 7], insn->index_shift, insn->writeback ? "!" : "");
    } else {
        snprintf(buffer, size, "%s%s, %lld%s", hows[insn->addressing], base,
                 (long long)insn->offset, insn->writeback ? "!" : "");
    }
    return buffer;
}

static void show(const av_insn *insn, char *buffer, size_t size)
{
    char address[64], regs[32] = "", elements[32] = "";
    size_t n = 0;

    if (insn->kind != AV_INSN_LOAD && insn->kind != AV_INSN_STORE) {
        snprintf(buffer, size, "%s: %s", insn->name, av_insn_kind_name(insn->kind));
        return;
    }
    for (unsigned i = 0; i < insn->n_regs; i++) {
        n += (size_t)snprintf(regs + n, sizeof(regs) - n, " %c%u", insn->is_vector ? 'v' : 'x',
                              insn->regs[i]);
    }
    if (insn->n_elements > 1 || insn->interleaved) {
        snprintf(elements, sizeof(elements), " *%u%s", insn->n_elements,
                 insn->interleaved ? " interleaved" : "");
    } else if (insn->keeps_others || insn->lane != 0) {
        snprintf(elements, sizeof(elements), " lane %u", insn->lane);
    } else if (insn->replicate) {
        snprintf(elements, sizeof(elements), " all of %u", insn->vector_bytes);
    }
    snprintf(buffer, size, "%s: %s%s, %u%s%s%s%s, %s", insn->name, av_insn_kind_name(insn->kind),
             regs, insn->size_bytes, elements,
             insn->sign_extend ? (insn->is_64_bit ? " signed 64" : " signed 32") : "",
             insn->is_ordered ? " ordered" : "", insn->unprivileged ? " unprivileged" : "",
             show_address(insn, address, sizeof(address)));
}

TEST(every_form)
{
    for (size_t i = 0; i < N_FORMS; i++) {
        av_insn insn;
        char line[160];

        EXPECT_EQ(av_insn_decode(forms[i].word, &insn), AV_OK);
        EXPECT_EQ(insn.word, forms[i].word);
        show(&insn, line, sizeof(line));
        if (strcmp(line, forms[i].line) != 0) {
            printf("# 0x%08x %s: '%s', expected '%s'\n", forms[i].word, forms[i].text, line,
                   forms[i].line);
            failures++;
        }
    }
}

/* Of any word: the kind is known, the registers are, and what is described can be listed. */
TEST(no_word_is_out_of_range)
{
    uint64_t seed = 7;

    for (unsigned i = 0; i < 300000; i++) {
        av_insn_transfer transfers[AV_INSN_MAX_TRANSFERS];
        av_insn insn;
        unsigned n = 0, next = 0;

        seed = seed * 6364136223846793005u + 1442695040888963407u;
        /* Bit 27 set and 25 clear: the space of loads and stores. */
        EXPECT_EQ(av_insn_decode((uint32_t)(seed >> 32 | 1u << 27) & ~(1u << 25), &insn), AV_OK);
        EXPECT(insn.kind < AV_INSN_KIND_COUNT);
        EXPECT((insn.kind == AV_INSN_NOT_MEMORY) == (insn.name[0] == '\0'));
        if (insn.kind != AV_INSN_LOAD && insn.kind != AV_INSN_STORE) {
            EXPECT_EQ(av_insn_transfers(&insn, transfers, &n), AV_ERROR_BAD_ARGUMENT);
            EXPECT_EQ(av_insn_total_bytes(&insn), 0);
            continue;
        }
        EXPECT_EQ(av_insn_transfers(&insn, transfers, &n), AV_OK);
        EXPECT(n >= 1 && n <= AV_INSN_MAX_TRANSFERS);
        for (unsigned j = 0; j < n; j++) {
            EXPECT_EQ(transfers[j].offset, next);
            EXPECT(transfers[j].reg < 32);
            EXPECT(transfers[j].reg_byte + transfers[j].size_bytes <= 16);
            next += transfers[j].size_bytes;
        }
        EXPECT_EQ(next, av_insn_total_bytes(&insn));
    }
}

TEST(accesses_of_structures)
{
    /* ld3 {v30.4h, v31.4h, v0.4h}: the registers alternate. */
    av_insn_transfer t[AV_INSN_MAX_TRANSFERS];
    av_insn insn;
    unsigned n = 0;

    EXPECT_EQ(av_insn_decode(0x0c40445e, &insn), AV_OK);
    EXPECT_EQ(av_insn_transfers(&insn, t, &n), AV_OK);
    EXPECT_EQ(n, 12);
    for (unsigned i = 0; i < n; i++) {
        EXPECT_EQ(t[i].offset, 2 * i);
        EXPECT_EQ(t[i].reg, (30 + i % 3) % 32);
        EXPECT_EQ(t[i].reg_byte, i / 3 * 2);
        EXPECT_EQ(t[i].size_bytes, 2);
    }
    /* stp q1, q2, [x3]: two accesses of 8 bytes for each */
    EXPECT_EQ(av_insn_decode(0xad000861, &insn), AV_OK);
    EXPECT_EQ(av_insn_transfers(&insn, t, &n), AV_OK);
    EXPECT_EQ(n, 4);
    for (unsigned i = 0; i < n; i++) {
        EXPECT_EQ(t[i].offset, 8 * i);
        EXPECT_EQ(t[i].reg, 1 + i / 2);
        EXPECT_EQ(t[i].reg_byte, i % 2 * 8);
    }
}

TEST(null_arguments)
{
    av_insn_transfer t[AV_INSN_MAX_TRANSFERS];
    av_insn insn;
    unsigned n;

    EXPECT_EQ(av_insn_decode(0xb9000025, NULL), AV_ERROR_NULL_ARGUMENT);
    EXPECT_EQ(av_insn_decode(0xb9000025, &insn), AV_OK);
    EXPECT_EQ(av_insn_transfers(NULL, t, &n), AV_ERROR_NULL_ARGUMENT);
    EXPECT_EQ(av_insn_transfers(&insn, NULL, &n), AV_ERROR_NULL_ARGUMENT);
    EXPECT_EQ(av_insn_transfers(&insn, t, NULL), AV_ERROR_NULL_ARGUMENT);
    EXPECT_EQ(av_insn_total_bytes(NULL), 0);
    EXPECT_EQ(strcmp(av_insn_kind_name(AV_INSN_KIND_COUNT), "?"), 0);
}

MAIN(T(every_form), T(no_word_is_out_of_range), T(accesses_of_structures), T(null_arguments))
